/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Waits without an end in progress: they go on until a signal ends them, seen as once. (No mode
 * identity: its tracer would end sigwait.)
 */
#include <poll.h>
#include <signal.h>
#include <sys/select.h>

#include "crew.h"

static int word;

static int wait_pause(void)
{
	return errno_of(pause());
}

static int wait_sigsuspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	return errno_of(sigsuspend(&set));
}

static int wait_poll(void)
{
	return errno_of(poll(NULL, 0, -1));
}

static int wait_ppoll(void)
{
	return errno_of(ppoll(NULL, 0, NULL, NULL));
}

static int wait_select(void)
{
	return errno_of(select(0, NULL, NULL, NULL, NULL));
}

static int wait_futex(void)
{
	return errno_of(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL));
}

static int wait_futex_bitset(void)
{
	return errno_of(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL));
}

static int wait_sigwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return errno_of(sigwaitinfo(&set, NULL));
}

static const struct {
	const char *name;
	int (*wait)(void);
} waits[] = {
	{"main", NULL},
	{"pause", wait_pause},
	{"sigsuspend", wait_sigsuspend},
	{"poll", wait_poll},
	{"ppoll", wait_ppoll},
	{"select", wait_select},
	{"futex", wait_futex},
	{"futex bitset", wait_futex_bitset},
	{"sigwaitinfo", wait_sigwait},
};
#define WAITS ((int)ARRAY_SIZE(waits))

static pthread_t threads[ARRAY_SIZE(waits)];
static int tids[ARRAY_SIZE(waits)], ended[ARRAY_SIZE(waits)];

static void handler(int sig)
{
	(void)sig;
}

static void body(int i)
{
	threads[i] = pthread_self();
	tids[i] = gettid();
	if (i > 0) {
		crew_arrive();
		expect(EINTR, waits[i].wait(), "%s: result", waits[i].name);
		ended[i] = 1;
		return;
	}
	await(&crew_present, WAITS - 1);
	for (int n = 1; n < WAITS; n++)
		await_sleep(tids[n]);
	meet();
	for (int n = 1; n < WAITS; n++) {
		expect(0, ended[n], "%s: ended early", waits[n].name);
		if (ended[n])
			continue;
		await_sleep(tids[n]);
		must0(pthread_kill(threads[n], SIGUSR1));
	}
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler};

	must(sigaction(SIGUSR1, &sa, NULL));
	crew(WAITS, body);
	return victim_done();
}
