/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Timerfds that expire after the restore, at the moment they were to: a thread waits in read(2), an
 * interval timer goes on in its rhythm, and a watched one wakes epoll. None comes too early. (No
 * mode identity: it asks about time left, which passes.)
 */
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "crew.h"

#define STEP (NSEC / 10)

static int once, often, watched, epoll;
static int64_t once_at, often_at;

static void arm(int fd, int64_t at, int64_t interval)
{
	struct itimerspec t = {timespec_of(interval), timespec_of(at)};

	must(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL));
}

/* It may take long to be restored, but is never early. */
static void expect_late(int64_t at, const char *what)
{
	expect_range(at, at + 20 * NSEC, now(CLOCK_MONOTONIC), "%s", what);
}

static void body(int i)
{
	struct epoll_event e = {.data.u32 = 0};
	uint64_t n;

	if (!i) {
		meet();
		expect(1, epoll_wait(epoll, &e, 1, 20000), "epoll_wait");
		expect(7, e.data.u32, "what epoll tells");
		expect_late(once_at, "epoll");
		return;
	}
	crew_arrive();
	expect(sizeof(n), read(once, &n, sizeof(n)), "waiting read");
	expect(victim_broken() ? 2 : 1, (long long)n, "expirations of the one");
	expect_late(once_at, "waiting read");
}

static void expect_rhythm(void)
{
	struct itimerspec t;
	int64_t next, passed;
	uint64_t n = 0;

	expect(sizeof(n), read(often, &n, sizeof(n)), "interval timer");
	passed = now(CLOCK_MONOTONIC) - often_at;
	expect_range(passed / STEP - 1, passed / STEP + 1, (int64_t)n, "expirations so far");
	must(timerfd_gettime(often, &t));
	next = now(CLOCK_MONOTONIC) + t.it_value.tv_sec * NSEC + t.it_value.tv_nsec - often_at;
	expect_range(0, STEP / 20, (next + STEP / 100) % STEP, "rhythm of the interval timer");
}

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = 7};

	once = must(timerfd_create(CLOCK_MONOTONIC, 0));
	often = must(timerfd_create(CLOCK_MONOTONIC, 0));
	watched = must(timerfd_create(CLOCK_MONOTONIC, 0));
	epoll = must(epoll_create1(0));
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, watched, &e));
	once_at = now(CLOCK_MONOTONIC) + 3 * NSEC;
	often_at = now(CLOCK_MONOTONIC) + 1;
	arm(once, once_at, 0);
	arm(watched, once_at, 0);
	arm(often, often_at, STEP);
	crew(2, body);
	expect_rhythm();
	return victim_done();
}
