/* SPDX-License-Identifier: Apache-2.0 */
/* Timed futex waits in progress, bare and below libc, relative and absolute; nobody wakes them. */
#include <semaphore.h>

#include "waits.h"

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, inheriting;

static int relative(void)
{
	struct timespec t = timespec_of(WAIT_NS);
	int word = 0;

	return errno_of(futex(&word, FUTEX_WAIT_PRIVATE, 0, &t));
}

static int relative_shared(void)
{
	struct timespec t = timespec_of(WAIT_NS);
	int word = 0;

	return errno_of(futex(&word, FUTEX_WAIT, 0, &t));
}

static int absolute(void)
{
	struct timespec end = wait_end(CLOCK_MONOTONIC);
	int word = 0;

	return errno_of(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &end));
}

static int cond_until(clockid_t clock)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec end = wait_end(clock);
	int ret;

	must0(pthread_mutex_lock(&mutex));
	ret = pthread_cond_clockwait(&cond, &mutex, clock, &end);
	must0(pthread_mutex_unlock(&mutex));
	return ret;
}

static int cond_monotonic(void)
{
	return cond_until(CLOCK_MONOTONIC);
}

static int semaphore_until(void)
{
	struct timespec end = wait_end(CLOCK_MONOTONIC);
	sem_t sem;

	must(sem_init(&sem, 0, 0));
	return errno_of(sem_clockwait(&sem, CLOCK_MONOTONIC, &end));
}

static int mutex_until(void)
{
	struct timespec end = wait_end(CLOCK_MONOTONIC);

	return pthread_mutex_clocklock(&held, CLOCK_MONOTONIC, &end);
}

static int inheriting_until(void)
{
	struct timespec end = wait_end(CLOCK_MONOTONIC);

	return pthread_mutex_clocklock(&inheriting, CLOCK_MONOTONIC, &end);
}

static struct timed_wait waits[] = {
	{"FUTEX_WAIT", relative, ETIMEDOUT, 0, 0},
	{"FUTEX_WAIT shared", relative_shared, ETIMEDOUT, 0, 0},
	{"FUTEX_WAIT_BITSET", absolute, ETIMEDOUT, 0, 0},
	{"condition", cond_monotonic, ETIMEDOUT, 0, 0},
	{"semaphore", semaphore_until, ETIMEDOUT, 0, 0},
	{"mutex", mutex_until, ETIMEDOUT, 0, 0},
	{"inheriting mutex", inheriting_until, ETIMEDOUT, 0, 0},
};

int main(void)
{
	pthread_mutexattr_t attr;

	must0(pthread_mutexattr_init(&attr));
	must0(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	must0(pthread_mutex_init(&inheriting, &attr));
	must0(pthread_mutex_lock(&held));
	must0(pthread_mutex_lock(&inheriting));
	victim_waits(waits, ARRAY_SIZE(waits));
	return victim_done();
}
