/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "scratch.h"

Test(base_fs, files_come_back)
{
	SCRATCH s = scratch_make();
	PK_FREE char *big = malloc(100000), *back = NULL;
	struct stat st;
	size_t n;

	memset(big, 'b', 100000);
	cr_assert_eq(pk_write_file(s.fd, "big", big, 100000), 0);
	cr_assert_eq(fstatat(s.fd, "big", &st, 0), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	back = pk_read_file(s.fd, "big", 100000, &n);
	cr_assert(back && n == 100000 && back[n] == '\0');
	cr_expect_eq(memcmp(back, big, n), 0);
	cr_expect(pk_write_file(s.fd, "big", "x", 1) == -1 && errno == EEXIST);
}

Test(base_fs, limits_of_reading)
{
	SCRATCH s = scratch_make();
	PK_FREE char *text = NULL;

	cr_assert_eq(pk_write_file(s.fd, "f", "12345", 5), 0);
	cr_expect(!pk_read_file(s.fd, "f", 4, NULL) && errno == EFBIG);
	cr_expect(!pk_read_file(s.fd, "none", 4, NULL) && errno == ENOENT);
	cr_expect(!pk_read_file(s.fd, ".", 4, NULL) && errno == EISDIR);
	text = pk_read_file(AT_FDCWD, "/proc/self/stat", 65536, NULL);
	cr_expect_not_null(text, "a file whose size is said to be 0");
}

Test(base_fs, numbers)
{
	SCRATCH s = scratch_make();
	uint64_t v;

	cr_assert_eq(pk_write_file(s.fd, "n", "18446744073709551615\n", 21), 0);
	cr_expect(pk_read_u64(s.fd, "n", &v) == 0 && v == UINT64_MAX);
	cr_assert_eq(pk_write_file(s.fd, "big", "18446744073709551616\n", 21), 0);
	cr_expect_eq(pk_read_u64(s.fd, "big", &v), -1);
	cr_assert_eq(pk_write_file(s.fd, "text", "max\n", 4), 0);
	cr_expect(pk_read_u64(s.fd, "text", &v) == -1 && errno == EINVAL);
	cr_expect(pk_read_u64(s.fd, "none", &v) == -1 && errno == ENOENT);
}

Test(base_fs, links)
{
	SCRATCH s = scratch_make();
	PK_FREE char *to = NULL;

	cr_assert_eq(symlinkat("some/where", s.fd, "link"), 0);
	to = pk_read_link(s.fd, "link");
	cr_assert_not_null(to);
	cr_expect_str_eq(to, "some/where");
	cr_expect_null(pk_read_link(s.fd, "none"));
}

Test(base_fs, pread_all)
{
	SCRATCH s = scratch_make();
	PK_CLOSE int fd = -1;
	char b[4];

	cr_assert_eq(pk_write_file(s.fd, "f", "0123456789", 10), 0);
	fd = openat(s.fd, "f", O_RDONLY);
	cr_expect(pk_pread_all(fd, b, 4, 6) == 0 && !memcmp(b, "6789", 4));
	cr_expect(pk_pread_all(fd, b, 4, 7) == -1 && errno == EIO, "it ends before");
	cr_expect_eq(pk_pread_all(fd, b, 0, 100), 0);
}

Test(base_fs, only_regular_files)
{
	SCRATCH s = scratch_make();
	PK_CLOSE int fd = -1;
	uint64_t n;

	cr_assert_eq(pk_write_file(s.fd, "f", "123", 3), 0);
	fd = pk_open_regular(s.fd, "f", &n);
	cr_expect(fd >= 0 && n == 3);
	cr_assert_eq(mkfifoat(s.fd, "fifo", 0600), 0);
	cr_expect(pk_open_regular(s.fd, "fifo", &n) == -1 && errno == EINVAL);
	cr_expect(pk_open_regular(s.fd, ".", &n) == -1 && errno == EISDIR);
	cr_expect(pk_open_regular(s.fd, "none", &n) == -1 && errno == ENOENT);
	cr_expect(pk_open_dir(s.fd, "f") == -1 && errno == ENOTDIR);
}

Test(base_fs, remove_dir)
{
	SCRATCH s = scratch_make();

	cr_assert_eq(mkdirat(s.fd, "a", 0700), 0);
	cr_assert_eq(mkdirat(s.fd, "a/b", 0700), 0);
	cr_assert_eq(pk_write_file(s.fd, "a/b/f", "x", 1), 0);
	cr_assert_eq(symlinkat("/", s.fd, "a/root"), 0);
	cr_expect_eq(pk_remove_dir(s.fd, "a", 0), -1, "it is deeper than that");
	cr_expect_eq(faccessat(s.fd, "a/b/f", F_OK, 0), 0);
	cr_expect_eq(pk_remove_dir(s.fd, "a", 1), 0);
	cr_expect_eq(faccessat(s.fd, "a", F_OK, 0), -1);
	cr_assert_eq(symlinkat(".", s.fd, "link"), 0);
	cr_expect_eq(pk_remove_dir(s.fd, "link", 1), -1, "a link is not followed");
	cr_expect_eq(pk_remove_dir(s.fd, "none", 1), -1);
}
