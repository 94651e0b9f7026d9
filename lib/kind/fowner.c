/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals from open files: who gets them (F_SETOWN_EX), which one (F_SETSIG), and whether they are
 * sent (O_ASYNC); fcntl(2). Numbers of processes are the program's own, so it is asked itself.
 * Switched on late: nothing that a restore does is to send one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "kind/kind.h"

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC)

struct owned {
	uint32_t fd;
	uint32_t to; /* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP */
	int32_t pid; /* 0: nobody */
	int32_t sig; /* 0: SIGIO */
	uint32_t flags;
};
struct fowner {
	struct pk_list owned;
};

#define O struct owned
static const struct pk_type owned_type = {
	.name = "owned",
	.size = sizeof(O),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(O, 1, PK_F_U32, fd, "descriptor"),
			PK_FIELD(O, 2, PK_F_U32, to, "F_OWNER_*: what pid is the number of"),
			PK_FIELD(O, 3, PK_F_I32, pid, "who gets the signals; 0: nobody"),
			PK_FIELD(O, 4, PK_F_I32, sig, "F_SETSIG; 0: SIGIO"),
			PK_FIELD(O, 5, PK_F_U32, flags, "F_SETFL, with O_ASYNC"),
			PK_FIELD_END,
		},
};

/* A task, thread or group of the job with that number; groups need no leader. */
static const struct pk_obj *find(const struct pk_model *m, const struct owned *w)
{
	const struct pk_type *type = w->to == F_OWNER_TID ? &pk_thread_type : &pk_task_type;
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(m, o, type, PK_ANY_OWNER))) {
		const struct pk_task *t = o->data;

		if (w->to == F_OWNER_TID        ? ((const struct pk_thread *)o->data)->tid == w->pid
			: w->to == F_OWNER_PGRP ? t->pgid == w->pid
						: t->pid == w->pid)
			return o;
	}
	return NULL;
}

static int add(struct fowner *k, struct pk_view *v, const struct owned *w, struct pk_error *err)
{
	struct owned *new;

	if (!w->pid && !w->sig && !(w->flags & O_ASYNC))
		return 0;
	new = pk_list_add(&k->owned, &owned_type);
	if (!new)
		return pk_fail_errno(err, "fd %u", w->fd);
	*new = *w;
	if (w->pid && !find(v->src->model, w)) {
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: its signals go to process %d outside the job: not restored",
			v->src->pid, w->fd, w->pid);
		new->pid = 0;
	}
	return 0;
}

/* Descriptors of one process; of those that share an open file, in whatever process, the first. */
static size_t batch(const struct pk_view *v, size_t *at, const struct pk_open_fd *ret[], size_t max)
{
	const struct pk_open_fds *all = v->src->open;
	size_t n = 0;

	for (; *at < all->n && n < max; ++*at) {
		bool seen = all->v[*at].src != v->src;

		for (size_t k = 0; k < *at && !seen; k++)
			seen = all->v[k].file == all->v[*at].file;
		if (!seen)
			ret[n++] = &all->v[*at];
	}
	return n;
}

static int ask_batch(struct fowner *k, struct pk_view *v, const struct pk_open_fd *one[], size_t n,
	struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, n * sizeof(struct f_owner_ex));
	const struct f_owner_ex *who;
	int r;

	for (size_t i = 0; i < n; i++) {
		uint64_t fd = one[i]->view.fd;

		pk_script_call(&s, &(struct pk_call){.nr = SYS_fcntl,
					   .a = {pk_num(fd), pk_num(F_GETOWN_EX),
						   pk_addr(at + i * sizeof(*who))}});
		pk_script_call(&s,
			&(struct pk_call){.nr = SYS_fcntl, .a = {pk_num(fd), pk_num(F_GETSIG)}});
	}
	r = pk_source_run(v->src, &s, err);
	who = pk_script_at(&s, at);
	for (size_t i = 0; i < n && r == 0; i++) {
		int64_t sig = pk_script_ret(&s, i * 2 + 1);

		r = add(k, v,
			&(struct owned){
				.fd = one[i]->view.fd,
				.to = (uint32_t)who[i].type,
				.pid = who[i].pid,
				.sig = sig > 0 ? (int32_t)sig : 0,
				.flags = one[i]->view.info.flags & SETTABLE,
			},
			err);
	}
	pk_script_free(&s);
	return r;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_open_fd *one[128];
	struct fowner *k = obj;
	size_t at = 0, n;
	int r = 0;

	while (r == 0 && (n = batch(v, &at, one, 128)))
		r = ask_batch(k, v, one, n, err);
	if (r < 0)
		return r;
	return k->owned.n ? 0 : PK_SKIP;
}

static void set(struct pk_plan *p, uint32_t fd, int cmd, struct pk_arg arg)
{
	pk_plan_call(p, PK_PH_LATE, 0,
		&(struct pk_call){
			.nr = SYS_fcntl,
			.a = {pk_num(fd), pk_num((uint64_t)cmd), arg},
			.check = PK_CHECK_OK,
		});
}

/* Only a process that is alone may have got other numbers; of others none need exist by now. */
static int32_t new_number(const struct pk_plan *p, const struct owned *w)
{
	const struct pk_obj *o = find(p->model, w);

	if (!o || p->target->pids != PK_PID_ANY)
		return o ? w->pid : 0;
	return w->to == F_OWNER_TID ? pk_plan_tid(p, o) : pk_plan_pid(p, o);
}

static void plan_one(struct pk_plan *p, const struct owned *w)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);
	struct f_owner_ex who = {.type = (int)w->to, .pid = new_number(p, w)};

	if (who.pid)
		set(p, w->fd, F_SETOWN_EX, pk_addr(pk_script_data(s, &who, sizeof(who))));
	if (w->sig)
		set(p, w->fd, F_SETSIG, pk_num((uint64_t)w->sig));
	if (!(w->flags & O_ASYNC))
		return;
	/* Only a change has an effect, and a file may have been opened with the flag. */
	set(p, w->fd, F_SETFL, pk_num(w->flags & SETTABLE & ~(uint32_t)O_ASYNC));
	set(p, w->fd, F_SETFL, pk_num(w->flags & SETTABLE));
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct fowner *k = o->data;
	const struct owned *w = k->owned.p;

	(void)err;
	for (size_t i = 0; i < k->owned.n; i++) {
		if (pk_target_owns(p->target, pk_target_file(p->target, o->owner, w[i].fd)))
			plan_one(p, &w[i]);
		else
			pk_log(PK_LOG_WARN,
				"fd %u: it comes from the restorer: no signals from it (O_ASYNC)",
				w[i].fd);
	}
	return 0;
}

#define K struct fowner
static const struct pk_type type = {
	.name = "fowner",
	.id = 121,
	.size = sizeof(K),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(K, 1, owned, &owned_type, "open files with an owner"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_fowner = {
	.type = &type,
	.level = PK_LV_TABLE,
	.summary = "signals from open files: O_ASYNC, F_SETSIG, F_SETOWN to a process, thread or "
		   "group of the job",
	.collect = collect,
	.plan = plan,
};
