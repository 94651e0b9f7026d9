/* SPDX-License-Identifier: Apache-2.0 */
/* The signal at the parent's death, of each thread; and it did not come. */
#include <signal.h>
#include <sys/prctl.h>

#include "crew.h"

#define THREADS 3

static int came;

static void handler(int sig)
{
	came = sig;
}

static void body(int i)
{
	static const int signals[THREADS] = {SIGUSR1, SIGUSR2, 0};
	int found = -1;

	must(prctl(PR_SET_PDEATHSIG, signals[i]));
	meet();
	if (victim_broken())
		must(prctl(PR_SET_PDEATHSIG, SIGTERM));
	must(prctl(PR_GET_PDEATHSIG, &found));
	expect(signals[i], found, "parent death signal of thread %d", i);
	expect(0, came, "parent death signal received");
}

int main(void)
{
	must_true(signal(SIGUSR1, handler) != SIG_ERR);
	must_true(signal(SIGUSR2, handler) != SIG_ERR);
	crew(THREADS, body);
	return victim_done();
}
