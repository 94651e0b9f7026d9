/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that were unlinked while open: content, offset, mode; two descriptors that share an offset
 * and one that opened it for itself; a large one; a sparse one, whose holes stay holes; an empty
 * one; and one whose name another file has now.
 */
#include "files.h"
#include "memory.h"

#define LARGE  (24 * MIB)
#define SPARSE ((off_t)1 << 31)

static int first, shared, alone, large, sparse, empty, usurped;

static void unlink_it(const char *name)
{
	must(unlink(victim_path(name).s));
}

static void set_up(void)
{
	write_text(victim_path("small").s, "a file without a name");
	must(chmod(victim_path("small").s, 0641));
	first = must(open(victim_path("small").s, O_RDWR));
	alone = must(open(victim_path("small").s, O_RDONLY | O_CLOEXEC));
	shared = must(dup(first));
	must(lseek(first, 7, SEEK_SET));
	unlink_it("small");
	large = make_file("large", LARGE, 1);
	unlink_it("large");
	sparse = must(open(victim_path("sparse").s, O_RDWR | O_CREAT, 0600));
	must(ftruncate(sparse, SPARSE));
	must_true(pwrite(sparse, "middle", 6, SPARSE / 2 + 5) == 6);
	unlink_it("sparse");
	empty = must(open(victim_path("empty").s, O_WRONLY | O_CREAT | O_APPEND, 0600));
	unlink_it("empty");
	write_text(victim_path("usurped").s, "old");
	usurped = must(open(victim_path("usurped").s, O_RDWR));
	unlink_it("usurped");
	write_text(victim_path("usurped").s, "new");
}

static void expect_content(void)
{
	char *p = must(mmap(NULL, LARGE, PROT_READ, MAP_SHARED, large, 0)), text[16];
	struct stat st;

	expect_filled(p, LARGE, 1, "large file");
	must(fstat(sparse, &st));
	expect_range(0, 4096, st.st_blocks, "blocks of the sparse file");
	must_true(pread(sparse, text, 8, SPARSE / 2 + 4) == 8);
	expect_bytes("\0middle\0", text, 8, "middle of the sparse file");
	expect_read(usurped, "old", "file whose name is taken");
	expect_text("new", read_text(victim_path("usurped").s, text, sizeof(text)),
		"file that has the name");
	expect(3, write(empty, "abc", 3), "bytes written to the empty file");
	expect_errno(ENOENT, access(victim_path("small").s, F_OK));
}

int main(void)
{
	static const char *const names[] = {
		"first", "shared", "alone", "large", "sparse", "empty", "usurped"};
	int *fds[] = {&first, &shared, &alone, &large, &sparse, &empty, &usurped};
	struct descriptor before[ARRAY_SIZE(fds)];

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		before[i] = descriptor_of(*fds[i]);
	victim_ready();
	if (victim_broken())
		must(dup2(alone, shared));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		expect_descriptor(&before[i], *fds[i], names[i]);
	expect_read(shared, "without", "file, by the second descriptor");
	expect_read(first, " a name", "file, by the first after the second");
	expect_read(alone, "a file", "file, by the descriptor with its own offset");
	must_true(pwrite(first, "A", 1, 0) == 1);
	must(lseek(alone, 0, SEEK_SET));
	expect_read(alone, "A file", "file, after a write by another descriptor");
	expect_content();
	return victim_done();
}
