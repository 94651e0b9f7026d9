/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the C and C++ programs share: how much to do, a running hash, and lines of output.
 *
 * Every program does a number of steps, prints a line for each with the hash so far, and a last
 * line with the result. The number is its first argument or a default that takes about a second,
 * multiplied by $SCALE. Nothing printed may depend on time, scheduling or addresses.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One round of splitmix64: the programs' hash and their random numbers. */
static inline uint64_t mix(uint64_t hash, uint64_t value)
{
	uint64_t z = (hash ^ value) + 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static inline long steps(int argc, char **argv, long otherwise)
{
	const char *scale = getenv("SCALE");

	/* A line at a time, also into a file: output grows all the while. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	return (argc > 1 ? atol(argv[1]) : otherwise) * (scale ? atol(scale) : 1);
}

static inline void progress(long step, uint64_t hash)
{
	printf("step %ld %016" PRIx64 "\n", step, hash);
}

static inline int result(uint64_t hash)
{
	printf("result %016" PRIx64 "\n", hash);
	return EXIT_SUCCESS;
}

/* What must not happen: says it on stderr, where the uninterrupted run has nothing, and fails. */
static inline void expect(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "wrong: %s\n", what);
	exit(EXIT_FAILURE);
}

/* Runs work(item) in a thread of its own for each of the items, and waits for all. */
static inline void in_threads(void *(*work)(void *), void *items, size_t size, int count)
{
	pthread_t threads[64];

	expect(count <= 64, "too many threads");
	for (int i = 0; i < count; i++)
		expect(pthread_create(&threads[i], NULL, work, (char *)items + (size_t)i * size) ==
				0,
			"could not create a thread");
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

#endif
