/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of files that are deleted, and of one that another file replaced by its name: content is
 * that of the old file, shared views stay one thing, private pages stay private.
 */
#include "memory.h"

#define SIZE (16 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

static char *shared, *again, *own, *replaced;

static void set_up(void)
{
	int fd = make_file("deleted", SIZE, 1);

	shared = must(mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0));
	again = must(mmap(NULL, SIZE / 2, PROT_READ, MAP_SHARED, fd, SIZE / 2));
	own = must(mmap(NULL, SIZE, RW, MAP_PRIVATE, fd, 0));
	fill(own + PAGE, PAGE, 2);
	close(fd);
	must(unlink(victim_path("deleted").s));
	fd = make_file("replaced", SIZE, 3);
	replaced = must(mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0));
	close(fd);
	close(make_file("new", SIZE, 4));
	must(rename(victim_path("new").s, victim_path("replaced").s));
}

int main(void)
{
	struct mapping m;

	set_up();
	victim_ready();
	if (victim_broken())
		shared[7 * PAGE] ^= 1;
	m = mapping_of(shared);
	expect_deleted(m.path, "shared mapping");
	expect_filled(shared, SIZE, 1, "shared mapping");
	expect_filled(own, PAGE, 1, "private mapping, page of the file");
	expect_filled(own + PAGE, PAGE, 2, "private mapping, own page");
	expect_filled(replaced, SIZE, 3, "mapping of the replaced file");
	memcpy(shared + SIZE / 2, "both", 5);
	expect_text("both", again, "second view after a write in the first");
	expect_text("both", own + SIZE / 2, "private mapping after a write in the shared one");
	expect(-1, access(victim_path("deleted").s, F_OK), "access to the deleted file");
	return victim_done();
}
