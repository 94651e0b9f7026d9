/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Timed waits for a signal in progress, none comes. Every ptrace stop ends these with EINTR, so it
 * takes care not to let the program see it. (No mode identity: its tracer doesn't.)
 */
#include <signal.h>

#include "waits.h"

static int wait_for(sigset_t *set)
{
	struct timespec t = timespec_of(WAIT_NS);

	return errno_of(sigtimedwait(set, NULL, &t));
}

static int for_one(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return wait_for(&set);
}

static int for_any(void)
{
	sigset_t set;

	sigfillset(&set);
	return wait_for(&set);
}

static struct timed_wait waits[] = {
	{"sigtimedwait for one", for_one, EAGAIN, 0, 0},
	{"sigtimedwait for any", for_any, EAGAIN, 0, 0},
};

int main(void)
{
	sigset_t all;

	sigfillset(&all);
	must0(pthread_sigmask(SIG_SETMASK, &all, NULL));
	victim_waits(waits, ARRAY_SIZE(waits));
	return victim_done();
}
