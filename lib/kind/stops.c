/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopped children whose parent has waited for the stop already (WUNTRACED): it must not hear of it
 * again. waitid(2) in the parent tells which, and leaves the others to be waited for.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kind/kind.h"

struct stops {
	struct pk_bytes waited; /* int32_t numbers */
};

static bool is_stopped_child(const struct pk_view *v, const struct pk_source *s)
{
	return s->stat.ppid == v->src->pid && s->freeze->n && s->freeze->v[0]->stop_signal;
}

static int ask(struct pk_view *v)
{
	size_t n = 0, at;

	for (const struct pk_source *s = v->src->first; s; s = s->next)
		n += is_stopped_child(v, s);
	at = pk_script_data(v->script, NULL, n * sizeof(siginfo_t));
	for (const struct pk_source *s = v->src->first; s; s = s->next) {
		if (!is_stopped_child(v, s))
			continue;
		pk_script_call(v->script,
			&(struct pk_call){
				.nr = SYS_waitid,
				.a = {pk_num(P_PID),
					pk_num((uint64_t)pk_status_inner_tgid(&s->status)),
					pk_addr(at), pk_num(WSTOPPED | WNOHANG | WNOWAIT),
					pk_num(0)},
			});
		at += sizeof(siginfo_t);
	}
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct stops *stops = obj;
	const siginfo_t *info = pk_answer_data(v);
	size_t i = 0;

	for (const struct pk_source *s = v->src->first; s; s = s->next) {
		int32_t pid = pk_status_inner_tgid(&s->status);

		if (!is_stopped_child(v, s))
			continue;
		if (pk_answer_ret(v, i) == 0 && info[i].si_pid == 0 &&
			pk_bytes_add(&stops->waited, &pid, sizeof(pid)) < 0)
			return pk_fail_errno(err, "stopped child %d", s->pid);
		i++;
	}
	return stops->waited.n ? 0 : PK_SKIP;
}

/* The children have stopped before this runs, and their SIGCHLDs are gone: see restore/tree.c. */
static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct stops *s = o->data;

	(void)err;
	for (size_t i = 0; (i + 1) * sizeof(int32_t) <= s->waited.n; i++)
		pk_plan_call(p, PK_PH_TASK, 0,
			&(struct pk_call){
				.nr = SYS_wait4,
				.a = {pk_num((uint64_t)((const int32_t *)s->waited.p)[i]),
					pk_num(0), pk_num(WUNTRACED | WNOHANG), pk_num(0)},
				.check = PK_CHECK_OK,
			});
	return 0;
}

#define T struct stops
static const struct pk_type type = {
	.name = "stops",
	.id = 87,
	.size = sizeof(T),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(T, 1, PK_F_BYTES, waited,
				"int32 numbers of stopped children whose stop the process has been "
				"told"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_stops = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "stopped children: whether their parent has been told",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
