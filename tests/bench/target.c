/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target MIB: what the bench dumps and restores. Holds that much memory, and a thread of it reads
 * the clock without pause. On SIGUSR1 it prints the longest time between two readings since the
 * last SIGUSR1, and when that time ended. On SIGTERM it checks its memory and exits.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mix.h"

enum { THREADS = 2 };

static uint64_t *memory;
static size_t runs;
static uint64_t longest, until; /* what the spinning thread tells when it is asked */
static atomic_int asked;

/* The time of day: the only clock that a restored program has in common with the bench. */
static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *spin(void *arg)
{
	uint64_t gap = 0, end = 0, last = now();

	(void)arg;
	for (;;) {
		uint64_t t = now();

		if (t - last > gap) {
			gap = t - last;
			end = t;
		}
		last = t;
		if (atomic_load_explicit(&asked, memory_order_relaxed) == 0)
			continue;
		longest = gap;
		until = end;
		if (atomic_fetch_sub(&asked, 1) == 1)
			gap = 0;
	}
	return NULL;
}

/* Asks for two rounds: the first may have read the clock before a stop, and go on after it. */
static void report(void)
{
	atomic_store(&asked, 2);
	while (atomic_load(&asked))
		sched_yield();
	printf("%" PRIu64 " %" PRIu64 "\n", longest, until);
}

static void *fill(void *arg)
{
	for (size_t i = (uintptr_t)arg; i < runs; i += THREADS)
		fill_run(memory + i * (RUN / 8), i);
	return NULL;
}

static void fill_all(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, fill, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static int check(void)
{
	static uint64_t expected[RUN / 8];

	for (size_t i = 0; i < runs; i++) {
		fill_run(expected, i);
		if (memcmp(memory + i * (RUN / 8), expected, RUN) != 0) {
			fprintf(stderr, "run %zu of the memory is wrong\n", i);
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	pthread_t spinner;
	sigset_t signals;
	int sig;

	runs = (argc > 1 ? strtoul(argv[1], NULL, 10) : 1024) * ((1 << 20) / RUN);
	memory = new_memory(runs * RUN);
	if (!memory) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	fill_all();
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	pthread_create(&spinner, NULL, spin, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (sigwait(&signals, &sig) == 0 && sig == SIGUSR1)
		report();
	return check();
}
