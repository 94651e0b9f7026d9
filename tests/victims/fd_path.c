/* SPDX-License-Identifier: Apache-2.0 */
/* O_PATH descriptors of a file, a directory and a symbolic link, one that leads nowhere. */
#include "files.h"

int main(void)
{
	int file, dir, symlink_fd, fd;
	struct descriptor before[3];
	char text[64], path[64];

	write_text(victim_path("file").s, "content");
	must(mkdir(victim_path("dir").s, 0755));
	write_text(victim_path("dir/inside").s, "inside");
	must(symlink("no/such/target", victim_path("link").s));
	file = must(open(victim_path("file").s, O_PATH));
	dir = must(open(victim_path("dir").s, O_PATH | O_DIRECTORY | O_CLOEXEC));
	symlink_fd = must(open(victim_path("link").s, O_PATH | O_NOFOLLOW));
	before[0] = descriptor_of(file);
	before[1] = descriptor_of(dir);
	before[2] = descriptor_of(symlink_fd);
	victim_ready();
	if (victim_broken())
		must(fcntl(dir, F_SETFD, 0));
	expect_descriptor(&before[0], file, "O_PATH of a file");
	expect_descriptor(&before[1], dir, "O_PATH of a directory");
	expect_descriptor(&before[2], symlink_fd, "O_PATH of a symbolic link");
	expect_errno(EBADF, read(file, text, 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	expect_text(
		"content", read_text(path, text, sizeof(text)), "file opened through its O_PATH");
	fd = must(openat(dir, "inside", O_RDONLY));
	expect_read(fd, "inside", "file in the directory");
	memset(text, 0, sizeof(text));
	must(readlinkat(symlink_fd, "", text, sizeof(text)));
	expect_text("no/such/target", text, "target of the link");
	return victim_done();
}
