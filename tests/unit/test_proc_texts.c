/* SPDX-License-Identifier: Apache-2.0 */
/* The small texts: timers, fdinfo, sched, timens_offsets, and directories of numbers. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "proc/status.h"
#include "proc_fixture.h"
#include "scratch.h"

struct timers {
	struct pk_ptimer_line *v;
	size_t n;
};

static void timers_free(struct timers *t)
{
	free(t->v);
}
#define TIMERS PK_CLEANUP(timers_free) struct timers

static struct timers timers_of(const struct text *t)
{
	struct timers timers;
	struct pk_error err = {0};
	int r = pk_timers_parse(t->p, t->n, &timers.v, &timers.n, &err);

	cr_assert_eq(r, 0, "%s: %s", err.what, err.why);
	return timers;
}

Test(proc_timers, every_notification)
{
	static const struct pk_ptimer_line want[] = {
		{4, 60, 0xfedcba9876543210, SIGEV_SIGNAL, 1520, 11},
		{3, 14, 0, SIGEV_SIGNAL, 1520, -12162},
		{2, 10, 0x12ffffffff, SIGEV_SIGNAL | SIGEV_THREAD_ID, 1520, -6},
		{1, 10, 0x1234567890, SIGEV_NONE, 1520, 1},
		{0, 10, 0x1234567890, SIGEV_SIGNAL, 1520, 0},
	};
	TEXT t = fixture("timers", "timers");
	TIMERS timers = timers_of(&t);

	cr_assert_eq(timers.n, 5);
	for (size_t i = 0; i < 5; i++) {
		const struct pk_ptimer_line *l = &timers.v[i], *w = &want[i];

		cr_expect(l->id == w->id && l->signo == w->signo && l->sigval == w->sigval);
		cr_expect(l->notify == w->notify && l->notify_pid == w->notify_pid);
		cr_expect_eq(l->clock, w->clock);
	}
}

Test(proc_timers, linux_4_18)
{
	TEXT t = fixture("linux-4.18", "timers");
	TIMERS timers = timers_of(&t);

	cr_assert_eq(timers.n, 1);
	cr_expect_eq(timers.v[0].notify, SIGEV_THREAD);
	cr_expect_eq(timers.v[0].sigval, 0x7ffd3b5f0c40);
}

Test(proc_timers, none)
{
	TEXT t = text_of("", 0);
	TIMERS timers = timers_of(&t);

	cr_expect_eq(timers.n, 0);
}

#define TIMER "ID: 1\nsignal: 14/00\nnotify: signal/pid.7\nClockID: 0\n"

Test(proc_timers, malformed)
{
	static const char *const bad[] = {
		"\n",
		"signal: 14/00\n",
		"ID: 1\n",
		"ID: 1\nsignal: 14/00\nClockID: 0\n",
		"ID: x\nsignal: 14/00\nnotify: signal/pid.7\nClockID: 0\n",
		"ID: 1\nsignal: 14\nnotify: signal/pid.7\nClockID: 0\n",
		"ID: 1\nsignal: 14/-1\nnotify: signal/pid.7\nClockID: 0\n",
		"ID: 1\nsignal: 14/00\nnotify: signal\nClockID: 0\n",
		"ID: 1\nsignal: 14/00\nnotify: signal/7\nClockID: 0\n",
		"ID: 1\nsignal: 14/00\nnotify: callback/pid.7\nClockID: 0\n",
		"ID: 1\nsignal: 14/00\nnotify: signal/pid.\nClockID: 0\n",
		TIMER "ID: 2\nsignal: 14/00\n",
		TIMER "ID: 2\n" TIMER,
		TIMER "???\n",
		"ID: 1\nsignal: 14/00\nnotify: signal/pid.7\nClockID: 1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEXT t = text_of(bad[i], strlen(bad[i]));
		TIMERS timers;
		struct pk_error err = {0};

		expect_refusal(pk_timers_parse(t.p, t.n, &timers.v, &timers.n, &err), &err, bad[i]);
		cr_expect(!timers.v && !timers.n);
	}
}

Test(proc_timers, own)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	PK_CLOSE int self = open_self();
	PK_FREE char *p = NULL;
	size_t n;
	timer_t id;

	ev.sigev_value.sival_ptr = &id;
	cr_assert_eq(timer_create(CLOCK_BOOTTIME, &ev, &id), 0);
	p = pk_read_file(self, "timers", 1 << 20, &n);
	if (!p)
		cr_skip_test("no CONFIG_CHECKPOINT_RESTORE");
	TEXT t = text_of(p, n);
	TIMERS timers = timers_of(&t);

	cr_assert_eq(timers.n, 1);
	cr_expect_eq(timers.v[0].clock, CLOCK_BOOTTIME);
	cr_expect_eq(timers.v[0].signo, SIGRTMIN);
	cr_expect_eq(timers.v[0].sigval, (uintptr_t)&id);
	cr_expect_eq(timers.v[0].notify_pid, getpid());
}

Test(proc_fdinfo, every_sort)
{
	static const struct {
		const char *name;
		struct pk_fdinfo info;
	} want[] = {
		{"file-locked", {5, 02102002, 27, 15040513, 2}},
		{"file", {0, 0100000, 27, 15040513, 0}},
		{"inotify", {0, 0, 17, 1038, 0}},
		{"epoll", {0, 02, 17, 1038, 0}},
		{"timerfd", {0, 02, 17, 1038, 0}},
		{"eventfd", {0, 02, 17, 1038, 0}},
		{"signalfd", {0, 02, 17, 1038, 0}},
		{"pidfd", {0, 02000002, 4, 35915, 0}},
		{"mem", {0x7fffffffe000, 0100002, 22, 41077, 0}},
		{"pipe-read", {0, 04000, 16, 41078, 0}},
		{"pipe-write", {0, 044001, 16, 41078, 0}},
		{"socket", {0, 02, 10, 41079, 0}},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct pk_fdinfo *w = &want[i].info;
		TEXT t = fixture("fdinfo", want[i].name);
		struct pk_fdinfo f;

		cr_assert_eq(pk_fdinfo_parse(t.p, t.n, &f, NULL), 0, "%s", want[i].name);
		cr_expect_eq(f.pos, w->pos, "%s", want[i].name);
		cr_expect_eq(f.flags, w->flags, "%s", want[i].name);
		cr_expect_eq(f.mnt_id, w->mnt_id, "%s", want[i].name);
		cr_expect_eq(f.ino, w->ino, "%s", want[i].name);
		cr_expect_eq(f.locks, w->locks, "%s", want[i].name);
	}
}

static int parse_fdinfo(const char *text, struct pk_fdinfo *f, struct pk_error *err)
{
	TEXT t = text_of(text, strlen(text));

	return pk_fdinfo_parse(t.p, t.n, f, err);
}

Test(proc_fdinfo, linux_4_18)
{
	TEXT t = fixture("linux-4.18", "fdinfo");
	struct pk_fdinfo f;

	cr_assert_eq(pk_fdinfo_parse(t.p, t.n, &f, NULL), 0);
	cr_expect(f.flags == 0104002 && f.mnt_id == 22 && f.ino == 0);
}

#define COMMON "pos:\t0\nflags:\t02\nmnt_id:\t9\n"

/* A driver's lines may be of any form, and may repeat a name. */
Test(proc_fdinfo, drivers)
{
	struct pk_fdinfo f;

	cr_assert_eq(
		parse_fdinfo(COMMON "size:\t1\nname:\tx\npos:\t77\nflags: x\n\n?\n", &f, NULL), 0);
	cr_expect(f.pos == 0 && f.flags == 2);
	cr_assert_eq(parse_fdinfo("pos:\t-4096\nflags:\t02\nmnt_id:\t9\n", &f, NULL), 0);
	cr_expect_eq(f.pos, (uint64_t)-4096);
}

