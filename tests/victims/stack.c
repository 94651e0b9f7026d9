/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: what frames hold, of the main thread and of others, deep growth of the main stack after
 * the restore, and what lies below the stack pointer, in the red zone.
 */
#include <sys/resource.h>

#include "crew.h"
#include "memory.h"

#define THREADS 4
#define DEPTH   100
#define FRAME   ((size_t)1024)

/* Frames full of pattern; deep in them, meet. */
static void __attribute__((noinline)) descend(int i, unsigned depth)
{
	uint64_t frame[FRAME / 8];

	fill(frame, sizeof(frame), (uint64_t)i * DEPTH + depth);
	if (depth < DEPTH)
		descend(i, depth + 1);
	else
		meet();
	expect_filled(frame, sizeof(frame), (uint64_t)i * DEPTH + depth, "frame");
}

/* Use the main stack up to what its limit allows, but for a MiB. */
static void __attribute__((noinline)) grow(size_t left)
{
	volatile char frame[16384];

	for (size_t i = 0; i < sizeof(frame); i += 512)
		frame[i] = (char)(left + i);
	if (left > sizeof(frame))
		grow(left - sizeof(frame));
	must_true(frame[512] == (char)(left + 512));
}

static void body(int i)
{
	struct rlimit limit;

	descend(i, 0);
	if (i > 0)
		return;
	must(getrlimit(RLIMIT_STACK, &limit));
	grow((limit.rlim_cur < 64 * MIB ? limit.rlim_cur : 64 * MIB) - MIB);
}

int main(void)
{
	struct mapping before = mapping_of(__builtin_frame_address(0)), after;

	crew(THREADS, body);
	after = mapping_of(__builtin_frame_address(0));
	expect_text(before.path, after.path, "name of the stack mapping");
	expect((long)before.end, (long)after.end, "end of the stack mapping");
	expect(1, after.start < before.start, "the stack has grown");
	expect_text(before.flags, after.flags, "VmFlags of the stack");
	return victim_done();
}
