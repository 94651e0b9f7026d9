/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that was only read, so that the kernel's zero page is there, also the huge one: it reads
 * as zero, takes a write, and a write to one page leaves the others alone.
 */
#include "memory.h"

#define SIZE (4 * MIB)

static void read_all(const volatile char *p)
{
	for (size_t at = 0; at < SIZE; at += PAGE)
		must_true(p[at] == 0);
}

int main(void)
{
	char *small = map_anon(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *huge = map_anon(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct mapping m;

	must(madvise(small, SIZE, MADV_NOHUGEPAGE));
	madvise(huge, SIZE, MADV_HUGEPAGE);
	read_all(small);
	read_all(huge);
	fill(small + 5 * PAGE, PAGE, 1);
	victim_ready();
	if (victim_broken())
		small[9 * PAGE] = 1;
	m = mapping_of(small);
	expect_range(0, 64, (long)m.rss, "kB in memory");
	expect_filled(small + 5 * PAGE, PAGE, 1, "the page written before");
	expect_zero(small, 5 * PAGE, "pages before it");
	expect_zero(small + 6 * PAGE, SIZE - 6 * PAGE, "pages after it");
	expect_zero(huge, SIZE, "huge zero page");
	fill(small + 100 * PAGE, PAGE, 2);
	fill(huge + 100 * PAGE, PAGE, 3);
	expect_zero(small + 101 * PAGE, PAGE, "page after one written now");
	expect_zero(huge + 101 * PAGE, PAGE, "part of the huge page after one written now");
	return victim_done();
}