Test(proc_fdinfo, malformed)
{
	static const char *const bad[] = {
		"",
		"pos:\t0\nflags:\t02\n",
		"pos:\t0\nmnt_id:\t9\n",
		"pos:\tx\nflags:\t02\nmnt_id:\t9\n",
		"pos:\t9223372036854775808\nflags:\t02\nmnt_id:\t9\n",
		"pos:\t0\nflags:\t0x2\nmnt_id:\t9\n",
		"pos:\t0\nflags:\t40000000000\nmnt_id:\t9\n",
		COMMON "ino:\t\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pk_fdinfo f;
		struct pk_error err = {0};

		expect_refusal(parse_fdinfo(bad[i], &f, &err), &err, bad[i]);
		cr_expect_eq(f.flags, 0);
	}
}

static int parse_sched(const char *text, struct pk_sched *ret)
{
	TEXT t = text_of(text, strlen(text));

	return pk_sched_parse(t.p, t.n, ret);
}

#define RULE     "-------------------------------------------------------------------\n"
#define SWITCHES "nr_voluntary_switches      :    7\n"

Test(proc_sched, recorded)
{
	static const struct {
		const char *dir;
		struct pk_sched sched;
	} want[] = {
		{"kinds", {3956286802782, 5}},
		{"odd-names", {3956580854539, 1}},
		{"python-threads", {3957710619958, 57}},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		TEXT t = fixture(want[i].dir, "sched");
		struct pk_sched s;

		cr_assert_eq(pk_sched_parse(t.p, t.n, &s), 0, "%s", want[i].dir);
		cr_expect_eq(s.exec_start, want[i].sched.exec_start, "%s", want[i].dir);
		cr_expect_eq(s.switches, want[i].sched.switches, "%s", want[i].dir);
	}
}

