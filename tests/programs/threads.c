/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thousand threads in step: in each round every thread makes its new value from its own and its
 * neighbours' old ones, and waits for the others at a barrier. Each keeps part of its state in
 * thread-local storage and on its stack, and checks it.
 */

#include "program.h"

enum { THREADS = 1000, ROUNDS = 120, WORK = 200 };

static uint64_t values[2][THREADS];
static pthread_barrier_t barrier;
static long rounds;
static _Thread_local uint64_t mine;

static uint64_t next_value(const uint64_t *old, size_t i)
{
	uint64_t value = mix(old[i], old[(i + 1) % THREADS]);

	for (int k = 0; k < WORK; k++)
		value = mix(value, old[(i + THREADS - 1) % THREADS]);
	return value;
}

static void *member(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;
	volatile uint64_t on_stack = values[0][i];

	mine = on_stack;
	for (long r = 0; r < rounds; r++) {
		expect(mine == on_stack && mine == values[r & 1][i], "a thread's own state");
		mine = next_value(values[r & 1], i);
		on_stack = mine;
		values[(r + 1) & 1][i] = mine;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

/* The main thread takes part in every barrier; the next one holds the others while it looks. */
static uint64_t watch(uint64_t hash)
{
	for (long r = 0; r < rounds; r++) {
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < THREADS; i++)
			hash = mix(hash, values[(r + 1) & 1][i]);
		progress(r + 1, hash);
	}
	return hash;
}

int main(int argc, char **argv)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	int code;

	rounds = steps(argc, argv, ROUNDS);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		values[0][i] = mix(i, 1);
	for (size_t i = 0; i < THREADS; i++)
		expect(pthread_create(&threads[i], &attr, member, (void *)(uintptr_t)i) == 0,
			"could not create a thread");
	code = result(watch(0));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return code;
}
