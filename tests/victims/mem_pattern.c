/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private anonymous memory: dense, every other page, a GiB with a few pages in it, without a
 * reservation, dropped pages, pages of zeros. What was never written is zero and takes no memory.
 */
#include "memory.h"

#define DENSE (8 * MIB)
#define GIB   (1024 * MIB)
#define SPOTS 7
#define RW    (PROT_READ | PROT_WRITE)

static char *dense, *striped, *huge, *unreserved, *dropped;

static size_t spot(int i)
{
	return (size_t)i * (GIB / SPOTS) / PAGE * PAGE;
}

static void set_up(void)
{
	dense = map_anon(DENSE, RW, MAP_PRIVATE);
	striped = map_anon(DENSE, RW, MAP_PRIVATE);
	huge = map_anon(GIB, RW, MAP_PRIVATE);
	unreserved = map_anon(GIB, RW, MAP_PRIVATE | MAP_NORESERVE);
	dropped = map_anon(DENSE, RW, MAP_PRIVATE);
	fill(dense, DENSE, 1);
	for (size_t at = 0; at < DENSE; at += 2 * PAGE)
		fill(striped + at, PAGE, 2 + at);
	for (int i = 0; i < SPOTS; i++) {
		fill(huge + spot(i), PAGE, 3 + (unsigned)i);
		fill(unreserved + spot(i), PAGE, 4 + (unsigned)i);
	}
	fill(dropped, DENSE, 5);
	must(madvise(dropped + DENSE / 2, DENSE / 2, MADV_DONTNEED));
	memset(dense + DENSE / 2, 0, PAGE);
}

/* Before anything is read: a read brings the zero page in. */
static void expect_sparse(void)
{
	struct mapping m = mapping_of(huge), u = mapping_of(unreserved);

	expect_range(0, 1024, (long)m.rss, "kB in memory of the huge mapping");
	expect_range(0, 1024, (long)u.rss, "kB in memory of the mapping without reservation");
	expect(1, has_flag(&u, "nr"), "mapping without reservation is so");
	expect(0, has_flag(&m, "nr"), "huge mapping has a reservation");
}

static void check_striped(void)
{
	for (size_t at = 0; at < DENSE; at += 2 * PAGE) {
		expect_filled(striped + at, PAGE, 2 + at, "written page of the striped mapping");
		expect_zero(striped + at + PAGE, PAGE, "other page of the striped mapping");
	}
}

int main(void)
{
	set_up();
	victim_ready();
	if (victim_broken())
		striped[PAGE * 5] = 1;
	expect_sparse();
	expect_filled(dense, DENSE / 2, 1, "dense memory");
	expect_zero(dense + DENSE / 2, PAGE, "page of zeros");
	check_striped();
	for (int i = 0; i < SPOTS; i++) {
		expect_filled(huge + spot(i), PAGE, 3 + (unsigned)i, "huge mapping");
		expect_zero(huge + spot(i) + PAGE, PAGE, "gap of the huge mapping");
		expect_filled(unreserved + spot(i), PAGE, 4 + (unsigned)i, "without reservation");
	}
	expect_filled(dropped, DENSE / 2, 5, "kept half");
	expect_zero(dropped + DENSE / 2, DENSE / 2, "dropped half");
	return victim_done();
}