Test(proc_sched, exact)
{
	struct pk_sched s;

	cr_assert_eq(parse_sched(RULE "se.exec_start : 18446744073709.551615\n" SWITCHES, &s), 0);
	cr_expect(s.exec_start == UINT64_MAX && s.switches == 7);
	cr_assert_eq(parse_sched(RULE SWITCHES "se.exec_start : 0.000001", &s), 0);
	cr_expect(s.exec_start == 1 && s.switches == 7);
}

/* A thread called "se.exec_start:1", or one with a newline in its name, does not fool it. */
Test(proc_sched, name)
{
	struct pk_sched s;

	cr_assert_eq(parse_sched("se.exec_start :1 (5, #threads: 1)\n" RULE SWITCHES
				 "se.exec_start : 2.000000\n",
			     &s),
		0);
	cr_expect_eq(s.exec_start, 2000000);
	cr_assert_eq(parse_sched("\nnr_voluntary_switches : 1\n-- (5, #threads: 1)\n" RULE SWITCHES
				 "se.exec_start : 3.000000\n",
			     &s),
		0);
	cr_expect(s.exec_start == 3000000 && s.switches == 7);
}

Test(proc_sched, none)
{
	static const char *const bad[] = {
		"",
		"se.exec_start : 1.000000\n" SWITCHES,
		RULE,
		RULE "se.vruntime : 1.000000\n" SWITCHES,
		RULE "se.exec_start\n" SWITCHES,
		RULE "se.exec_start 1.000000\n" SWITCHES,
		RULE "se.exec_start : 1\n" SWITCHES,
		RULE "se.exec_start : 1.00000\n" SWITCHES,
		RULE "se.exec_start : 1.0000000\n" SWITCHES,
		RULE "se.exec_start : -1.000000\n" SWITCHES,
		RULE "se.exec_start : 1.000000 ms\n" SWITCHES,
		RULE "se.exec_start : 18446744073709.551616\n" SWITCHES,
		RULE "se.exec_start : 99999999999999999.000000\n" SWITCHES,
		RULE "se.exec_start : 1.000000\n",
		RULE "se.exec_start : 1.000000\nnr_voluntary_switches : x\n",
		RULE "se.exec_start : 1.000000\nnr_voluntary_switches : 18446744073709551616\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pk_sched s;

		cr_expect_eq(parse_sched(bad[i], &s), -1, "%s", bad[i]);
	}
}

