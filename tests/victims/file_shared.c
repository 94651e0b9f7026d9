/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared mappings of a file: what is written through one is seen in the file and in the other,
 * and what is written to the file is seen in both. Writable, and read-only of a descriptor
 * that could write.
 */
#include "memory.h"

#define SIZE (16 * PAGE)

int main(void)
{
	int fd = make_file("shared", SIZE, 1);
	char *writable = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *readonly = must(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0));
	char *part = must(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 5 * PAGE));
	struct mapping before = mapping_of(writable), before_ro = mapping_of(readonly);
	char buf[32];

	close(fd);
	fill(writable + 2 * PAGE, PAGE, 2);
	victim_ready();
	if (victim_broken())
		must(mprotect(readonly, SIZE, PROT_NONE));
	expect_same_mapping(&before, writable, "writable mapping");
	expect_same_mapping(&before_ro, readonly, "read-only mapping");
	if (victim_broken())
		return victim_done();
	expect_filled(writable, 2 * PAGE, 1, "mapping");
	expect_filled(writable + 2 * PAGE, PAGE, 2, "written part");
	fd = must(open(victim_path("shared").s, O_RDWR));
	memcpy(writable + 9 * PAGE, "to the file", 12);
	must_true(pread(fd, buf, 12, 9 * PAGE) == 12);
	expect_text("to the file", buf, "file");
	expect_text("to the file", readonly + 9 * PAGE, "other mapping");
	must_true(pwrite(fd, "from the file", 14, 5 * PAGE) == 14);
	expect_text("from the file", writable + 5 * PAGE, "mapping after the file was written");
	expect_text("from the file", part, "mapping at an offset");
	/* A later writing right is the descriptor's: it was open for both. */
	expect_errno(0, mprotect(readonly, SIZE, PROT_READ | PROT_WRITE));
	return victim_done();
}
