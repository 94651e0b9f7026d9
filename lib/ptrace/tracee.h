/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread under ptrace(2), as a state machine. Nearly all tracing bugs are wrong beliefs about
 *the state a tracee is in, so it is kept here, and only these functions change it.
 *
 *	DETACHED --seize--> RUNNING --interrupt, wait--> STOPPED --resume--> RUNNING
 *	                       \-- the thread ended --> GONE
 *
 * STOPPED always means a stop inside the kernel's signal delivery (PTRACE_EVENT_STOP). There, and
 * only there, the kernel completes the restart of an interrupted system call when the thread goes
 *on, even if its tracer dies at that moment. All other stops are passed through inside these
 *functions.
 *
 * ptrace(2) belongs to one thread of the tracer. When that thread ends, the kernel releases all its
 * tracees at once; this is how pckpt resumes a job, because a loop of PTRACE_DETACH takes a second
 * with 1,000 busy threads. PTRACE_SINGLESTEP is never used: a tracee whose tracer dies after a step
 * is killed by SIGTRAP.
 */
#ifndef PK_PTRACE_TRACEE_H
#define PK_PTRACE_TRACEE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/time.h"
#include "ptrace/arch.h"

enum pk_tracee_state { PK_T_DETACHED, PK_T_RUNNING, PK_T_STOPPED, PK_T_GONE };

struct pk_tracee {
	pid_t pid, tid; /* as the tracer sees them */
	enum pk_tracee_state state;
	int stop_signal;     /* STOPPED by job control, with this signal; else 0 */
	int exit_status;     /* GONE: wait status, if it was seen */
	bool exec_event;     /* it ran execve(2) since the flag was cleared */
	pid_t new_thread;    /* a thread or child that it started, to be taken over; else 0 */
	struct pk_regs regs; /* STOPPED: the job's own; what the thread will go on with */
	uint64_t sigmask;    /* STOPPED: the job's own */
	/*
	 * STOPPED in a system call: the call to be made again if the thread has to go on from a
	 * signal frame, which loses what the kernel keeps of it. -1: then it returns EINTR.
	 */
	int64_t again_nr;
};

/*
 * Attach without stopping. `options` are PTRACE_O_*. Fails with MISSING if the thread is gone and
 * NOPERM (errno kept) if the kernel refuses.
 */
int pk_tracee_seize(struct pk_tracee *t, unsigned long options, struct pk_error *err);

/* Ask a RUNNING thread to stop. Also for threads that the kernel attached by itself. */
int pk_tracee_interrupt(struct pk_tracee *t, struct pk_error *err);

/*
 * Wait until it is STOPPED or GONE; signals that arrive meanwhile are passed on to it. TEMPFAIL
 * when the deadline passes first (an uninterruptible sleep, say). Returns early, still RUNNING,
 * with new_thread set when it has started a thread: take that one over and call again.
 */
int pk_tracee_wait(struct pk_tracee *t, const struct pk_deadline *d, struct pk_error *err);

/*
 * Wait until it has run execve(2), and ask it to stop before the first instruction of the new
 * program; exec_event or GONE tells. pk_tracee_wait comes next.
 */
int pk_tracee_wait_exec(struct pk_tracee *t, const struct pk_deadline *d, struct pk_error *err);

/* Read the registers and the signal mask of a thread that has just STOPPED. */
int pk_tracee_read_regs(struct pk_tracee *t, struct pk_error *err);

/* Make t->regs what the stopped thread goes on with. */
int pk_tracee_write_regs(const struct pk_tracee *t, struct pk_error *err);
int pk_tracee_set_mask(const struct pk_tracee *t, uint64_t mask, struct pk_error *err);

/* Let a STOPPED thread run. */
int pk_tracee_resume(struct pk_tracee *t, struct pk_error *err);

/* Any register set, ptrace(2) PTRACE_GETREGSET: *n is the room in, the size out. */
int pk_tracee_get_regset(
	const struct pk_tracee *t, unsigned type, void *p, size_t *n, struct pk_error *err);
int pk_tracee_set_regset(
	const struct pk_tracee *t, unsigned type, const void *p, size_t n, struct pk_error *err);

/* Run fn in a thread of its own and wait for it: its tracees are released when it returns. */
int pk_tracer_run(int (*fn)(void *arg, struct pk_error *err), void *arg, struct pk_error *err);

#endif
