/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers that don't fire meanwhile: their ids with gaps between, clocks, ways to
 * notify, signals, values, intervals and what is left; also disarmed ones. A new timer gets
 * an id of its own.
 */
#include "posix_timers.h"

#define FAR       (100 * NSEC)
#define TOLERANCE (3 * NSEC)

enum { ARMED = 1, ABSOLUTE = 2 };

static struct {
	clockid_t clock;
	int notify, sig, flags;
	int64_t interval;
	int id;
	int64_t end;
} timers[] = {
	{CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, ARMED, 7 * NSEC, 0, 0},
	{CLOCK_MONOTONIC, SIGEV_SIGNAL, 64, ARMED, 0, 0, 0},
	{CLOCK_MONOTONIC, SIGEV_NONE, 0, ARMED | ABSOLUTE, 3 * NSEC + 5, 0, 0},
	{CLOCK_BOOTTIME, SIGEV_THREAD_ID, SIGUSR2, ARMED, NSEC, 0, 0},
	{CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 63, ARMED, 2 * NSEC, 0, 0},
	{CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 62, ARMED, 0, 0, 0},
	{CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGALRM, 0, 0, 0, 0},
	{CLOCK_REALTIME, SIGEV_NONE, 0, 0, 0, 0, 0},
};
#define TIMERS ARRAY_SIZE(timers)

/* Ids with gaps: two of three timers are deleted again. */
static void create(size_t i)
{
	int gap[2];

	for (int n = 0; n < 2; n++)
		gap[n] = create_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	timers[i].id = create_timer(
		timers[i].clock, timers[i].notify, timers[i].sig, 1000 + (int)i, gettid());
	for (int n = 0; n < 2; n++)
		must(syscall(SYS_timer_delete, gap[n]));
	if (!(timers[i].flags & ARMED))
		return;
	timers[i].end = now(timers[i].clock) + FAR;
	if (timers[i].flags & ABSOLUTE)
		set_timer(timers[i].id, TIMER_ABSTIME, timers[i].end, timers[i].interval);
	else
		set_timer(timers[i].id, 0, FAR, timers[i].interval);
}

static void expect_timer(size_t i)
{
	int64_t rest, want = 0;
	struct itimerspec t;
	int id = timers[i].id;

	if (syscall(SYS_timer_gettime, id, &t) < 0) {
		expect(0, errno, "errno of timer_gettime of timer %d", id);
		return;
	}
	rest = t.it_value.tv_sec * NSEC + t.it_value.tv_nsec;
	if (timers[i].flags & ARMED)
		want = timers[i].end - now(timers[i].clock);
	/* Time passes while the program is away; what was left of 100 s is left still. */
	if (timers[i].clock == CLOCK_REALTIME || want > FAR)
		want = timers[i].flags & ARMED ? FAR : 0;
	expect_range((want - TOLERANCE) / 1000000, (want + TOLERANCE) / 1000000, rest / 1000000,
		"left of timer %d, ms", id);
	expect(timers[i].flags & ARMED, rest > 0, "timer %d is armed", id);
	expect(timers[i].interval, t.it_interval.tv_sec * NSEC + t.it_interval.tv_nsec,
		"interval of timer %d", id);
	expect(0, syscall(SYS_timer_getoverrun, id), "overrun of timer %d", id);
}

static char *proc_timers(char *buf, size_t n)
{
	return read_text("/proc/self/timers", buf, n);
}

int main(void)
{
	char before[4096], after[4096];
	int fresh;

	for (size_t i = 0; i < TIMERS; i++)
		create(i);
	proc_timers(before, sizeof(before));
	victim_ready();
	if (victim_broken())
		must(syscall(SYS_timer_delete, timers[3].id));
	expect_text(before, proc_timers(after, sizeof(after)), "/proc/self/timers");
	for (size_t i = 0; i < TIMERS; i++)
		expect_timer(i);
	fresh = create_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	for (size_t i = 0; i < TIMERS; i++)
		expect(0, fresh == timers[i].id, "new timer has the id of an old one");
	return victim_done();
}
