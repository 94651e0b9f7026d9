/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals from thread to thread after the restore: each arrives where it was sent to. Real-time
 * ones, which do not merge.
 */
#include <signal.h>

#include "crew.h"

#define THREADS 5

static pthread_t threads[THREADS];
static int tids[THREADS], got[THREADS], all_sent;

static void handler(int sig)
{
	(void)sig;
	expect(tids[crew_number], gettid(), "thread in the handler");
	__atomic_add_fetch(&got[crew_number], 1, __ATOMIC_RELAXED);
}

static void body(int i)
{
	threads[i] = pthread_self();
	tids[i] = gettid();
	meet();
	raise(SIGRTMIN + 1);
	if (i > 0) {
		await(&all_sent, 1);
		return;
	}
	for (int n = 0; n < THREADS; n++) {
		must0(pthread_kill(threads[n], SIGRTMIN + 1));
		must(syscall(SYS_tgkill, getpid(), tids[n], SIGRTMIN + 2));
	}
	announce(&all_sent, 1);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};

	must(sigaction(SIGRTMIN + 1, &sa, NULL));
	must(sigaction(SIGRTMIN + 2, &sa, NULL));
	crew(THREADS, body);
	for (int i = 0; i < THREADS; i++)
		expect(3, got[i], "signals that thread %d got", i);
	return victim_done();
}
