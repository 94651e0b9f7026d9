/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "image/io.h"

#define LOCK_NAME ".lock"
#define PART      ".part"
#define DIR_NAME  24 /* room for a number and PART */

/* Names in a store */

struct entry {
	uint32_t number;
	bool part;
};

static void number_name(char name[DIR_NAME], uint32_t number)
{
	snprintf(name, DIR_NAME, "%06u", number);
}

static void part_name(char name[DIR_NAME], uint32_t number)
{
	snprintf(name, DIR_NAME, "%06u" PART, number);
}

/* A name is a checkpoint's only if it is exactly how that number is written. */
static bool parse_name(const char *name, struct entry *ret)
{
	char again[DIR_NAME];
	unsigned long n = strtoul(name, NULL, 10);

	if (n == 0 || n > UINT32_MAX)
		return false;
	ret->number = (uint32_t)n;
	ret->part = strchr(name, '.') != NULL;
	(ret->part ? part_name : number_name)(again, ret->number);
	return !strcmp(name, again);
}

uint32_t pk_store_number(const char *name)
{
	struct entry e;

	return parse_name(name, &e) && !e.part ? e.number : 0;
}

static DIR *open_dir(int dirfd)
{
	int fd = pk_open_dir(dirfd, ".");
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* Only "." and ".." are skipped; NULL at the end, or with errno set. */
static const char *next_name(DIR *d)
{
	struct dirent *e;

	errno = 0;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return e->d_name;
	return NULL;
}

static bool complete(int dirfd, uint32_t number)
{
	char name[DIR_NAME + sizeof("/" PK_COMMIT_NAME)];
	struct stat st;

	snprintf(name, sizeof(name), "%06u/%s", number, PK_COMMIT_NAME);
	return fstatat(dirfd, name, &st, 0) == 0;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int add_number(uint32_t **list, size_t *n, uint32_t number)
{
	uint32_t *more = reallocarray(*list, *n + 1, sizeof(*more));

	if (!more)
		return -1;
	more[(*n)++] = number;
	*list = more;
	return 0;
}

int pk_store_numbers(int dirfd, uint32_t **ret, size_t *ret_n)
{
	PK_CLOSEDIR DIR *d = open_dir(dirfd);
	PK_FREE uint32_t *list = NULL;
	const char *name;
	struct entry e;
	size_t n = 0;

	if (!d)
		return -1;
	while ((name = next_name(d)))
		if (parse_name(name, &e) && !e.part && complete(dirfd, e.number) &&
			add_number(&list, &n, e.number))
			return -1;
	if (errno)
		return -1;
	if (n)
		qsort(list, n, sizeof(*list), ascending);
	*ret = pk_steal_ptr(&list);
	*ret_n = n;
	return 0;
}

/* Opening */

/* What else belongs in a store: of `pckpt run`, and what restores cut off. */
static bool is_ours(const char *name)
{
	const char *end = strrchr(name, '.');

	return !strcmp(name, LOCK_NAME) || !strcmp(name, "cut") || !strncmp(name, "command", 7) ||
	       !strncmp(name, "run", 3) || !strncmp(name, "ended", 5) ||
	       (end && !strcmp(end, ".bad"));
}

/* Fails for a directory that holds something else, unless it has a checkpoint as well. */
static int check_is_store(const struct pk_store *s, struct pk_error *err)
{
	PK_CLOSEDIR DIR *d = open_dir(s->dirfd);
	char other[256] = "";
	const char *name;
	struct entry e;

	if (!d)
		return pk_write_failed(err, "%s: cannot list it", s->path);
	while ((name = next_name(d))) {
		bool ours = parse_name(name, &e);

		if (ours && !e.part && complete(s->dirfd, e.number))
			return 0;
		if (!ours && !is_ours(name))
			snprintf(other, sizeof(other), "%s", name);
	}
	if (errno)
		return pk_write_failed(err, "%s: cannot list it", s->path);
	if (!other[0])
		return 0;
	pk_fail(err, PK_E_CANTCREAT, "%s: is not a place for checkpoints", s->path);
	pk_why(err, "it holds other files ('%s') and no checkpoint", other);
	return pk_try(err, "name a new or an empty directory");
}

static int open_store_dir(struct pk_store *s, struct pk_error *err)
{
	/* Made first: another process may make or remove it at any moment. */
	if (mkdir(s->path, 0700) == 0)
		s->made = true;
	else if (errno != EEXIST)
		return pk_write_failed(err, "%s: cannot make the directory", s->path);
	s->dirfd = pk_open_dir(AT_FDCWD, s->path);
	if (s->dirfd < 0)
		return pk_write_failed(err, "%s: cannot open the directory", s->path);
	return s->made ? 0 : check_is_store(s, err);
}

static int busy(struct pk_store *s, struct pk_error *err)
{
	s->made = false; /* whoever has the lock goes on in it */
	pk_fail(err, PK_E_TEMPFAIL, "%s: is in use", s->path);
	pk_why(err, "another dump is writing to this store");
	return pk_try(err, "wait for it to finish, or name another directory");
}

/* A dump that failed in a new store removes the lock with it: then ours is a lock on nothing. */
static bool lock_is_there(const struct pk_store *s)
{
	struct stat a, b;

	return fstat(s->lockfd, &a) == 0 && fstatat(s->dirfd, LOCK_NAME, &b, 0) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int lock_store(struct pk_store *s, struct pk_error *err)
{
	s->lockfd = (int)TEMP_FAILURE_RETRY(
		openat(s->dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
	if (s->lockfd < 0)
		return pk_write_failed(err, "%s/%s: cannot create it", s->path, LOCK_NAME);
	if (TEMP_FAILURE_RETRY(flock(s->lockfd, LOCK_EX | LOCK_NB)) == 0)
		return lock_is_there(s) ? 0 : busy(s, err);
	if (errno == EWOULDBLOCK)
		return busy(s, err);
	if (errno != ENOSYS && errno != EOPNOTSUPP && errno != ENOLCK)
		return pk_fail_errno(err, "%s/%s: cannot lock it", s->path, LOCK_NAME);
	pk_log(PK_LOG_INFO, "%s: this file system has no locks (%s)", s->path, strerror(errno));
	close(pk_steal_fd(&s->lockfd));
	return 0;
}

int pk_store_open(const char *path, struct pk_store *ret, struct pk_error *err)
{
	struct pk_store s = {.path = strdup(path), .dirfd = -1, .lockfd = -1, .partfd = -1};
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (!s.path)
		return pk_fail_errno(err, "%s", path);
	rc = open_store_dir(&s, err);
	if (!rc)
		rc = lock_store(&s, err);
	if (rc)
		pk_store_close(&s);
	else
		*ret = s;
	return rc;
}

/* Writing one checkpoint */

/*
 * Finds the highest number in use. Unfinished checkpoints are removed where the lock says that
 * nobody writes them; one that cannot be (a file still open on NFS) keeps its number.
 */
static int sweep(const struct pk_store *s, uint32_t *ret_last)
{
	PK_CLOSEDIR DIR *d = open_dir(s->dirfd);
	const char *name;
	struct entry e;

	*ret_last = 0;
	if (!d)
		return -1;
	while ((name = next_name(d))) {
		if (!parse_name(name, &e))
			continue;
		if (e.part && s->lockfd >= 0 && pk_remove_dir(s->dirfd, name, 1) == 0)
			continue;
		if (e.number > *ret_last)
			*ret_last = e.number;
	}
	return errno ? -1 : 0;
}

int pk_store_begin(struct pk_store *s, struct pk_error *err)
{
	return pk_store_begin_as(s, 0, err);
}

int pk_store_begin_as(struct pk_store *s, uint32_t number, struct pk_error *err)
{
	char name[DIR_NAME];
	uint32_t last;

	if (s->number)
		return pk_fail(err, PK_E_INTERNAL, "%s: begun twice", s->path);
	if (sweep(s, &last))
		return pk_write_failed(err, "%s: cannot list it", s->path);
	if (last == UINT32_MAX)
		return pk_fail(err, PK_E_CANTCREAT, "%s: no numbers are left", s->path);
	if (!number)
		number = last + 1;
	part_name(name, number);
	if (mkdirat(s->dirfd, name, 0700))
		return pk_write_failed(err, "%s/%s: cannot make the directory", s->path, name);
	s->number = number;
	s->partfd = pk_open_dir(s->dirfd, name);
	if (s->partfd < 0) {
		int rc = pk_write_failed(err, "%s/%s: cannot open it", s->path, name);

		pk_store_abort(s);
		return rc;
	}
	return 0;
}

/* The last gate before a job may be killed: is what was written what is going to be recorded? */
static int check_files(
	const struct pk_store *s, const struct pk_commit_file *file, size_t n, struct pk_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct stat st;

		if (fstatat(s->partfd, file[i].name, &st, AT_SYMLINK_NOFOLLOW))
			return pk_fail_errno(err, "%s: %s", s->path, file[i].name);
		if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != file[i].size)
			return pk_fail(err, PK_E_IO, "%s: %s has not the size that was written",
				s->path, file[i].name);
	}
	return 0;
}

/* Some network file systems have no fsync for directories, and say EINVAL. */
static int sync_dir(int fd)
{
	return pk_fsync(fd) == 0 || errno == EINVAL ? 0 : -1;
}

static int write_commit(const struct pk_store *s, const struct pk_buf *text, struct pk_error *err)
{
	if (pk_write_file(s->partfd, PK_COMMIT_NAME, text->p, text->len) || sync_dir(s->partfd))
		return pk_write_failed(err, "%s: cannot write the commit file", s->path);
	return 0;
}

/* A new store is only as safe as its entry in the directory above, which may not be ours to open.
 */
static void sync_parent(const struct pk_store *s)
{
	PK_CLOSE int fd = pk_open_dir(s->dirfd, "..");

	if (fd >= 0)
		(void)sync_dir(fd);
}

static int publish(struct pk_store *s, struct pk_error *err)
{
	char part[DIR_NAME], name[DIR_NAME];

	part_name(part, s->number);
	number_name(name, s->number);
	if (renameat(s->dirfd, part, s->dirfd, name))
		return pk_write_failed(err, "%s/%s: cannot rename it", s->path, part);
	if (sync_dir(s->dirfd) == 0)
		return 0;
	/* Not on disk for sure: take it back, so that failure means that nothing has changed. */
	pk_write_failed(err, "%s: cannot make %s safe", s->path, name);
	(void)renameat(s->dirfd, name, s->dirfd, part);
	return err ? -err->class : -PK_E_CANTCREAT;
}

int pk_store_commit(
	struct pk_store *s, const struct pk_commit_file *file, size_t n, struct pk_error *err)
{
	PK_CLEAN_BUF struct pk_buf text = {0};
	int rc = pk_commit_format(file, n, &text, err);

	if (!rc)
		rc = check_files(s, file, n, err);
	if (!rc)
		rc = write_commit(s, &text, err);
	if (!rc)
		rc = publish(s, err);
	if (rc)
		return rc;
	if (s->made)
		sync_parent(s);
	s->made = false;
	s->number = 0;
	close(pk_steal_fd(&s->partfd));
	return 0;
}

void pk_store_abort(struct pk_store *s)
{
	char name[DIR_NAME];
	int saved = errno;

	if (s->number) {
		part_name(name, s->number);
		(void)pk_remove_dir(s->dirfd, name, 1);
		s->number = 0;
	}
	if (s->partfd >= 0)
		close(pk_steal_fd(&s->partfd));
	if (s->made) {
		(void)unlinkat(s->dirfd, LOCK_NAME, 0);
		(void)rmdir(s->path);
		s->made = false;
	}
	errno = saved;
}

/* Under another name first: a checkpoint that lost half of its files must not look complete. */
static int remove_checkpoint(const struct pk_store *s, uint32_t number)
{
	char name[DIR_NAME], part[DIR_NAME];

	number_name(name, number);
	part_name(part, number);
	if (renameat(s->dirfd, name, s->dirfd, part))
		return -1;
	/* NFS keeps files that a reader has open; a later begin sweeps them away. */
	return pk_remove_dir(s->dirfd, part, 1) == 0 || errno == ENOTEMPTY ? 0 : -1;
}

int pk_store_remove(struct pk_store *s, uint32_t number, struct pk_error *err)
{
	if (remove_checkpoint(s, number) == 0)
		return 0;
	return pk_fail_errno(err, "%s/%06u: cannot remove it", s->path, number);
}

int pk_store_prune(struct pk_store *s, unsigned keep, struct pk_error *err)
{
	PK_FREE uint32_t *list = NULL;
	size_t n = 0;

	if (keep == 0)
		keep = 1;
	if (pk_store_numbers(s->dirfd, &list, &n))
		return pk_fail_errno(err, "%s: cannot list it", s->path);
	for (size_t i = 0; i + keep < n; i++)
		if (pk_store_remove(s, list[i], err) < 0)
			return err ? -err->class : -PK_E_ERROR;
	return 0;
}

void pk_store_close(struct pk_store *s)
{
	if (!s->path)
		return;
	pk_store_abort(s);
	if (s->lockfd >= 0)
		close(s->lockfd);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s->path);
	memset(s, 0, sizeof(*s));
}
