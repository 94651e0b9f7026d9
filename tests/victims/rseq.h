/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a thread's rseq registration: the kernel knows it, and keeps the CPU number in it. */
#ifndef RSEQ_H
#define RSEQ_H

#include <sched.h>
#include <sys/rseq.h>

#include "crew.h"

#define RSEQ_BYTES 32

static inline long rseq_call(struct rseq *area, int flags, unsigned sig)
{
	return syscall(SYS_rseq, area, RSEQ_BYTES, flags, sig);
}

static inline void expect_cpu_numbers(volatile struct rseq *area, int thread)
{
	cpu_set_t allowed, one;
	unsigned cpu;

	must(sched_getaffinity(0, sizeof(allowed), &allowed));
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		must(sched_setaffinity(0, sizeof(one), &one));
		must(syscall(SYS_getcpu, &cpu, NULL, NULL));
		expect(cpu, area->cpu_id, "rseq cpu_id of thread %d", thread);
		expect(cpu, area->cpu_id_start, "rseq cpu_id_start of thread %d", thread);
	}
}

static inline void expect_registered(struct rseq *area, unsigned sig, int thread)
{
	struct rseq other;

	expect_errno(EBUSY, rseq_call(area, 0, sig));
	expect_errno(EPERM, rseq_call(area, 0, sig + 1));
	expect_errno(EINVAL, rseq_call(&other, 0, sig));
	expect_cpu_numbers(area, thread);
}

#endif
