/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timed waits in progress. When a thread is stopped in nanosleep, poll, a timed futex and the like,
 * the kernel keeps the moment at which the wait ends to itself. A live thread goes on by itself;
 * for the image the time left has to be found:
 *
 *   - nanosleep with a second argument has written it there;
 *   - else it is the timeout minus the time since the sleep began, which the scheduler shows
 *     (/proc/PID/task/TID/sched, se.exec_start) as long as the thread has not run since. That is
 *     read before the thread is stopped, and believed only if being stopped was the one thing it
 *     did since.
 *
 * Where nothing is known the wait begins anew: longer, never shorter. A few calls, epoll_wait(2)
 * among them, return EINTR for no reason but our stop; they are sent back to be made again, in the
 * live thread too.
 */
#ifndef PK_DUMP_WAITS_H
#define PK_DUMP_WAITS_H

#include "kind/kind.h"
#include "model/job.h"
#include "ptrace/freeze.h"

struct pk_wait_note;
struct pk_wait_past;
struct pk_waits {
	struct pk_wait_note *v;
	size_t n;
	struct pk_wait_past *past;
	size_t n_past;
};

/*
 * Before the freeze: note the threads that are in a timed call, and what the newest checkpoint of
 * the store (may be NULL) knows of waits that were interrupted by that dump already. Never fails:
 * what is not known makes waits longer.
 */
void pk_waits_note(struct pk_waits *w, int procfd, const char *store);

/*
 * Right after the freeze, before anything else is done to the threads: find how long they had
 * slept, and send those back that saw EINTR because of us, with the time left.
 */
int pk_waits_stopped(struct pk_waits *w, int procfd, struct pk_freeze *f, struct pk_error *err);

/*
 * Fill wait_nr and wait_end of the record of a stopped thread. `now` is the program's
 * CLOCK_MONOTONIC at the moment of the stop.
 */
void pk_waits_record(
	const struct pk_waits *w, const struct pk_tracee *t, int64_t now, struct pk_thread *ret);

void pk_waits_free(struct pk_waits *w);

#endif
