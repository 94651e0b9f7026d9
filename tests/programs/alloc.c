/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads that allocate, grow and free without pause: from a few bytes to what malloc maps
 * on its own, so that heaps, arenas and mappings change all the time. Every block is filled with a
 * pattern, and checked when it is grown or freed.
 */
#include "program.h"

enum { THREADS = 8, BLOCKS = 192, TURNS = 2400 };

struct block {
	uint64_t *words;
	size_t count;
	uint64_t seed;
};

struct worker {
	uint64_t random, hash;
	struct block blocks[BLOCKS];
};

static void fill(struct block *b, size_t from)
{
	for (size_t i = from; i < b->count; i++)
		b->words[i] = b->seed + i * 0x9e3779b97f4a7c15U;
}

static uint64_t check(const struct block *b)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < b->count; i++)
		wrong |= b->words[i] ^ (b->seed + i * 0x9e3779b97f4a7c15U);
	expect(!wrong, "the content of a block");
	return b->seed ^ b->count;
}

/* Mostly small; one in 64 beyond malloc's threshold for a mapping of its own. */
static size_t some_size(uint64_t random)
{
	size_t limit = random % 64 ? 512 : 64 << 10;

	return 1 + (random >> 8) % limit;
}

static void resize(struct block *b, size_t count)
{
	size_t kept = b->count < count ? b->count : count;

	b->words = realloc(b->words, count * sizeof(b->words[0]));
	expect(b->words != NULL, "out of memory");
	b->count = count;
	fill(b, kept);
}

static void turn(struct worker *w)
{
	struct block *b;

	w->random = mix(w->random, 0);
	b = &w->blocks[w->random % BLOCKS];
	if (!b->words) {
		b->seed = w->random;
		resize(b, some_size(w->random));
		return;
	}
	w->hash = mix(w->hash, check(b));
	if (w->random & 1 << 20) {
		resize(b, some_size(w->random));
		return;
	}
	free(b->words);
	*b = (struct block){0};
}

static void *work(void *arg)
{
	for (int i = 0; i < TURNS; i++)
		turn(arg);
	return NULL;
}

static void release(struct worker *w)
{
	for (int i = 0; i < BLOCKS; i++) {
		if (w->blocks[i].words)
			w->hash = mix(w->hash, check(&w->blocks[i]));
		free(w->blocks[i].words);
	}
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	long n = steps(argc, argv, 60);
	uint64_t hash = 0;

	for (uint64_t i = 0; i < THREADS; i++)
		workers[i].random = mix(i, 7);
	for (long s = 1; s <= n; s++) {
		/* New threads for each step: stacks and arenas come and go too. */
		in_threads(work, workers, sizeof(workers[0]), THREADS);
		for (int i = 0; i < THREADS; i++)
			hash = mix(hash, workers[i].hash);
		progress(s, hash);
	}
	for (int i = 0; i < THREADS; i++) {
		release(&workers[i]);
		hash = mix(hash, workers[i].hash);
	}
	return result(hash);
}
