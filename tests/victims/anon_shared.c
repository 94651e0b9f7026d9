/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared anonymous memory in several views: a second one by mremap, one split by mprotect, one that
 * was moved. A write in one is seen in all, by all threads; other such memory stays apart.
 */
#include "crew.h"
#include "memory.h"

#define SIZE (64 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

static char *first, *second, *part, *other;

static void set_up(void)
{
	first = map_anon(SIZE, RW, MAP_SHARED);
	other = map_anon(SIZE, RW, MAP_SHARED);
	fill(first, SIZE / 2, 1);
	fill(other, SIZE, 2);
	/* An old size of 0 makes another view of shared memory. */
	second = must(mremap(first, 0, SIZE, MREMAP_MAYMOVE));
	part = must(mremap(first + 8 * PAGE, 0, 8 * PAGE, MREMAP_MAYMOVE));
	must(mprotect(first + 16 * PAGE, 8 * PAGE, PROT_READ));
	must(munmap(first + 30 * PAGE, PAGE));
}

static void body(int i)
{
	meet();
	if (i > 0) {
		await((int *)(second + 40 * PAGE), 4711);
		memcpy(second + 41 * PAGE, "thread", 7);
		announce((int *)(second + 42 * PAGE), 1);
		return;
	}
	expect_filled(first, 30 * PAGE, 1, "first view");
	expect_filled(second, SIZE / 2, 1, "second view");
	expect_zero(second + SIZE / 2, SIZE / 2, "part never written");
	expect_filled(other, SIZE, 2, "other memory");
	announce((int *)(second + 40 * PAGE), 4711);
	await((int *)(second + 42 * PAGE), 1);
	expect_text("thread", first + 41 * PAGE, "what the thread wrote, in the first view");
}

int main(void)
{
	char *gap;

	set_up();
	crew(2, body);
	if (victim_broken())
		second = map_anon(SIZE, RW, MAP_SHARED);
	memcpy(first + 9 * PAGE, "one for all", 12);
	expect_text("one for all", second + 9 * PAGE, "second view after a write in the first");
	expect_text("one for all", part + PAGE, "view of a part after a write in the first");
	expect(SIGSEGV, touch(first + 16 * PAGE, true), "signal of a write in the protected part");
	expect(SIGSEGV, touch(first + 30 * PAGE, false), "signal of a read in the gap");
	gap = must(mremap(second + 30 * PAGE, 0, PAGE, MREMAP_MAYMOVE));
	expect_bytes(
		second + 30 * PAGE, gap, PAGE, "a new view, of the part with a gap in the first");
	expect(0, touch(second + 16 * PAGE, true), "signal of a write in the second view");
	return victim_done();
}
