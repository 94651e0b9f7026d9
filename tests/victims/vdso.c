/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Threads that are in the vDSO nearly all the time, through pointers looked up once, before the
 * dump: what they say agrees with the system calls, before, during and after. (No mode identity:
 * they never keep still.)
 */
#include <sys/time.h>

#include "crew.h"
#include "vdso.h"

#define AGREE_NS (NSEC + NSEC / 10)

enum { MAIN, CLOCK, DAY, SECONDS, CPU, THREADS };

static int (*vdso_clock_gettime)(clockid_t, struct timespec *);
static int (*vdso_gettimeofday)(struct timeval *, void *);
static time_t (*vdso_time)(time_t *);
static long (*vdso_getcpu)(unsigned *, unsigned *, void *);
static long cpus;

static int64_t clock_real(void)
{
	struct timespec t;

	must(syscall(SYS_clock_gettime, CLOCK_REALTIME, &t));
	return t.tv_sec * NSEC + t.tv_nsec;
}

static int64_t by_vdso(int i)
{
	struct timespec spec;
	struct timeval val;
	unsigned cpu, node;

	switch (i) {
	case CLOCK:
		expect(0, vdso_clock_gettime(CLOCK_REALTIME, &spec), "clock_gettime");
		return spec.tv_sec * NSEC + spec.tv_nsec;
	case DAY:
		expect(0, vdso_gettimeofday(&val, NULL), "gettimeofday");
		return val.tv_sec * NSEC + val.tv_usec * 1000;
	case SECONDS:
		return vdso_time(NULL) * NSEC;
	default:
		expect(0, vdso_getcpu(&cpu, &node, NULL), "getcpu");
		expect_range(0, cpus - 1, cpu, "CPU number");
		return clock_real();
	}
}

/* The coarse seconds of time() may lag a whole second and a tick behind. */
static void compare(int i)
{
	int64_t before = clock_real(), t = by_vdso(i), after = clock_real();

	expect(1, t >= before - AGREE_NS, "thread %d: vDSO is not behind the system call", i);
	expect(1, t <= after + AGREE_NS, "thread %d: vDSO is not ahead of the system call", i);
}

static void body(int i)
{
	if (i == MAIN) {
		meet();
		return;
	}
	crew_arrive();
	compare(i);
	while (!crew_is_over())
		by_vdso(i);
	compare(i);
}

int main(void)
{
	void *clock_now = vdso_symbol("__vdso_clock_gettime");

	if (!clock_now)
		victim_skip("no vDSO with a symbol table");
	cpus = sysconf(_SC_NPROCESSORS_CONF);
	vdso_clock_gettime = clock_now;
	vdso_gettimeofday = vdso_symbol("__vdso_gettimeofday");
	vdso_time = vdso_symbol("__vdso_time");
	vdso_getcpu = vdso_symbol("__vdso_getcpu");
	crew(THREADS, body);
	expect((intptr_t)clock_now, (intptr_t)vdso_symbol("__vdso_clock_gettime"),
		"place of clock_gettime in the vDSO");
	return victim_done();
}
