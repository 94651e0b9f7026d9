/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes held during the dump whose owner is known by its thread id: recursive, error checking and
 * priority inheriting ones, the last with a thread waiting in the kernel.
 */
#include "crew.h"

enum { MAIN, WAITER, STRANGER, THREADS };

static pthread_mutex_t recursive, checking, inheriting;
static int owned, main_checked, waiter_tid, waiter_got_it;

static void init(pthread_mutex_t *m, int type, int protocol)
{
	pthread_mutexattr_t attr;

	must0(pthread_mutexattr_init(&attr));
	must0(pthread_mutexattr_settype(&attr, type));
	must0(pthread_mutexattr_setprotocol(&attr, protocol));
	must0(pthread_mutex_init(m, &attr));
}

static void own_them(void)
{
	must0(pthread_mutex_lock(&recursive));
	must0(pthread_mutex_lock(&recursive));
	must0(pthread_mutex_lock(&checking));
	must0(pthread_mutex_lock(&inheriting));
	announce(&owned, 1);
	await(&crew_present, THREADS - 1);
	await_sleep(waiter_tid);
	meet();
	expect(0, pthread_mutex_lock(&recursive), "third lock of the recursive mutex");
	for (int i = 0; i < 3; i++)
		expect(0, pthread_mutex_unlock(&recursive), "unlock %d of the recursive mutex", i);
	expect(EPERM, pthread_mutex_unlock(&recursive), "one unlock too many");
	expect(EDEADLK, pthread_mutex_lock(&checking), "second lock of the checking mutex");
	expect(EDEADLK, pthread_mutex_lock(&inheriting), "second lock of the inheriting mutex");
	expect(0, waiter_got_it, "the waiter got the mutex while it was held");
	announce(&main_checked, 1);
	expect(0, pthread_mutex_unlock(&inheriting), "unlock of the inheriting mutex");
}

static void body(int i)
{
	if (i == MAIN) {
		own_them();
	} else if (i == WAITER) {
		waiter_tid = gettid();
		await(&owned, 1);
		crew_arrive();
		expect(0, pthread_mutex_lock(&inheriting), "lock by the waiter");
		waiter_got_it = 1;
		expect(EDEADLK, pthread_mutex_lock(&inheriting), "second lock by the waiter");
		expect(0, pthread_mutex_unlock(&inheriting), "unlock by the waiter");
	} else {
		meet();
		expect(EPERM, pthread_mutex_unlock(&checking), "unlock by a stranger");
		expect(EBUSY, pthread_mutex_trylock(&checking), "trylock by a stranger");
		await(&main_checked, 1);
	}
}

int main(void)
{
	init(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE);
	init(&checking, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE);
	init(&inheriting, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_INHERIT);
	crew(THREADS, body);
	expect(1, waiter_got_it, "the waiter got the mutex in the end");
	return victim_done();
}
