/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular files: the flags they were opened with, offset, close-on-exec, and what
 * reads and writes do.
 */
#include "files.h"

#define TEXT "0123456789abcdefghijklmnopqrstuvwxyz"

static const struct {
	const char *name;
	int flags;
	off_t offset;
} files[] = {
	{"readonly", O_RDONLY, 10},
	{"writeonly", O_WRONLY, 5},
	{"both", O_RDWR | O_CLOEXEC, 36},
	{"append", O_WRONLY | O_APPEND, 3},
	{"append both", O_RDWR | O_APPEND | O_CLOEXEC, 12},
	{"nonblock", O_RDWR | O_NONBLOCK, 1},
	{"sync", O_WRONLY | O_SYNC, 0},
	{"dsync", O_RDWR | O_DSYNC | O_NOATIME, 100000}, /* beyond the end */
	{"direct", O_RDONLY | O_DIRECT, 0},
};
#define FILES ARRAY_SIZE(files)

static int open_at(size_t i)
{
	struct victim_path path = victim_path(files[i].name);
	int fd;

	write_text(path.s, TEXT);
	fd = open(path.s, files[i].flags);
	if (fd < 0 && errno == EINVAL) /* no O_DIRECT on this file system */
		fd = open(path.s, files[i].flags & ~O_DIRECT);
	must(fd);
	must(lseek(fd, files[i].offset, SEEK_SET));
	return fd;
}

/* One byte at the offset, read or written as the file allows. */
static void use(size_t i, int fd)
{
	int mode = files[i].flags & O_ACCMODE;
	off_t want = files[i].flags & O_APPEND ? (off_t)strlen(TEXT) : files[i].offset;
	char c = 'W';

	if (files[i].flags & O_DIRECT)
		return;
	if (mode != O_WRONLY && files[i].offset < (off_t)strlen(TEXT)) {
		expect(1, pread(fd, &c, 1, files[i].offset), "%s: pread", files[i].name);
		expect(TEXT[files[i].offset], c, "%s: byte", files[i].name);
	}
	if (mode == O_RDONLY) {
		expect_errno(EBADF, write(fd, &c, 1));
		return;
	}
	c = 'W';
	expect(1, write(fd, &c, 1), "%s: write", files[i].name);
	expect(want + 1, lseek(fd, 0, SEEK_CUR), "%s: offset after a write", files[i].name);
}

int main(void)
{
	struct descriptor before[FILES];
	int fds[FILES];

	for (size_t i = 0; i < FILES; i++) {
		fds[i] = open_at(i);
		before[i] = descriptor_of(fds[i]);
	}
	victim_ready();
	if (victim_broken())
		must(lseek(fds[1], 7, SEEK_SET));
	for (size_t i = 0; i < FILES; i++) {
		expect_descriptor(&before[i], fds[i], files[i].name);
		use(i, fds[i]);
	}
	return victim_done();
}
