/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits in progress until a time of day. The clock of the day goes on while the program is away, so
 * each ends when that time has come, or at once if it has passed; never early, never with EINTR.
 */
#include <semaphore.h>

#include "waits.h"

static int64_t end_ns;

static struct timespec until(void)
{
	return timespec_of(end_ns);
}

static int sleep_realtime(void)
{
	struct timespec end = until();

	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL);
}

static int futex_realtime(void)
{
	struct timespec end = until();
	int word = 0;

	return errno_of(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &end));
}

static int semaphore_realtime(void)
{
	struct timespec end = until();
	sem_t sem;

	must(sem_init(&sem, 0, 0));
	return errno_of(sem_timedwait(&sem, &end));
}

static int cond_realtime(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec end = until();

	must0(pthread_mutex_lock(&mutex));
	return pthread_cond_timedwait(&cond, &mutex, &end);
}

static const struct {
	const char *name;
	int (*wait)(void);
	int want;
} waits[] = {
	{"main", NULL, 0},
	{"clock_nanosleep", sleep_realtime, 0},
	{"FUTEX_WAIT_BITSET", futex_realtime, ETIMEDOUT},
	{"semaphore", semaphore_realtime, ETIMEDOUT},
	{"condition", cond_realtime, ETIMEDOUT},
};

static void body(int i)
{
	int64_t late;

	if (i == 0) {
		meet();
		return;
	}
	crew_arrive();
	expect(waits[i].want, waits[i].wait(), "%s: result", waits[i].name);
	late = now(CLOCK_REALTIME) - end_ns;
	expect(1, late >= 0, "%s: not early", waits[i].name);
}

int main(void)
{
	end_ns = now(CLOCK_REALTIME) + WAIT_NS;
	crew(ARRAY_SIZE(waits), body);
	return victim_done();
}
