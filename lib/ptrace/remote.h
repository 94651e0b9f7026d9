/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a stopped process do things: a scratch area in it with the stub's code, a signal frame, a
 * stack and room for a program; scripts run there on one of its stopped threads.
 *
 * The job survives our death at any moment. While a thread is borrowed, all that it would need to
 * become itself again is in its own process: the stub ends in rt_sigreturn(2) on a frame with the
 * thread's registers, vector state and signal mask. The one thing that cannot be covered so is the
 * call that makes the area (and the one that removes it). For these the thread's stack pointer is
 * put on a frame in stack memory that was never used, with return address the program's own signal
 * trampoline: pk_foothold says where. Where a program has no such place (no trampoline: static
 * programs without signal handlers), a SIGKILL of the tracer in these few microseconds ends the
 * job. docs/ARCHITECTURE.md has the measurements.
 */
#ifndef PK_PTRACE_REMOTE_H
#define PK_PTRACE_REMOTE_H

#include "ptrace/script.h"
#include "ptrace/tracee.h"

struct pk_foothold {
	uint64_t syscall;     /* a syscall instruction in the process; required */
	uint64_t syscall_ret; /* one that is followed by a return, and ... */
	uint64_t sigreturn;   /* ... a signal trampoline, and ... */
	uint64_t frame_at; /* ... PK_FRAME_MAX bytes of dead stack, all zero, aligned to 64; or 0 */
};

struct pk_remote {
	pid_t pid;
	uint64_t base; /* 0: nothing is mapped */
	size_t len;
	struct pk_foothold foothold;
	/*
	 * How the stub reports its end: by a signal that the program neither handles nor blocks,
	 * one of `quiet` (bit n-1 is signal n); such a one has no effect if we are dead by then.
	 * For a thread that blocks all of them every call of a script costs two stops instead of
	 * the whole script one. A process of our own making needs no such care: `end_signal`, if
	 * not 0, is used.
	 */
	uint64_t quiet;
	uint32_t end_signal;
	struct pk_deadline deadline; /* looked at before a thread is borrowed, not while it is */
	bool stuck; /* a borrowed thread did not come back: it is left to itself, with the area */
	pk_syscall_namer namer;
	bool trace; /* print each op with its result */

	/* Threads and processes that scripts have started, in that order, as the tracer sees them.
	 */
	pid_t *born;
	size_t n_born;
};

/*
 * Map the area by borrowing `t`, with room for programs of up to prog_size bytes; at address
 * `where` (page-aligned, free) or, if 0, where the kernel likes. The caller fills foothold,
 * end_signal, deadline, namer and trace before.
 */
int pk_remote_open(struct pk_remote *r, struct pk_tracee *t, uint64_t where, size_t prog_size,
	struct pk_error *err);

/*
 * Whether an area lies at this address that a tracer left behind which was killed: its length, or
 * 0. Of the same version of pckpt, as its code tells.
 */
size_t pk_remote_leftover(pid_t pid, uint64_t at);

/* How much pk_remote_open maps for this prog_size. */
size_t pk_remote_size(size_t prog_size);

/*
 * Run a script on a stopped thread of the process and read it back with all results. The thread is
 * then stopped as before, with its own registers and mask. An op that failed is an error naming it,
 * unless `ret_failed` is given: then 0 is returned and *ret_failed is its index, or s->n.
 */
int pk_remote_run(struct pk_remote *r, struct pk_tracee *t, struct pk_script *s, size_t *ret_failed,
	struct pk_error *err);

/* Where data of this script will be in the process; only after its last op was appended. */
uint64_t pk_remote_address(const struct pk_remote *r, const struct pk_script *s, size_t data);

/* One call by a syscall instruction of the process itself; for when there is no area. */
int pk_remote_call(struct pk_remote *r, struct pk_tracee *t, uint64_t nr, const uint64_t a[6],
	int64_t *ret, struct pk_error *err);

/*
 * Remove the area and free `born`. Nothing is removed if there is none, if the process is gone, or
 * if a thread is stuck in it.
 */
int pk_remote_close(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err);

#endif
