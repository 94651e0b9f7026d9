/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pending signals, in order and with their siginfo: those of the process and those of each thread.
 * A process may queue any siginfo to itself, rt_sigqueueinfo(2); all signals are blocked meanwhile.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "kind/kind.h"

struct sigqueue {
	struct pk_bytes infos; /* siginfo_t, in the order of the queue */
};

static int peek(const struct pk_tracee *t, uint32_t flags, struct sigqueue *q, struct pk_error *err)
{
	siginfo_t infos[32];
	struct __ptrace_peeksiginfo_args args = {.flags = flags, .nr = 32};
	long n;

	for (;;) {
		args.off = q->infos.n / sizeof(siginfo_t);
		n = ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, infos);
		if (n < 0)
			return pk_fail_errno(err, "thread %d: pending signals", t->tid);
		if (n == 0)
			return q->infos.n ? 0 : PK_SKIP;
		if (pk_bytes_add(&q->infos, infos, (size_t)n * sizeof(siginfo_t)) < 0)
			return pk_fail_errno(err, "thread %d: pending signals", t->tid);
	}
}

static int collect_shared(struct pk_view *v, void *obj, struct pk_error *err)
{
	return peek(v->thread, PTRACE_PEEKSIGINFO_SHARED, obj, err);
}

static int collect_private(struct pk_view *v, void *obj, struct pk_error *err)
{
	return peek(v->thread, 0, obj, err);
}

/* The queued siginfo number i; NULL past the end. */
static const siginfo_t *info_at(const struct sigqueue *q, size_t i)
{
	return (i + 1) * sizeof(siginfo_t) <= q->infos.n ? (const siginfo_t *)q->infos.p + i : NULL;
}

static bool is_of_job(const struct pk_model *m, int32_t pid)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(m, o, &pk_task_type, PK_ANY_OWNER)))
		if (((const struct pk_task *)o->data)->pid == pid)
			return true;
	return false;
}

/*
 * Where a batch system ends a run, all of its processes get SIGTERM, and the dump that is made
 * because of that finds it pending. It was for that run: the next one must not end by it.
 */
static bool ended_earlier_run(const struct pk_plan *p, const siginfo_t *info)
{
	return p->target && p->target->supervised && info->si_signo == SIGTERM &&
	       info->si_code == SI_USER && !is_of_job(p->model, info->si_pid);
}

static int plan_shared(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_obj *task = pk_model_find(p->model, o->owner, &pk_task_type);
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);
	const siginfo_t *info;

	(void)err;
	for (size_t i = 0; task && (info = info_at(o->data, i)); i++) {
		if (ended_earlier_run(p, info))
			continue;
		pk_plan_try(p, PK_PH_LATE, 0,
			&(struct pk_call){
				.nr = SYS_rt_sigqueueinfo,
				.a = {pk_num((uint64_t)pk_plan_pid(p, task)),
					pk_num((uint64_t)info->si_signo),
					pk_addr(pk_script_data(s, info, sizeof(*info)))},
			},
			"pending signal %d could not be queued again", info->si_signo);
	}
	return 0;
}

static int plan_private(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_obj *thread = pk_model_find(p->model, o->owner, &pk_thread_type);
	const struct pk_obj *task =
		thread ? pk_model_find(p->model, thread->owner, &pk_task_type) : NULL;
	struct pk_script *s = pk_plan_script(p, PK_PH_LAST, o->owner);
	const siginfo_t *info;

	(void)err;
	for (size_t i = 0; task && (info = info_at(o->data, i)); i++)
		pk_plan_try(p, PK_PH_LAST, o->owner,
			&(struct pk_call){
				.nr = SYS_rt_tgsigqueueinfo,
				.a = {pk_num((uint64_t)pk_plan_pid(p, task)),
					pk_num((uint64_t)pk_plan_tid(p, thread)),
					pk_num((uint64_t)info->si_signo),
					pk_addr(pk_script_data(s, info, sizeof(*info)))},
			},
			"pending signal %d could not be queued again", info->si_signo);
	return 0;
}

#define Q struct sigqueue
static const struct pk_field fields[] = {
	PK_FIELD(Q, 1, PK_F_BYTES, infos, "siginfo_t (128 bytes each) in the order of the queue"),
	PK_FIELD_END,
};
static const struct pk_type shared_type = {
	.name = "sigqueue", .id = 53, .size = sizeof(Q), .fields = fields};
static const struct pk_type private_type = {
	.name = "sigpriv", .id = 64, .size = sizeof(Q), .fields = fields};

const struct pk_kind pk_kind_sigqueue = {
	.type = &shared_type,
	.level = PK_LV_TASK,
	.summary = "pending signals of the process, with their siginfo",
	.collect = collect_shared,
	.plan = plan_shared,
};

const struct pk_kind pk_kind_sigpriv = {
	.type = &private_type,
	.level = PK_LV_THREAD,
	.summary = "pending signals of each thread, with their siginfo",
	.collect = collect_private,
	.plan = plan_private,
};
