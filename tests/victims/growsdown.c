/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping that grows down on faults below it: it has grown before, and grows on. */
#include "memory.h"

#define PLACE ((char *)0x200000000000) /* nothing else is near */
#define SIZE  (64 * PAGE)
#define STEP  (16 * PAGE)

static void write_down(char *from, size_t n, uint64_t seed)
{
	for (size_t at = PAGE; at <= n; at += PAGE)
		fill(from - at, PAGE, seed + at);
}

static void expect_down(const char *from, size_t n, uint64_t seed)
{
	for (size_t at = PAGE; at <= n; at += PAGE)
		expect_filled(from - at, PAGE, seed + at, "page that was grown");
}

int main(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE;
	char *p = must(mmap(PLACE, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0));
	struct mapping m;

	fill(p, SIZE, 1);
	write_down(p, STEP, 2);
	victim_ready();
	m = mapping_of(p);
	expect(1, has_flag(&m, "gd"), "growsdown flag");
	expect((intptr_t)(p - STEP), (long)m.start, "start after the first growth");
	write_down(p - STEP, 4 * STEP, 3);
	m = mapping_of(p);
	expect((intptr_t)(p - 5 * STEP), (long)m.start, "start after the second growth");
	expect_filled(p, SIZE, 1, "first part");
	expect_down(p, STEP, 2);
	expect_down(p - STEP, 4 * STEP, 3);
	return victim_done();
}
