/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap goes on where it was: its end, its content, its growth and shrinking, and malloc on it.
 */
#include "memory.h"

#define CHUNKS 64
#define CHUNK  ((size_t)3000)

static void *chunks[CHUNKS];

static void expect_growth(char *end)
{
	char *grown = sbrk((intptr_t)(5 * PAGE));

	expect((intptr_t)end, (intptr_t)grown, "place of what sbrk added");
	if (grown != end)
		return;
	expect_zero(grown, 5 * PAGE, "memory that sbrk added");
	fill(grown, 5 * PAGE, 2);
	must(sbrk(-(intptr_t)(5 * PAGE)));
	expect((intptr_t)end, (intptr_t)sbrk(0), "end of the heap after shrinking");
}

static void expect_malloc(void)
{
	char *low = (char *)chunks[0], *more = malloc(16 * PAGE);

	for (int i = 0; i < CHUNKS; i++) {
		expect_filled(chunks[i], CHUNK, 100 + (unsigned)i, "malloc'ed chunk");
		free(chunks[i]);
	}
	expect(1, more > low && more < (char *)sbrk(0), "malloc in the heap");
	free(more);
}

int main(void)
{
	char *end, *tail;

	for (int i = 0; i < CHUNKS; i++) {
		chunks[i] = malloc(CHUNK);
		fill(chunks[i], CHUNK, 100 + (unsigned)i);
	}
	/* An end inside a page: the kernel keeps it to the byte. */
	tail = must(sbrk(10 * (intptr_t)PAGE + 40));
	fill(tail, 10 * PAGE, 1);
	end = sbrk(0);
	victim_ready();
	if (victim_broken())
		must(sbrk(16));
	expect((intptr_t)end, (intptr_t)sbrk(0), "end of the heap");
	expect_filled(tail, 10 * PAGE, 1, "heap");
	expect_growth(end);
	expect_malloc();
	return victim_done();
}
