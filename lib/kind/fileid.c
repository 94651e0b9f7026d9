/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/fileid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kind/ghost.h"

#define BTRFS_MAGIC   0x9123683e
#define OVERLAY_MAGIC 0x794c7630

uint64_t pk_mtime(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

bool pk_path_is(const char *path, const struct stat *st)
{
	struct stat now;
	struct statfs fs;

	if (stat(path, &now) < 0 || now.st_ino != st->st_ino)
		return false;
	if (now.st_dev == st->st_dev)
		return true;
	return statfs(path, &fs) == 0 && (fs.f_type == BTRFS_MAGIC || fs.f_type == OVERLAY_MAGIC);
}

int pk_fileid_set(struct pk_fileid *id, const struct pk_source *s, const char *path,
	const struct stat *st, struct pk_error *err)
{
	id->path = strdup(path);
	if (!id->path)
		return pk_fail_errno(err, "pid %d: %s", s->pid, path);
	id->size = (uint64_t)st->st_size;
	id->mtime = pk_mtime(st);
	return 0;
}

int pk_fileid_stat(
	const struct pk_fileid *id, const char *what, struct stat *st, struct pk_error *err)
{
	if (stat(id->path, st) == 0)
		return 0;
	pk_fail(err, PK_E_MISSING, "%s %s", what, id->path);
	pk_why(err, "%s", strerror(errno));
	return pk_try(err, "put the file back where it was, then restore again");
}

void pk_fileid_open_path(const struct pk_fileid *id, const struct pk_target *t, char *out, size_t n)
{
	if (id->ghost)
		pk_ghost_path(t, id->ghost, out, n);
	else
		snprintf(out, n, "%s", id->path);
}

int pk_fileid_open(const struct pk_fileid *id, int flags)
{
	int fd = open(id->path, flags | O_CLOEXEC), saved;
	PK_CLOSE int at = -1;
	struct stat st;
	char self[32];

	if (fd >= 0 || errno != EACCES)
		return fd;
	at = open(id->path, O_PATH | O_CLOEXEC);
	if (at < 0 || fstat(at, &st) < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		chmod(self, (st.st_mode & 07777) | S_IRUSR | S_IWUSR) < 0) {
		errno = EACCES;
		return -1;
	}
	fd = open(self, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	saved = errno;
	chmod(self, st.st_mode & 07777);
	errno = saved;
	return fd;
}
