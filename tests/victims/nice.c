/* SPDX-License-Identifier: Apache-2.0 */
/* The nice value, which each thread has for itself. A user can only raise it. */
#include <sys/resource.h>

#include "crew.h"

#define THREADS 4

static void body(int i)
{
	static const int values[THREADS] = {5, 1, 19, 10};

	must(setpriority(PRIO_PROCESS, (id_t)gettid(), values[i]));
	meet();
	if (victim_broken())
		must(setpriority(PRIO_PROCESS, (id_t)gettid(), i == 2 ? 19 : 15));
	expect(values[i], getpriority(PRIO_PROCESS, (id_t)gettid()), "nice of thread %d", i);
}

int main(void)
{
	crew(THREADS, body);
	return victim_done();
}