static int parse_timens(const char *text, struct pk_timens *ns, struct pk_error *err)
{
	TEXT t = text_of(text, strlen(text));

	return pk_timens_parse(t.p, t.n, ns, err);
}

Test(proc_timens, recorded)
{
	TEXT t = fixture("pidns", "timens_offsets");
	struct pk_timens ns;

	cr_assert_eq(pk_timens_parse(t.p, t.n, &ns, NULL), 0);
	cr_expect(ns.mono_sec == 3600 && ns.mono_nsec == 0);
	cr_expect(ns.boot_sec == -5 && ns.boot_nsec == 0);
}

Test(proc_timens, numbers_of_5_6)
{
	struct pk_timens ns;

	cr_assert_eq(parse_timens("1 -7 999999999\n7 8 9\n", &ns, NULL), 0);
	cr_expect(ns.mono_sec == -7 && ns.mono_nsec == 999999999);
	cr_expect(ns.boot_sec == 8 && ns.boot_nsec == 9);
}

Test(proc_timens, malformed)
{
	static const char *const bad[] = {
		"",
		"monotonic 0 0\n",
		"boottime 0 0\n",
		"monotonic 0\nboottime 0 0\n",
		"monotonic 0 0 0\nboottime 0 0\n",
		"monotonic 0 0\nmonotonic 0 0\nboottime 0 0\n",
		"monotonic 0 0\nboottime 0 0\nrealtime 0 0\n",
		"monotonic 9223372036854775808 0\nboottime 0 0\n",
		"monotonic 0 0\n\nboottime 0 0\n",
		"monotonic 0 0\nboottime 0 1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pk_timens ns;
		struct pk_error err = {0};

		expect_refusal(parse_timens(bad[i], &ns, &err), &err, bad[i]);
	}
}

Test(proc_list, sorted_numbers)
{
	static const char *const names[] = {
		"10", "9", "4294967295", "0", "4294967296", "1x", "x", "-1", " 2", "100"};
	static const uint32_t want[] = {0, 9, 10, 100, 4294967295};
	SCRATCH dir = scratch_make();
	PK_FREE uint32_t *v = NULL;
	size_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert_eq(pk_write_file(dir.fd, names[i], "", 0), 0);
	cr_assert_eq(pk_list_numbers(dir.fd, ".", &v, &n), 0);
	cr_assert_eq(n, sizeof(want) / sizeof(want[0]));
	cr_expect_arr_eq(v, want, sizeof(want));
}

Test(proc_list, many)
{
	PK_CLOSE int self = open_self();
	PK_FREE uint32_t *v = NULL;
	PK_FREE uint32_t *again = NULL;
	size_t n, n_again;

	for (int i = 0; i < 300; i++)
		cr_assert_geq(dup(self), 0);
	cr_assert_eq(pk_list_numbers(self, "fd", &v, &n), 0);
	cr_assert_geq(n, 300);
	for (size_t i = 1; i < n; i++)
		cr_assert_lt(v[i - 1], v[i]);
	/* Nothing of the first listing is left open. */
	cr_assert_eq(pk_list_numbers(self, "fd", &again, &n_again), 0);
	cr_expect_eq(n_again, n);
}

Test(proc_list, threads)
{
	PK_CLOSE int self = open_self();
	PK_FREE uint32_t *v = NULL;
	size_t n;

	cr_assert_eq(pk_list_numbers(self, "task", &v, &n), 0);
	cr_assert_geq(n, 1);
	cr_expect_eq(v[0], (uint32_t)getpid());
}

Test(proc_list, failures)
{
	SCRATCH dir = scratch_make();
	uint32_t *v = (uint32_t *)1;
	size_t n = 1;

	cr_expect_eq(pk_list_numbers(dir.fd, "none", &v, &n), -1);
	cr_expect_eq(errno, ENOENT);
	cr_expect(!v && !n);
	cr_assert_eq(pk_write_file(dir.fd, "7", "", 0), 0);
	cr_expect_eq(pk_list_numbers(dir.fd, "7", &v, &n), -1);
	cr_expect_eq(errno, ENOTDIR);
}
