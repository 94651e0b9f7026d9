/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timed waits in progress. When a thread is stopped in nanosleep, poll, a timed futex and the like,
 * the kernel keeps the moment at which the wait ends to itself. A live thread goes on by itself;
 * for the image the time left has to be found:
 *
 *   - nanosleep with a second argument has written it there;
 *   - else it is the timeout minus the time since the sleep began, which the scheduler shows
 *     (/proc/PID/task/TID/sched, se.exec_start) as long as the thread has not run since. That is
 * read before the thread is stopped, and believed only if being stopped was the one thing it did
 * since.
 *
 * Where nothing is known the wait begins anew: longer, never shorter. Two calls return EINTR for no
 * reason but our stop (epoll_wait(2) and a few more); they are sent back to be made again, in the
 * live thread too.
 */
#ifndef PK_DUMP_WAITS_H
#define PK_DUMP_WAITS_H

#include "image/store.h"
#include "model/job.h"
#include "ptrace/freeze.h"

struct pk_wait_note;
struct pk_waits {
	struct pk_wait_note *v;
	size_t n;
};

/* Before the freeze: note the threads that are in a timed call. Never fails: what is missing costs
 * time. */
void pk_waits_note(struct pk_waits *w, int procfd);

/*
 * Right after the freeze, before anything else is done to the threads: find how long they had
 * slept, and send those back that saw EINTR because of us, with the time left.
 */
int pk_waits_stopped(struct pk_waits *w, int procfd, struct pk_freeze *f, struct pk_error *err);

/* Fill wait_nr and wait_left (at the moment of the freeze) of the record of a stopped thread. */
void pk_waits_record(const struct pk_waits *w, const struct pk_tracee *t, struct pk_thread *ret);

void pk_waits_free(struct pk_waits *w);

#endif
