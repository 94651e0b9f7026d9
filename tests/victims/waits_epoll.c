/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Timed waits in progress on an epoll descriptor that watches nothing. Every ptrace stop ends
 * these with EINTR, so it takes care not to let the program see it. (No mode identity: its
 * tracer doesn't.)
 */
#include <signal.h>
#include <sys/epoll.h>

#include "waits.h"

#define MS (WAIT_NS / 1000000)

static int epoll_fd;

static int epoll_plain(void)
{
	struct epoll_event event;

	return errno_of(epoll_wait(epoll_fd, &event, 1, MS));
}

static int epoll_mask(void)
{
	struct epoll_event event;
	sigset_t set;

	sigfillset(&set);
	return errno_of(epoll_pwait(epoll_fd, &event, 1, MS, &set));
}

static int epoll_precise(void)
{
	struct timespec t = timespec_of(WAIT_NS);
	struct epoll_event event;

	return errno_of(epoll_pwait2(epoll_fd, &event, 1, &t, NULL));
}

static struct timed_wait waits[] = {
	{"epoll_wait", epoll_plain, 0, 0, 0},
	{"epoll_pwait", epoll_mask, 0, 0, 0},
	{"epoll_pwait2", epoll_precise, 0, 0, 0},
};

int main(void)
{
	epoll_fd = must(epoll_create1(EPOLL_CLOEXEC));
	victim_waits(waits, ARRAY_SIZE(waits));
	return victim_done();
}
