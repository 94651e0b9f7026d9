/* SPDX-License-Identifier: Apache-2.0 */
/* The timer slack of each thread, and the default that it goes back to. */
#include <sys/prctl.h>

#include "crew.h"

#define THREADS 3

static void body(int i)
{
	static const unsigned long slack[THREADS] = {123456, 1, 50000000};
	int own;

	must(prctl(PR_SET_TIMERSLACK, slack[i]));
	meet();
	if (victim_broken())
		must(prctl(PR_SET_TIMERSLACK, 777));
	own = must(prctl(PR_GET_TIMERSLACK));
	expect((long)slack[i], own, "timer slack of thread %d", i);
	must(prctl(PR_SET_TIMERSLACK, 0));
	/* Threads were made before main set its own, so they all share the first default. */
	expect(50000, prctl(PR_GET_TIMERSLACK), "default timer slack of thread %d", i);
}

int main(void)
{
	must(prctl(PR_SET_TIMERSLACK, 50000));
	crew(THREADS, body);
	return victim_done();
}
