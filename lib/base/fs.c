/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

char *pk_read_file(int dirfd, const char *name, size_t max, size_t *ret_len)
{
	PK_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	PK_FREE char *buf = NULL;
	size_t len = 0, cap = 4096;

	if (fd < 0)
		return NULL;
	for (;;) {
		char *p = realloc(buf, cap + 1);
		ssize_t n;

		if (!p)
			return NULL;
		buf = p;
		n = read(fd, buf + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max) {
			errno = EFBIG;
			return NULL;
		}
		/* One page a read is what seq_file gives; double only when the buffer is full. */
		if (len == cap)
			cap *= 2;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	return pk_steal_ptr(&buf);
}

int pk_read_u64(int dirfd, const char *name, uint64_t *ret)
{
	PK_FREE char *text = pk_read_file(dirfd, name, 4096, NULL);
	char *end;

	if (!text)
		return -1;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || end == text) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

char *pk_read_link(int dirfd, const char *name)
{
	char path[PATH_MAX + 1];
	ssize_t n = readlinkat(dirfd, name, path, sizeof(path) - 1);

	if (n < 0)
		return NULL;
	path[n] = '\0';
	return strdup(path);
}

int pk_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

int pk_pread_all(int fd, void *p, size_t n, uint64_t at)
{
	char *to = p;

	while (n) {
		ssize_t r = pread(fd, to, n, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0) {
			errno = EIO;
			return -1;
		}
		to += r;
		at += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

int pk_fsync(int fd)
{
	return (int)TEMP_FAILURE_RETRY(fsync(fd));
}

int pk_open_dir(int dirfd, const char *name)
{
	return (int)TEMP_FAILURE_RETRY(openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int pk_open_regular(int dirfd, const char *name, uint64_t *ret_size)
{
	PK_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	*ret_size = (uint64_t)st.st_size;
	return pk_steal_fd(&fd);
}

int pk_write_file(int dirfd, const char *name, const void *p, size_t n)
{
	PK_CLOSE int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || pk_write_all(fd, p, n) < 0 || pk_fsync(fd) < 0)
		return -1;
	return 0;
}

int pk_remove_dir(int dirfd, const char *name, int depth)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	PK_CLOSEDIR DIR *d = NULL;
	struct dirent *e;

	if (fd < 0)
		return -1;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return -1;
	}
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(fd, e->d_name, 0) == 0)
			continue;
		if (depth > 0 && (errno == EISDIR || errno == EPERM) &&
			pk_remove_dir(fd, e->d_name, depth - 1) == 0)
			continue;
		return -1;
	}
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

char *pk_other_name(const char *path, uint64_t dev, uint64_t ino)
{
	const char *base = strrchr(path, '/');
	PK_FREE char *dir = base ? strndup(path, (size_t)(base - path) + 1) : NULL;
	int fd = dir ? pk_open_dir(AT_FDCWD, dir) : -1;
	PK_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (fd >= 0 && !d)
		close(fd);
	while (d && (e = readdir(d)))
		if (e->d_ino == ino && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_ino == ino && st.st_dev == dev)
			return pk_asprintf("%s%s", dir, e->d_name);
	return NULL;
}

char *pk_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}
