/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers, timer_create(2): /proc/PID/timers tells which there are, timer_gettime(2), made
 * inside, how much time is left. Programs keep the ids, so they must come back exactly: by
 * PR_TIMER_CREATE_RESTORE_IDS (6.15), or by making and deleting timers until the id comes up.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/kind.h"

#define PR_TIMER_CREATE_RESTORE_IDS 77
#define MAX_ATTEMPTS                20000000 /* about a minute */
#define SIGEV_THREAD_ID_BIT         4

struct ptimer {
	int32_t id, signo, clock, notify;
	int32_t tid; /* SIGEV_THREAD_ID */
	uint64_t sigval;
	struct pk_bytes setting; /* struct itimerspec */
};
struct ptimers {
	struct pk_list timer;
};

static struct pk_ptimer_line *list(const struct pk_view *v, size_t *n, struct pk_error *err)
{
	size_t len;
	PK_FREE char *text = pk_read_file(v->src->procfd, "timers", 1 << 24, &len);
	struct pk_ptimer_line *lines = NULL;

	*n = 0;
	if (text)
		pk_timers_parse(text, len, &lines, n, err);
	return lines;
}

static int ask(struct pk_view *v)
{
	size_t n, at;
	PK_FREE struct pk_ptimer_line *lines = list(v, &n, NULL);

	at = pk_script_data(v->script, NULL, n * sizeof(struct itimerspec));
	for (size_t i = 0; i < n; i++)
		pk_script_call(
			v->script, &(struct pk_call){
					   .nr = SYS_timer_gettime,
					   .a = {pk_num((uint64_t)lines[i].id),
						   pk_addr(at + i * sizeof(struct itimerspec))},
					   .check = PK_CHECK_OK,
				   });
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct ptimer *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static const struct pk_type timer_type;

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct itimerspec *left = pk_answer_data(v);
	struct ptimers *all = obj;
	size_t n;
	PK_FREE struct pk_ptimer_line *lines = list(v, &n, err);

	if (!lines)
		return n ? -PK_E_ERROR : PK_SKIP;
	for (size_t i = 0; i < n; i++) {
		struct ptimer *t = pk_list_add(&all->timer, &timer_type);

		if (!t || pk_bytes_set(&t->setting, &left[i], sizeof(left[i])) < 0)
			return pk_fail_errno(err, "POSIX timers");
		t->id = lines[i].id;
		t->signo = lines[i].signo;
		t->clock = lines[i].clock;
		t->notify = (int32_t)lines[i].notify;
		t->sigval = lines[i].sigval;
		if (t->notify & SIGEV_THREAD_ID_BIT)
			t->tid = pk_source_inner_tid(v->src, lines[i].notify_pid);
	}
	qsort(all->timer.p, all->timer.n, sizeof(struct ptimer), by_id);
	return n ? 0 : PK_SKIP;
}

/* The record of the thread that had this number. */
static const struct pk_obj *thread_of(const struct pk_plan *p, int32_t tid)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(p->model, o, &pk_thread_type, PK_ANY_OWNER)))
		if (((const struct pk_thread *)o->data)->tid == tid)
			return o;
	return NULL;
}

/* Create until the id is right: one attempt where the kernel takes wishes, else a loop. */
static void create(struct pk_plan *p, struct pk_script *s, const struct ptimer *t)
{
	struct sigevent ev = {.sigev_notify = t->notify, .sigev_signo = t->signo};
	const struct pk_obj *thread = t->tid ? thread_of(p, t->tid) : NULL;
	size_t id, event, first;

	ev.sigev_value.sival_ptr = (void *)t->sigval;
	if (thread)
		ev._sigev_un._tid = pk_plan_tid(p, thread);
	event = pk_script_data(s, &ev, sizeof(ev));
	id = pk_script_data(s, &t->id, sizeof(t->id));
	first = pk_script_call(
		s, &(struct pk_call){
			   .nr = SYS_timer_create,
			   .a = {pk_num((uint64_t)(int64_t)t->clock), pk_addr(event), pk_addr(id)},
			   .check = PK_CHECK_OK,
		   });
	pk_script_op(s, &(struct pk_op){.code = PK_OP_JEQ, .a = {id, (uint32_t)t->id, first + 4}});
	pk_script_call(s, &(struct pk_call){.nr = SYS_timer_delete, .a = {pk_word(id)}});
	pk_script_op(s, &(struct pk_op){.code = PK_OP_REPEAT, .a = {first, MAX_ATTEMPTS}});
}

static void arm(struct pk_script *s, const struct ptimer *t)
{
	struct itimerspec set;

	if (t->setting.n != sizeof(set))
		return;
	memcpy(&set, t->setting.p, sizeof(set));
	if (!set.it_value.tv_sec && !set.it_value.tv_nsec &&
		(set.it_interval.tv_sec || set.it_interval.tv_nsec))
		set.it_value.tv_nsec = 1; /* frozen between its expiry and its restart */
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_timer_settime,
				  .a = {pk_num((uint64_t)t->id), pk_num(0),
					  pk_addr(pk_script_data(s, &set, sizeof(set)))},
				  .check = PK_CHECK_OK,
			  });
}

static void restore_ids(struct pk_script *s, uint64_t on)
{
	pk_script_call(s, &(struct pk_call){.nr = SYS_prctl,
				  .a = {pk_num(PR_TIMER_CREATE_RESTORE_IDS), pk_num(on)}});
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct ptimers *all = o->data;
	const struct ptimer *t = all->timer.p;
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);

	(void)err;
	restore_ids(s, 1);
	for (size_t i = 0; i < all->timer.n; i++)
		create(p, s, &t[i]);
	restore_ids(s, 0);
	for (size_t i = 0; i < all->timer.n; i++)
		arm(s, &t[i]);
	return 0;
}

#define T struct ptimer
static const struct pk_type timer_type = {
	.name = "timer",
	.size = sizeof(T),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(T, 1, PK_F_I32, id, "timer id"),
			PK_FIELD(T, 2, PK_F_I32, signo, "sigevent(7)"),
			PK_FIELD(T, 3, PK_F_I32, clock, "clock id"),
			PK_FIELD(T, 4, PK_F_I32, notify, "SIGEV_* bits"),
			PK_FIELD(T, 5, PK_F_I32, tid, "thread to notify, or 0"),
			PK_FIELD(T, 6, PK_F_U64, sigval, "sigev_value"),
			PK_FIELD(T, 7, PK_F_BYTES, setting,
				"struct itimerspec; value is the time left"),
			PK_FIELD_END,
		},
};

static const struct pk_type type = {
	.name = "ptimer",
	.id = 56,
	.size = sizeof(struct ptimers),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(struct ptimers, 1, timer, &timer_type, "ascending by id"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_ptimer = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "POSIX timers: exact ids, time left, interval",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
