/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory in huge pages: the content, whole and in parts, the advice, and that it is in huge pages
 * again where all of a page was there.
 */
#include "memory.h"

#define HUGE ((size_t)2 * MIB)
#define SIZE (4 * HUGE)
#define RW   (PROT_READ | PROT_WRITE)

static char *map_huge(void)
{
	char *p = map_anon(SIZE + HUGE, RW, MAP_PRIVATE);

	p += (HUGE - (uintptr_t)p % HUGE) % HUGE;
	must(madvise(p, SIZE, MADV_HUGEPAGE));
	return p;
}

int main(void)
{
	char *whole = map_huge(), *holes = map_huge();
	struct mapping before, after;

	fill(whole, SIZE, 1);
	fill(holes, SIZE, 2);
	must(madvise(holes + PAGE, PAGE, MADV_DONTNEED));
	must(mprotect(holes + HUGE + 3 * PAGE, PAGE, PROT_NONE));
	before = mapping_of(whole);
	if (!before.anon_huge)
		victim_skip("the kernel gives no transparent huge pages");
	victim_ready();
	if (victim_broken())
		holes[PAGE + 1] = 1;
	expect_same_mapping(&before, whole, "huge mapping");
	after = mapping_of(whole);
	expect(1, after.anon_huge > 0, "huge pages in the huge mapping");
	expect_filled(whole, SIZE, 1, "huge mapping");
	expect_filled(holes, PAGE, 2, "first page of the mapping with holes");
	expect_zero(holes + PAGE, PAGE, "dropped page");
	must(mprotect(holes + HUGE + 3 * PAGE, PAGE, RW));
	memset(holes + PAGE, 0, PAGE);
	for (size_t at = 2 * PAGE; at < SIZE; at += 8)
		if (*(uint64_t *)(holes + at) != pattern(2, at / 8))
			expect((long long)pattern(2, at / 8), *(long long *)(holes + at),
				"mapping with holes at %#zx", at);
	return victim_done();
}
