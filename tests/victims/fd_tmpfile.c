/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O_TMPFILE files, which never had a name: one that may get one later, as it does, and one that may
 * not. Whether it may cannot be seen from outside, so after a restore both may; and F_GETFL does
 * not show O_TMPFILE any more.
 */
#include "files.h"

static int make(int flags, const char *text)
{
	int fd = open(victim_path(".").s, O_TMPFILE | O_RDWR | flags, 0640);

	if (fd < 0)
		victim_skip("no O_TMPFILE here: %s", strerror(errno));
	must_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(lseek(fd, 3, SEEK_SET));
	return fd;
}

static int link_to(int fd, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, victim_path(name).s, AT_SYMLINK_FOLLOW);
}

int main(void)
{
	int linkable = make(0, "to be named"), never = make(O_EXCL, "never named");
	struct descriptor before[2] = {descriptor_of(linkable), descriptor_of(never)};
	char text[32];

	victim_ready();
	if (victim_broken())
		must(ftruncate(never, 5));
	expect_descriptor(&before[0], linkable, "O_TMPFILE");
	expect_descriptor(&before[1], never, "O_TMPFILE | O_EXCL");
	expect_read(linkable, "be named", "O_TMPFILE");
	expect_read(never, "er", "O_TMPFILE | O_EXCL");
	expect_errno(0, link_to(linkable, "name"));
	expect_text(
		"to be named", read_text(victim_path("name").s, text, sizeof(text)), "by its name");
	return victim_done();
}
