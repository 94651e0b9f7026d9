/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping a whole process: every thread seized and stopped, repeated until nothing new appears.
 * Threads that are born meanwhile are attached by the kernel (PTRACE_O_TRACECLONE) and stop by
 * themselves; threads that end meanwhile are forgotten. With all threads stopped nothing new can
 * appear, so one pass without a find is the fixed point.
 *
 * All calls come from one thread (see tracee.h), with SIGCHLD blocked. The job goes on when that
 * thread ends, whatever happened: a struct pk_freeze needs no undoing, only pk_freeze_free for its
 * memory.
 */
#ifndef PK_PTRACE_FREEZE_H
#define PK_PTRACE_FREEZE_H

#include "ptrace/tracee.h"

struct pk_freeze {
	struct pk_tracee **v; /* all threads, those of one process together, leader first */
	size_t n;
	struct pk_deadline deadline;
};

/*
 * Freeze process `pid`. procfd is its open /proc directory. On failure nothing is stopped for
 * longer than the calling thread lives. MISSING if the process ended, TEMPFAIL if a thread does not
 * stop in time, NOPERM (err->sys_errno kept) if the kernel refuses to attach.
 */
int pk_freeze_process(struct pk_freeze *f, pid_t pid, int procfd, struct pk_error *err);

void pk_freeze_free(struct pk_freeze *f);

/* The thread with this tid, or NULL. */
struct pk_tracee *pk_freeze_find(const struct pk_freeze *f, pid_t tid);

#endif
