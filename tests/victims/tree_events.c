/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Event descriptors that processes share: a counter on which a child waits, an epoll that is
 * shared, and that watches something which only a child has kept open, a timer that fires for
 * both.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "family.h"

static int question, answer, epoll, kept, timer;

static void child(int i)
{
	struct epoll_event e = {.events = 0};
	uint64_t v = 0;

	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	expect(sizeof(v), read(question, &v, sizeof(v)), "child %d: waiting read", i);
	expect(6, (long long)v, "question");
	expect(1, epoll_wait(epoll, &e, 1, 0), "child %d: epoll_wait", i);
	expect(9, (long long)e.data.u64, "what the epoll watches");
	expect(sizeof(v), read(timer, &v, sizeof(v)), "timer");
	v = 1;
	must_true(write(answer, &v, sizeof(v)) == sizeof(v));
}

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 9};
	struct itimerspec t = {.it_value = {.tv_nsec = 1000}};
	uint64_t v = 6;
	pid_t pid;

	family_begin();
	question = must(eventfd(0, 0));
	answer = must(eventfd(0, EFD_NONBLOCK));
	epoll = must(epoll_create1(EPOLL_CLOEXEC));
	kept = must(eventfd(3, 0));
	timer = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	must(timerfd_settime(timer, 0, &t, NULL));
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, kept, &e));
	pid = family_fork(child, 0);
	must(close(kept));
	family_await(1);
	victim_ready();
	e.data.u64 = 0;
	expect(1, epoll_wait(epoll, &e, 1, 0), "epoll_wait");
	expect(victim_broken() ? 1 : 9, (long long)e.data.u64, "what the epoll watches");
	must_true(write(question, &v, sizeof(v)) == sizeof(v));
	family_join(pid);
	expect(sizeof(v), read(answer, &v, sizeof(v)), "answer");
	expect(-1, read(timer, &v, sizeof(v)), "timer that the child has read");
	return victim_done();
}
