/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lives in the vDSO: four threads read the clocks without pause, so that most moments find one of
 * them there. CLOCK_MONOTONIC must never go back, neither for a thread nor from one to another.
 */
#include <sched.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#include "program.h"

enum { THREADS = 4, CALLS = 100000 };

static _Atomic uint64_t latest;

static uint64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Whatever time another thread published before, this one's clock has reached it. */
static void check_monotonic(void)
{
	uint64_t seen = atomic_load(&latest);
	uint64_t now = monotonic();

	expect(now >= seen, "CLOCK_MONOTONIC went back");
	while (seen < now && !atomic_compare_exchange_weak(&latest, &seen, now))
		;
}

/* The vDSO's other doors; what they return must make sense. */
static void check_others(void)
{
	struct timeval tv;
	struct timespec res;

	expect(gettimeofday(&tv, NULL) == 0 && tv.tv_usec < 1000000, "gettimeofday");
	expect(clock_getres(CLOCK_MONOTONIC, &res) == 0 && res.tv_sec == 0, "clock_getres");
	/* time() is the coarse clock: up to a tick behind. */
	expect(time(NULL) + 1 >= tv.tv_sec, "time");
	expect(sched_getcpu() >= 0, "sched_getcpu");
}

static void *work(void *arg)
{
	uint64_t *hash = arg;

	for (uint64_t i = 0; i < CALLS; i++) {
		check_monotonic();
		if (i % 16 == 0)
			check_others();
		*hash = mix(*hash, i);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static uint64_t hashes[THREADS];
	long n = steps(argc, argv, 50);
	uint64_t hash = 0;

	for (long s = 1; s <= n; s++) {
		in_threads(work, hashes, sizeof(hashes[0]), THREADS);
		for (int i = 0; i < THREADS; i++)
			hash = mix(hash, hashes[i]);
		progress(s, hash);
	}
	return result(hash);
}
