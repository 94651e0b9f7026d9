/* SPDX-License-Identifier: Apache-2.0 */
/* Timed waits for descriptors in progress, of which none is ever ready. */
#include <poll.h>
#include <signal.h>
#include <sys/select.h>

#include "waits.h"

#define MS (WAIT_NS / 1000000)

static int poll_none(void)
{
	return errno_of(poll(NULL, 0, MS));
}

/* A negative descriptor is one that poll skips. */
static int poll_skipped(void)
{
	struct pollfd fds[3] = {{-1, POLLIN, 0}, {-1, POLLOUT, 0}, {-1, POLLIN, 0}};

	return errno_of(poll(fds, 3, MS));
}

static int ppoll_plain(void)
{
	struct timespec t = timespec_of(WAIT_NS);

	return errno_of(ppoll(NULL, 0, &t, NULL));
}

static int ppoll_mask(void)
{
	struct timespec t = timespec_of(WAIT_NS);
	sigset_t set;

	sigfillset(&set);
	return errno_of(ppoll(NULL, 0, &t, &set));
}

static int select_plain(void)
{
	struct timeval t = {.tv_sec = WAIT_NS / NSEC};

	return errno_of(select(0, NULL, NULL, NULL, &t));
}

static int pselect_plain(void)
{
	struct timespec t = timespec_of(WAIT_NS);

	return errno_of(pselect(0, NULL, NULL, NULL, &t, NULL));
}

static int pselect_mask(void)
{
	struct timespec t = timespec_of(WAIT_NS);
	sigset_t set, after;
	int ret;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ret = errno_of(pselect(0, NULL, NULL, NULL, &t, &set));
	must0(pthread_sigmask(SIG_SETMASK, NULL, &after));
	expect(0, sigismember(&after, SIGUSR1), "mask of pselect is gone after it");
	return ret;
}

static struct timed_wait waits[] = {
	{"poll of none", poll_none, 0, 0, 0},
	{"poll of skipped ones", poll_skipped, 0, 0, 0},
	{"ppoll", ppoll_plain, 0, 0, 0},
	{"ppoll with a mask", ppoll_mask, 0, 0, 0},
	{"select", select_plain, 0, 0, 0},
	{"pselect", pselect_plain, 0, 0, 0},
	{"pselect with a mask", pselect_mask, 0, 0, 0},
};

int main(void)
{
	victim_waits(waits, ARRAY_SIZE(waits));
	return victim_done();
}
