/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads inside untimed waits of libc: a mutex, both sides of a read-write lock, a condition, a
 * barrier, a semaphore. After the restore each is let through, and none was before.
 */
#include <semaphore.h>

#include "crew.h"

enum { MAIN, MUTEX, READER, WRITER, CONDITION, BARRIER, SEMAPHORE, THREADS };

static const char *const names[THREADS] = {
	"main", "mutex", "read lock", "write lock", "condition", "barrier", "semaphore"};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER, readable = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static int signalled, tids[THREADS], through[THREADS];

static void take_all(void)
{
	must0(pthread_barrier_init(&barrier, NULL, 2));
	must(sem_init(&semaphore, 0, 0));
	must0(pthread_mutex_lock(&mutex));
	must0(pthread_rwlock_wrlock(&written));
	must0(pthread_rwlock_rdlock(&readable));
}

static void let_all_through(void)
{
	must0(pthread_mutex_unlock(&mutex));
	must0(pthread_rwlock_unlock(&written));
	must0(pthread_rwlock_unlock(&readable));
	must0(pthread_mutex_lock(&cond_mutex));
	signalled = 1;
	must0(pthread_cond_signal(&condition));
	must0(pthread_mutex_unlock(&cond_mutex));
	pthread_barrier_wait(&barrier);
	must(sem_post(&semaphore));
}

static void wait_on_condition(void)
{
	must0(pthread_mutex_lock(&cond_mutex));
	while (!signalled)
		must0(pthread_cond_wait(&condition, &cond_mutex));
	must0(pthread_mutex_unlock(&cond_mutex));
}

static void wait_for(int i)
{
	if (i == MUTEX)
		must0(pthread_mutex_lock(&mutex));
	else if (i == READER)
		must0(pthread_rwlock_rdlock(&written));
	else if (i == WRITER)
		must0(pthread_rwlock_wrlock(&readable));
	else if (i == CONDITION)
		wait_on_condition();
	else if (i == BARRIER)
		pthread_barrier_wait(&barrier);
	else
		must(sem_wait(&semaphore));
}

static void body(int i)
{
	tids[i] = gettid();
	if (i != MAIN) {
		crew_arrive();
		wait_for(i);
		through[i] = 1;
		return;
	}
	await(&crew_present, THREADS - 1);
	for (int n = 1; n < THREADS; n++)
		await_sleep(tids[n]);
	meet();
	for (int n = 1; n < THREADS; n++)
		expect(0, through[n], "%s: let through early", names[n]);
	let_all_through();
}

int main(void)
{
	take_all();
	crew(THREADS, body);
	for (int n = 1; n < THREADS; n++)
		expect(1, through[n], "%s: let through", names[n]);
	return victim_done();
}
