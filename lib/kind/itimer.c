/* SPDX-License-Identifier: Apache-2.0 */
/* Interval timers, alarm(2) among them: getitimer(2). The time left goes on where it stopped. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "kind/kind.h"

enum { N_TIMERS = 3 }; /* ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF */

struct itimers {
	struct pk_bytes timers; /* struct itimerval[3] */
};

static int ask(struct pk_view *v)
{
	size_t at = pk_script_data(v->script, NULL, N_TIMERS * sizeof(struct itimerval));

	for (uint64_t i = 0; i < N_TIMERS; i++)
		pk_script_call(v->script,
			&(struct pk_call){
				.nr = SYS_getitimer,
				.a = {pk_num(i), pk_addr(at + i * sizeof(struct itimerval))},
				.check = PK_CHECK_OK,
			});
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	static const struct itimerval none[N_TIMERS];
	struct itimers *t = obj;

	if (!memcmp(pk_answer_data(v), none, sizeof(none)))
		return PK_SKIP;
	if (pk_bytes_set(&t->timers, pk_answer_data(v), sizeof(none)) < 0)
		return pk_fail_errno(err, "interval timers");
	return 0;
}

/*
 * Arming a timer of CPU time, the kernel adds a tick to what it is given (set_cpu_itimer): take
 * that off, or each restore would make the timer a tick later.
 */
static void take_tick_off(struct timeval *v)
{
	struct timespec tick = {0};
	int64_t us;

	if (v->tv_sec < 0 || v->tv_sec > INT32_MAX || v->tv_usec < 0 || v->tv_usec >= 1000000)
		return; /* a tick is nothing to it, or the kernel refuses it */
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	us = v->tv_sec * INT64_C(1000000) + v->tv_usec - tick.tv_nsec / 1000;
	if (us < 1)
		us = 1;
	v->tv_sec = us / 1000000;
	v->tv_usec = us % 1000000;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct itimers *t = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);
	struct itimerval timer;

	(void)err;
	for (uint64_t i = 0; i < N_TIMERS && (i + 1) * sizeof(timer) <= t->timers.n; i++) {
		memcpy(&timer, (const struct itimerval *)t->timers.p + i, sizeof(timer));
		/* Frozen between its expiry and its restart. */
		if (!timer.it_value.tv_sec && !timer.it_value.tv_usec &&
			(timer.it_interval.tv_sec || timer.it_interval.tv_usec))
			timer.it_value.tv_usec = 1;
		else if (i != ITIMER_REAL && (timer.it_value.tv_sec || timer.it_value.tv_usec))
			take_tick_off(&timer.it_value);
		pk_script_call(s,
			&(struct pk_call){
				.nr = SYS_setitimer,
				.a = {pk_num(i), pk_addr(pk_script_data(s, &timer, sizeof(timer)))},
				.check = PK_CHECK_OK,
			});
	}
	return 0;
}

#define T struct itimers
static const struct pk_type type = {
	.name = "itimer",
	.id = 55,
	.size = sizeof(T),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(T, 1, PK_F_BYTES, timers,
				"struct itimerval of ITIMER_REAL, VIRTUAL, PROF; value is the time "
				"left"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_itimer = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "interval timers and alarm, with the time left",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
