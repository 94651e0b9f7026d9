/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private mappings of a file: written pages are the program's own, the others follow the file, also
 * when it changes after the restore. Read-only, writable, at an offset, past the end.
 */
#include "memory.h"

#define PAGES   ((size_t)16)
#define SIZE    (PAGES * PAGE - 100) /* the last page is partly beyond the end */
#define OFFSET  (4 * PAGE)
#define CHANGED 11 /* the page that the file gets anew */

static bool own(size_t page)
{
	return page % 5 == 2;
}

static void write_own(char *p)
{
	for (size_t i = 0; i < PAGES; i++)
		if (own(i))
			fill(p + i * PAGE, PAGE, 1000 + i);
}

static void expect_pages(const char *p, const char *file)
{
	for (size_t i = 0; i < PAGES; i++) {
		if (own(i))
			expect_filled(p + i * PAGE, PAGE, 1000 + i, "own page");
		else if (i < PAGES - 1)
			expect_bytes(
				file + i * PAGE, p + i * PAGE, PAGE, "page %zu of the file", i);
	}
	expect_bytes(file + (PAGES - 1) * PAGE, p + (PAGES - 1) * PAGE, PAGE - 100, "last page");
	for (size_t i = SIZE; i < PAGES * PAGE; i++)
		must_true(p[i] == 0);
}

int main(void)
{
	int fd = make_file("mapped", PAGES * PAGE, 1);
	char *written, *readonly, *part, file[16 * PAGE];

	must(ftruncate(fd, SIZE));
	written = must(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	readonly = must(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	/* One page more than the file has. */
	part = must(mmap(NULL, (PAGES + 1) * PAGE - OFFSET, PROT_READ, MAP_PRIVATE, fd, OFFSET));
	close(fd);
	write_own(written);
	victim_ready();
	if (victim_broken())
		written[3 * PAGE] = 1;
	fd = must(open(victim_path("mapped").s, O_RDWR));
	memset(file, 0, sizeof(file));
	must_true(read(fd, file, sizeof(file)) == SIZE);
	expect_pages(written, file);
	expect_bytes(file, readonly, SIZE, "read-only mapping");
	expect_bytes(file + OFFSET, part, SIZE - OFFSET, "mapping at an offset");
	expect(SIGBUS, touch(part + PAGES * PAGE - OFFSET, false),
		"signal beyond the end of the file");
	must_true(pwrite(fd, "follow me", 9, CHANGED * PAGE) == 9);
	expect_bytes("follow me", written + CHANGED * PAGE, 9, "page that changed in the file");
	expect_bytes("follow me", readonly + CHANGED * PAGE, 9, "read-only page that changed");
	must_true(pwrite(fd, "not me", 6, 2 * PAGE) == 6);
	expect_filled(written + 2 * PAGE, PAGE, 1002, "own page after the file changed");
	return victim_done();
}
