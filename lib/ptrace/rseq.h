/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restartable sequences, rseq(2). A thread that is stopped inside a critical section must not go on
 * in its middle: the kernel would have sent it to the section's abort handler, but forgets to when
 * a call is made from elsewhere meanwhile. So a stopped thread is sent there at once.
 */
#ifndef PK_PTRACE_RSEQ_H
#define PK_PTRACE_RSEQ_H

#include "ptrace/tracee.h"

struct pk_rseq {
	uint64_t address; /* 0: not registered */
	uint32_t size, signature, flags;
};

/* PTRACE_GET_RSEQ_CONFIGURATION, 5.13. On an older kernel none is found: libcs of its time use
 * none. */
int pk_rseq_get(const struct pk_tracee *t, struct pk_rseq *ret, struct pk_error *err);

/* If t->regs stand inside a critical section, make them its abort handler. */
int pk_rseq_abort(struct pk_tracee *t, const struct pk_rseq *rs, struct pk_error *err);

#endif
