/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The restore, from top to bottom: open the image, see that everything is there, prepare what the
 * program inherits, make a process with its number, build the program in it, hand over, and stay
 * until it ends. Any failure before the hand-over removes what was made and leaves files as they
 * were.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "restore/restore_internal.h"

static void block_chld(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, old);
}

static int build(struct pk_restore *r, struct pk_error *err)
{
	int e = pk_preflight(r, err);

	if (e == 0)
		e = pk_prepare(r, err);
	if (e == 0)
		e = pk_spawn(r, err);
	if (e == 0)
		e = pk_supervise_begin(r, err);
	if (e == 0)
		e = pk_tracer_run(pk_build, r, err);
	pk_supervise_announce(r, e == 0);
	if (e < 0)
		pk_spawn_undo(r);
	return e;
}

static void release(struct pk_restore *r)
{
	if (r->channel >= 0)
		close(r->channel);
	for (size_t i = 0; i < r->n_procs; i++) {
		pk_threads_free(&r->proc[i]);
		pk_plan_free(&r->proc[i].plan);
		free(r->proc[i].remote.born);
	}
	free(r->proc);
	pk_target_free(&r->target);
	pk_image_close(&r->image);
}

static int restore(struct pk_restore *r, struct pk_error *err)
{
	int64_t started = pk_now();
	int e = pk_image_open(r->o->image, pk_kind_lookup, &r->image, err);

	if (e < 0)
		return e;
	snprintf(r->ret->path, sizeof(r->ret->path), "%s", r->image.path);
	e = build(r, err);
	if (e < 0)
		return e;
	for (size_t i = 0; i < r->image.n_pages; i++)
		r->ret->memory_bytes += pk_pages_raw(r->image.pages[i]);
	r->ret->pid = r->seed;
	r->ret->built_ns = pk_now() - started;
	r->ret->handed_over = true;
	pk_target_free(&r->target); /* pipes' other ends, above all */
	if (r->o->running)
		r->o->running(r->ret, r->o->running_arg);
	pk_log(PK_LOG_INFO, "%s: %s runs again as pid %d, after %.3f s", r->image.path,
		r->task->comm, r->seed, (double)r->ret->built_ns / 1e9);
	if (!r->o->detach)
		r->ret->status = pk_supervise(r);
	return 0;
}

int pckpt_restore(const struct pckpt_restore_options *o, struct pckpt_restore_result *ret,
	struct pk_error *err)
{
	PK_FREE struct pk_restore *r = calloc(1, sizeof(*r));
	sigset_t old;
	int e;

	if (!r)
		return pk_fail_errno(err, "restore");
	*ret = (struct pckpt_restore_result){0};
	r->o = o;
	r->ret = ret;
	r->channel = -1;
	r->image.dirfd = -1;
	block_chld(&old);
	e = restore(r, err);
	release(r);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return e;
}
