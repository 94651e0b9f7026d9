/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd_create(2). Recorded is the moment at which it expires next, on the clock that it goes by:
 * the job's clocks go on from there, so it is right whenever the timer is set. A relative timer of
 * the real-time clock does not follow when that is set; it goes on with the time left.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "kind/anonfd.h"

#define CAP_WAKE_ALARM_BIT 35

struct timerfd {
	int32_t clock;
	uint32_t settime_flags;
	int64_t expires; /* on its clock; relative ones of real time: on CLOCK_MONOTONIC; 0: never
			  */
	int64_t interval;
	uint64_t ticks; /* expirations not yet read */
	uint32_t flags;
};

static bool match(const struct pk_view *v)
{
	return !strcmp(v->file->link, "anon_inode:[timerfd]");
}

static bool is_alarm(int32_t clock)
{
	return clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

/* The clock without the ability to wake the machine up. */
static clockid_t plain_clock(int32_t clock)
{
	if (clock == CLOCK_REALTIME_ALARM)
		return CLOCK_REALTIME;
	return clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : clock;
}

/* The clock that `expires` is of. */
static clockid_t clock_of(const struct timerfd *t)
{
	clockid_t c = plain_clock(t->clock);

	return c == CLOCK_REALTIME && !(t->settime_flags & TFD_TIMER_ABSTIME) ? CLOCK_MONOTONIC : c;
}

struct answer {
	struct itimerspec left;
	struct timespec now;
};

/* The time left first: then a timer never expires before its time. */
static int ask_left(const struct pk_view *v, struct timerfd *t, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, sizeof(struct answer));
	int r;

	pk_script_call(&s, &(struct pk_call){
				   .nr = SYS_timerfd_gettime,
				   .a = {pk_num(v->file->fd), pk_addr(at)},
				   .check = PK_CHECK_OK,
			   });
	pk_script_call(&s, &(struct pk_call){
				   .nr = SYS_clock_gettime,
				   .a = {pk_num((uint64_t)clock_of(t)),
					   pk_addr(at + offsetof(struct answer, now))},
				   .check = PK_CHECK_OK,
			   });
	r = pk_source_run(v->src, &s, err);
	if (r == 0) {
		const struct answer *a = pk_script_at(&s, at);
		int64_t left = pk_ns(&a->left.it_value);

		t->interval = pk_ns(&a->left.it_interval);
		t->expires = left ? pk_ns(&a->now) + left : 0;
	}
	pk_script_free(&s);
	return r;
}

/* The question made the kernel count what had expired since the last one. */
static int count_ticks(const struct pk_view *v, struct timerfd *t, struct pk_error *err)
{
	char name[32];
	PK_FREE char *text = NULL;
	const char *at;

	snprintf(name, sizeof(name), "fdinfo/%u", v->file->fd);
	text = pk_read_file(v->src->procfd, name, 1 << 16, NULL);
	at = text ? pk_info_text(text, "ticks") : NULL;
	if (!at)
		return pk_fail_errno(err, "fd %u: timerfd", v->file->fd);
	t->ticks = strtoull(at, NULL, 10);
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct timerfd *t = obj;
	uint64_t clock, flags;
	int r = pk_info_must(v, "clockid", 10, &clock, err);
	if (r == 0)
		r = pk_info_must(v, "settime flags", 8, &flags, err);
	if (r < 0)
		return r;
	t->clock = (int32_t)clock;
	t->settime_flags = (uint32_t)flags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	t->flags = v->file->info.flags;
	r = ask_left(v, t, err);
	return r < 0 ? r : count_ticks(v, t, err);
}

static bool may_wake(const struct pk_target *t)
{
	return !t->user_ns && t->caps >> CAP_WAKE_ALARM_BIT & 1;
}

static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct timerfd *f = o->data;

	(void)err;
	if (is_alarm(f->clock) && !may_wake(t))
		pk_log(PK_LOG_WARN,
			"timerfd of an alarm clock: it will not wake the machine up from sleep, "
			"which takes CAP_WAKE_ALARM");
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct timerfd *t = o->data;
	clockid_t clock = may_wake(p->target) ? t->clock : plain_clock(t->clock);

	(void)err;
	pk_plan_call(p, PK_PH_FILES, 0,
		&(struct pk_call){
			.nr = SYS_timerfd_create,
			.a = {pk_num((uint64_t)clock), pk_num(0)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
	pk_plan_setfl(p, t->flags);
	return 0;
}

/* What this clock showed at the dump. */
static int64_t dumped_at(const struct pk_plan *p, clockid_t clock)
{
	const struct pk_obj *o = pk_model_next(p->model, NULL, &pk_host_type, PK_ANY_OWNER);
	const struct pk_host *h = o ? o->data : NULL;

	if (!h)
		return 0;
	return clock == CLOCK_BOOTTIME ? h->boottime : h->monotonic;
}

/* As a moment where the clock goes on, else as the time that was left at the dump. */
static uint32_t when(const struct pk_plan *p, const struct timerfd *t, struct timespec *ret)
{
	bool real = plain_clock(t->clock) == CLOCK_REALTIME;
	bool moment = real ? t->settime_flags & TFD_TIMER_ABSTIME : p->target->time_ns;
	int64_t at = t->expires;

	if (!moment && __builtin_sub_overflow(at, dumped_at(p, clock_of(t)), &at))
		at = 0;
	/* Zero would stop it. */
	*ret = pk_timespec(at > 0 ? at : 1);
	if (real && moment)
		return t->settime_flags;
	return moment ? TFD_TIMER_ABSTIME : 0;
}

static int place(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, struct pk_error *err)
{
	const struct timerfd *t = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
	struct itimerspec set = {.it_interval = pk_timespec(t->interval)};
	uint32_t flags;

	(void)err;
	if (t->expires) {
		flags = when(p, t, &set.it_value);
		pk_script_call(s, &(struct pk_call){
					  .nr = SYS_timerfd_settime,
					  .a = {pk_num(fd), pk_num(flags),
						  pk_addr(pk_script_data(s, &set, sizeof(set)))},
					  .check = PK_CHECK_OK,
				  });
	}
	if (t->ticks)
		pk_plan_try(p, PK_PH_TASK, 0,
			&(struct pk_call){.nr = SYS_ioctl,
				.a = {pk_num(fd), pk_num(TFD_IOC_SET_TICKS),
					pk_addr(pk_script_data(s, &t->ticks, sizeof(t->ticks)))}},
			"fd %u: %lu expirations of a timerfd that were not read yet are lost", fd,
			(unsigned long)t->ticks);
	return 0;
}

#define T struct timerfd
static const struct pk_type type = {
	.name = "timerfd",
	.id = 81,
	.size = sizeof(T),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(T, 1, PK_F_I32, clock, "clock id"),
			PK_FIELD(T, 2, PK_F_U32, settime_flags, "TFD_TIMER_* bits"),
			PK_FIELD(T, 3, PK_F_I64, expires,
				"ns, when it expires next, on its clock (relative ones of real "
				"time: on CLOCK_MONOTONIC); 0: never"),
			PK_FIELD(T, 4, PK_F_I64, interval, "ns, or 0"),
			PK_FIELD(T, 5, PK_F_U64, ticks, "expirations not read yet"),
			PK_FIELD(T, 6, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_timerfd = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "timerfds: time left, interval, expirations not read yet; absolute ones too",
	.match = match,
	.collect = collect,
	.prepare = prepare,
	.plan = plan,
	.place = place,
};
