/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUs that each thread may run on. */
#include <sched.h>

#include "crew.h"

#define THREADS 4

static cpu_set_t allowed;

/* Thread i leaves out the i-th of the CPUs; with one CPU only there is nothing to leave out. */
static cpu_set_t some_cpus(int i)
{
	cpu_set_t set = allowed;
	int cpu = -1;

	for (int n = 0; n < i; n++) {
		do
			cpu = (cpu + 1) % CPU_SETSIZE;
		while (!CPU_ISSET(cpu, &allowed));
	}
	if (cpu >= 0 && CPU_COUNT(&allowed) > 1)
		CPU_CLR(cpu, &set);
	return set;
}

static void body(int i)
{
	cpu_set_t want = some_cpus(i), found;

	must(sched_setaffinity(0, sizeof(want), &want));
	meet();
	if (victim_broken() && i == 1)
		must(sched_setaffinity(0, sizeof(allowed), &allowed));
	must(sched_getaffinity(0, sizeof(found), &found));
	expect_bytes(&want, &found, sizeof(want), "CPU mask of thread %d", i);
	expect(1, CPU_ISSET(sched_getcpu(), &want), "CPU of thread %d is in its mask", i);
}

int main(void)
{
	must(sched_getaffinity(0, sizeof(allowed), &allowed));
	crew(THREADS, body);
	return victim_done();
}
