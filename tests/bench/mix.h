/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that is measured: runs of 64 KiB, in turn random, which LZ4 can't compress, and with
 * 12 random bytes in each 64, which it compresses 4:1.
 */
#ifndef MIX_H
#define MIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { RUN = 64 << 10 };

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One run; its number decides what is in it. */
static inline void fill_run(uint64_t *words, uint64_t number)
{
	uint64_t state = (number + 1) * 0x9e3779b97f4a7c15U;

	for (size_t i = 0; i < RUN / 8; i++) {
		size_t place = number % 2 ? i % 8 : 0;

		words[i] = place < 2 ? next_random(&state) : 0;
		if (place == 1)
			words[i] &= UINT32_MAX;
	}
}

/* Untouched memory in pages of 4 KiB. */
static inline void *new_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

#endif
