/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the output was when the program was started for the first time. If it has to start from its
 * beginning again, since its run ended without a word before there was a good checkpoint, files
 * that are its output are cut back to that: as a restore does to where they were at the checkpoint.
 *
 * STORE/run.streams: for each stream `fd inode size path`, ended by a NUL. It goes when the program
 * has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "run/run_internal.h"

#define NAME "run.streams"

struct stream {
	int fd;
	uint64_t ino, size;
	const char *path;
};

/* Whether a descriptor is a file that we write to; then where it is. */
static bool look(int fd, struct stream *ret, char **path)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	char name[32];

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || fstat(fd, &st) < 0 ||
		!S_ISREG(st.st_mode))
		return false;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	*path = pk_read_link(AT_FDCWD, name);
	*ret = (struct stream){fd, st.st_ino, (uint64_t)st.st_size, *path};
	return *path;
}

static int keep_tail(const struct pk_run *run, int from, const struct stream *s)
{
	PK_FREE char *dir = pk_asprintf("%s/cut", run->o->store);
	PK_FREE char *name = pk_asprintf("%s/cut/%lld-%d-begin.%d", run->o->store,
		(long long)pk_clock_ns(CLOCK_REALTIME), run->self, s->fd);
	PK_CLOSE int to = -1;
	uint64_t at = s->size;
	char buf[65536];
	ssize_t n;

	if (!dir || !name || (mkdir(dir, 0700) < 0 && errno != EEXIST))
		return -1;
	to = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -1;
	while ((n = pread(from, buf, sizeof(buf), (off_t)at)) > 0) {
		if (pk_write_all(to, buf, (size_t)n) < 0)
			return -1;
		at += (uint64_t)n;
	}
	return n < 0 ? -1 : pk_fsync(to);
}

static void cut_back(struct pk_run *run, const struct stream *was)
{
	PK_FREE char *path = NULL;
	PK_CLOSE int fd = -1;
	struct stream now;

	if (!look(was->fd, &now, &path) || now.ino != was->ino || now.size <= was->size ||
		strcmp(path, was->path) != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || keep_tail(run, fd, was) < 0 || ftruncate(fd, (off_t)was->size) < 0) {
		pk_say(run, "warning: %s has output of an earlier run, and cannot be cut back: %s",
			path, strerror(errno));
		return;
	}
	if (!(fcntl(was->fd, F_GETFL) & O_APPEND))
		lseek(was->fd, (off_t)was->size, SEEK_SET);
}

static bool parse(const char *text, struct stream *ret)
{
	int at = 0;

	if (sscanf(text, "%d %" SCNu64 " %" SCNu64 " %n", &ret->fd, &ret->ino, &ret->size, &at) !=
			3 ||
		!at)
		return false;
	ret->path = text + at;
	return true;
}

/* As they are now. */
static void note(const char *file)
{
	PK_CLEAN_BUF struct pk_buf text = {0};
	PK_CLOSE int fd = -1;

	for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++) {
		PK_FREE char *path = NULL;
		PK_FREE char *line = NULL;
		struct stream s;

		if (!look(i, &s, &path))
			continue;
		line = pk_asprintf("%d %" PRIu64 " %" PRIu64 " %s", i, s.ino, s.size, path);
		if (line)
			pk_buf_put(&text, line, strlen(line) + 1);
	}
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && text.len && !text.failed)
		(void)!pk_write_all(fd, text.p, text.len);
}

void pk_streams_begin(struct pk_run *run)
{
	PK_FREE char *file = pk_asprintf("%s/" NAME, run->o->store);
	PK_FREE char *text = NULL;
	size_t n = 0;

	if (!file)
		return;
	text = run->o->fresh ? NULL : pk_read_file(AT_FDCWD, file, 65536, &n);
	for (size_t at = 0; text && at < n; at += strlen(text + at) + 1) {
		struct stream was;

		if (parse(text + at, &was))
			cut_back(run, &was);
	}
	note(file);
}

void pk_streams_end(const struct pk_run *run)
{
	PK_FREE char *file = pk_asprintf("%s/" NAME, run->o->store);

	if (file)
		unlink(file);
}
