/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memfd whose descriptor is closed again, mapped shared twice and private once: pages that
 * only the file has are there, the views are still of one thing, and the private one has
 * pages of its own.
 */
#include "memory.h"

#define SIZE (32 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

static char *shared, *again, *own;

static void set_up(void)
{
	int fd = must(memfd_create("victim", MFD_CLOEXEC));
	char *p;

	must(ftruncate(fd, SIZE));
	/* Pages that no page table of the later mappings knows. */
	p = must(mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0));
	fill(p, SIZE / 2, 1);
	munmap(p, SIZE);
	shared = must(mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0));
	again = must(mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 4 * PAGE));
	own = must(mmap(NULL, SIZE, RW, MAP_PRIVATE, fd, 0));
	fill(own + 2 * PAGE, PAGE, 3);
	close(fd);
}

int main(void)
{
	struct mapping m;

	set_up();
	victim_ready();
	if (victim_broken())
		own[3 * PAGE] ^= 1;
	m = mapping_of(shared);
	expect_text("/memfd:victim (deleted)", m.path, "name of the mapping");
	expect_filled(shared, SIZE / 2, 1, "shared mapping");
	expect_zero(shared + SIZE / 2, SIZE / 2, "never written half");
	expect_filled(own, 2 * PAGE, 1, "private mapping, pages of the file");
	expect_filled(own + 2 * PAGE, PAGE, 3, "private mapping, own page");
	expect_bytes(shared + 3 * PAGE, own + 3 * PAGE, PAGE, "private mapping, next page");
	memcpy(shared + 5 * PAGE, "all views", 10);
	expect_text("all views", again + PAGE, "second view after a write in the first");
	expect_text("all views", own + 5 * PAGE, "private mapping after a write in the file");
	memcpy(shared + 2 * PAGE, "not this", 9);
	expect_filled(own + 2 * PAGE, PAGE, 3, "own page after a write in the file");
	return victim_done();
}
