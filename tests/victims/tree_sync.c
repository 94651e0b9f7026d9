/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Processes that wait for each other by what lies in memory that they share: a mutex, a condition,
 * a read-write lock, semaphores with and without a name; and a robust mutex whose owner, another
 * process, ends without giving it back.
 */
#include <pthread.h>
#include <semaphore.h>

#include "family.h"

enum { MUTEX, CONDITION, RWLOCK, UNNAMED, NAMED, OWNER, HEIR, ROLES };

static const char *const roles[ROLES] = {"mutex", "condition", "read-write lock",
	"unnamed semaphore", "named semaphore", "owner of a robust mutex",
	"heir of a robust mutex"};

static struct shared {
	pthread_mutex_t mutex, cond_mutex, robust;
	pthread_cond_t cond;
	pthread_rwlock_t rwlock;
	sem_t unnamed;
	int signalled, owned, through[ROLES];
} * shared;
static sem_t *named;

static void make_mutex(pthread_mutex_t *mutex, int robust)
{
	pthread_mutexattr_t a;

	must0(pthread_mutexattr_init(&a));
	must0(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	must0(pthread_mutexattr_setrobust(&a, robust));
	must0(pthread_mutex_init(mutex, &a));
}

static void make_all(void)
{
	pthread_condattr_t ca;
	pthread_rwlockattr_t ra;
	char name[64];

	shared = must(mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	make_mutex(&shared->mutex, PTHREAD_MUTEX_STALLED);
	make_mutex(&shared->cond_mutex, PTHREAD_MUTEX_STALLED);
	make_mutex(&shared->robust, PTHREAD_MUTEX_ROBUST);
	must0(pthread_condattr_init(&ca));
	must0(pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED));
	must0(pthread_cond_init(&shared->cond, &ca));
	must0(pthread_rwlockattr_init(&ra));
	must0(pthread_rwlockattr_setpshared(&ra, PTHREAD_PROCESS_SHARED));
	must0(pthread_rwlock_init(&shared->rwlock, &ra));
	must(sem_init(&shared->unnamed, 1, 0));
	snprintf(name, sizeof(name), "/pckpt-victim-%d", getpid());
	named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	must_true(named != SEM_FAILED);
	must(sem_unlink(name));
	must0(pthread_mutex_lock(&shared->mutex));
	must0(pthread_rwlock_wrlock(&shared->rwlock));
}

static void wait_on_condition(void)
{
	must0(pthread_mutex_lock(&shared->cond_mutex));
	while (!shared->signalled)
		must0(pthread_cond_wait(&shared->cond, &shared->cond_mutex));
	must0(pthread_mutex_unlock(&shared->cond_mutex));
}

/* Until the others wait; then it ends and keeps the mutex. */
static void own_and_end(void)
{
	must0(pthread_mutex_lock(&shared->robust));
	__atomic_store_n(&shared->owned, 1, __ATOMIC_RELEASE);
	family_wait();
}

static void inherit(void)
{
	while (!__atomic_load_n(&shared->owned, __ATOMIC_ACQUIRE))
		sched_yield();
	expect(EOWNERDEAD, pthread_mutex_lock(&shared->robust), "lock of a dead owner");
	expect(0, pthread_mutex_consistent(&shared->robust), "made consistent");
	expect(0, pthread_mutex_unlock(&shared->robust), "unlocked");
}

static void role(int i)
{
	if (i != OWNER) {
		__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
		family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	}
	if (i == MUTEX)
		must0(pthread_mutex_lock(&shared->mutex));
	else if (i == CONDITION)
		wait_on_condition();
	else if (i == RWLOCK)
		must0(pthread_rwlock_rdlock(&shared->rwlock));
	else if (i == UNNAMED)
		must(sem_wait(&shared->unnamed));
	else if (i == NAMED)
		must(sem_wait(named));
	else if (i == OWNER)
		own_and_end();
	else
		inherit();
	shared->through[i] = 1;
}

static void let_all_through(void)
{
	must0(pthread_mutex_unlock(&shared->mutex));
	must0(pthread_mutex_lock(&shared->cond_mutex));
	shared->signalled = 1;
	must0(pthread_cond_signal(&shared->cond));
	must0(pthread_mutex_unlock(&shared->cond_mutex));
	must0(pthread_rwlock_unlock(&shared->rwlock));
	must(sem_post(&shared->unnamed));
	must(sem_post(named));
	family_over();
}

int main(void)
{
	pid_t pid[ROLES];

	family_begin();
	make_all();
	for (int i = 0; i < ROLES; i++)
		pid[i] = family_fork(role, i);
	family_meet(ROLES);
	if (victim_broken())
		shared->through[UNNAMED] = 1;
	for (int i = 0; i < ROLES; i++)
		expect(0, shared->through[i], "%s: through too early", roles[i]);
	let_all_through();
	for (int i = 0; i < ROLES; i++)
		family_join(pid[i]);
	for (int i = 0; i < ROLES; i++)
		expect(1, shared->through[i], "%s: through", roles[i]);
	return victim_done();
}
