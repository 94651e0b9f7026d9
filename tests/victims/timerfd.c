/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd_create(2): relative and absolute timers of all clocks that don't expire meanwhile, and
 * ones that are stopped; what is left goes by the clock, which a victim of checkpoints does not
 * stop. Expirations that were not read yet. F_GETFL, F_GETFD.
 */
#include <sys/timerfd.h>

#include "files.h"

#define FAR (100 * NSEC)
/* Relative timers of real time stand still between dump and restore. */
#define STILL (20 * NSEC)

#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET 2
#endif

enum { ARMED = 1, TICKS = 2 };

static struct {
	clockid_t clock;
	int flags, settime, kind;
	int64_t value, interval, end;
	int fd;
} timers[] = {
	{CLOCK_REALTIME, 0, 0, ARMED, FAR, 7 * NSEC, 0, 0},
	{CLOCK_REALTIME, TFD_CLOEXEC, TFD_TIMER_ABSTIME, ARMED, FAR, 0, 0, 0},
	{CLOCK_REALTIME, TFD_NONBLOCK, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, ARMED, FAR, 0,
		0, 0},
	{CLOCK_MONOTONIC, TFD_NONBLOCK, 0, ARMED, FAR, 0, 0, 0},
	{CLOCK_MONOTONIC, TFD_CLOEXEC, TFD_TIMER_ABSTIME, ARMED, FAR, 3 * NSEC + 5, 0, 0},
	{CLOCK_BOOTTIME, 0, 0, ARMED, FAR, NSEC, 0, 0},
	{CLOCK_BOOTTIME, 0, TFD_TIMER_ABSTIME, ARMED, FAR, 0, 0, 0},
	{CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 0, 0, 0, 0, 0},
	{CLOCK_MONOTONIC, TFD_NONBLOCK, 0, TICKS, 1, 0, 0, 0},
	{CLOCK_MONOTONIC, TFD_NONBLOCK, 0, TICKS | ARMED, 1, FAR, 0, 0},
};
#define TIMERS ARRAY_SIZE(timers)

static void create(size_t i)
{
	struct itimerspec set;
	int64_t start;

	timers[i].fd = must(timerfd_create(timers[i].clock, timers[i].flags));
	if (!timers[i].kind)
		return;
	start = now(timers[i].clock);
	timers[i].end = start + timers[i].value;
	if (timers[i].kind == (TICKS | ARMED))
		timers[i].end += timers[i].interval;
	set.it_interval = timespec_of(timers[i].interval);
	set.it_value = timespec_of(
		timers[i].settime & TFD_TIMER_ABSTIME ? timers[i].end : timers[i].value);
	must(timerfd_settime(timers[i].fd, timers[i].settime, &set, NULL));
}

static void expect_left(size_t i)
{
	int64_t left, want = timers[i].end - now(timers[i].clock);
	int64_t early = 1000000, late = 100000000;
	struct itimerspec t;

	if (timers[i].clock == CLOCK_REALTIME && !(timers[i].settime & TFD_TIMER_ABSTIME))
		late = STILL;
	must(timerfd_gettime(timers[i].fd, &t));
	left = t.it_value.tv_sec * NSEC + t.it_value.tv_nsec;
	if (timers[i].kind & ARMED)
		expect_range(want - early, want + late, left, "timer %zu: time left", i);
	else
		expect(0, left, "timer %zu: time left", i);
	expect(timers[i].kind & ARMED ? timers[i].interval : 0,
		t.it_interval.tv_sec * NSEC + t.it_interval.tv_nsec, "timer %zu: interval", i);
}

static void expect_ticks(size_t i)
{
	uint64_t ticks = 0;

	if (!(timers[i].kind & TICKS))
		return;
	expect(sizeof(ticks), read(timers[i].fd, &ticks, sizeof(ticks)), "timer %zu: bytes", i);
	expect(1, (long long)ticks, "timer %zu: expirations", i);
	expect_errno(EAGAIN, read(timers[i].fd, &ticks, sizeof(ticks)));
}

int main(void)
{
	struct itimerspec stop = {.it_interval = {0, 0}};
	struct descriptor before[TIMERS];

	for (size_t i = 0; i < TIMERS; i++) {
		create(i);
		before[i] = descriptor_of(timers[i].fd);
	}
	sleep_until(now(CLOCK_MONOTONIC) + 2000000);
	/* An interval timer that has expired stands until somebody asks, which fdinfo shows: ask.
	 */
	must(timerfd_gettime(timers[TIMERS - 1].fd, &stop));
	memset(&stop, 0, sizeof(stop));
	victim_ready();
	if (victim_broken())
		must(timerfd_settime(timers[4].fd, 0, &stop, NULL));
	for (size_t i = 0; i < TIMERS; i++) {
		expect(before[i].flags, fcntl(timers[i].fd, F_GETFL), "timer %zu: F_GETFL", i);
		expect(before[i].cloexec, fcntl(timers[i].fd, F_GETFD), "timer %zu: F_GETFD", i);
		expect_left(i);
		expect_ticks(i);
	}
	return victim_done();
}
