/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where is an inode? With the right to (CAP_DAC_READ_SEARCH), its handle opens it. Otherwise what
 * the job's processes have open, mapped, in their arguments and environment is tried, then the
 * directories above, then all below their working directories, for a second at most.
 */
#include "kind/findpath.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/time.h"

#define LIMIT PK_NSEC

struct search {
	const struct pk_wanted *want;
	int64_t end;
	char **dir; /* still to be looked into */
	size_t n, at;
	char *found;
};

void pk_wanted_handle(struct pk_wanted *w, const char *text)
{
	const char *hex = strstr(text, "f_handle:");
	uint32_t bytes = 0, byte;

	w->bytes = 0;
	if (!hex ||
		sscanf(text, "fhandle-bytes:%x fhandle-type:%x", &bytes, (uint32_t *)&w->type) != 2)
		return;
	if (bytes > sizeof(w->handle))
		return;
	hex += strlen("f_handle:");
	for (uint32_t i = 0; i < bytes; i++, hex += 2) {
		if (sscanf(hex, "%2x", &byte) != 1)
			return;
		w->handle[i] = (uint8_t)byte;
	}
	w->bytes = bytes;
}

union handle {
	struct file_handle h;
	uint8_t room[sizeof(struct file_handle) + 128];
};

/* Btrfs and overlayfs show other device numbers, but the same handles. */
static bool is_it(const struct pk_wanted *w, const char *path, const struct stat *st)
{
	union handle h = {.h = {.handle_bytes = 128}};
	int mount;

	if (w->bytes && name_to_handle_at(AT_FDCWD, path, &h.h, &mount, 0) == 0)
		return h.h.handle_bytes == w->bytes && h.h.handle_type == w->type &&
		       !memcmp(h.h.f_handle, w->handle, w->bytes) &&
		       (st->st_dev == w->dev || st->st_ino == w->ino);
	return st->st_ino == w->ino && st->st_dev == w->dev;
}

static bool try(struct search *s, const char *path)
{
	struct stat st;

	if (s->found)
		return true;
	if (path[0] != '/' || lstat(path, &st) < 0 || !is_it(s->want, path, &st))
		return false;
	s->found = strdup(path);
	return s->found;
}

/* The path, and every directory above it. */
static bool try_up(struct search *s, const char *path)
{
	char up[PATH_MAX];
	char *slash;

	snprintf(up, sizeof(up), "%s", path);
	for (;;) {
		if (try(s, up))
			return true;
		slash = strrchr(up, '/');
		if (!slash || !up[1])
			return false;
		slash[slash == up] = '\0';
	}
}

static void add_dir(struct search *s, const char *path)
{
	void *v = pk_array_more(s->dir, s->n, sizeof(*s->dir));

	if (!v)
		return;
	s->dir = v;
	s->dir[s->n] = strdup(path);
	s->n += s->dir[s->n] != NULL;
}

/* Words of a text of /proc that may be paths: its strings, what follows `=`, and parts of lists. */
static bool try_words(
	struct search *s, const struct pk_source *src, const char *name, const char *cwd)
{
	size_t n;
	PK_FREE char *text = pk_read_file(src->procfd, name, 1 << 20, &n);
	char path[PATH_MAX];

	if (!text)
		return false;
	for (char *w = text, *end; w < text + n; w = end + 1) {
		end = w + strcspn(w, "=:");
		*end = '\0';
		snprintf(path, sizeof(path), "%s%s%s", *w == '/' ? "" : cwd, *w == '/' ? "" : "/",
			w);
		if (*w && (*w == '/' ? try_up(s, path) : try(s, path)))
			return true;
	}
	return false;
}

static bool try_process(struct search *s, const struct pk_source *src)
{
	PK_FREE char *cwd = pk_read_link(src->procfd, "cwd");
	const struct pk_open_fds *all = src->open;

	if (cwd && try_up(s, cwd))
		return true;
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].src == src && try_up(s, all->v[i].view.link))
			return true;
	for (size_t i = 0; i < src->maps.n; i++)
		if (try_up(s, src->maps.v[i].path))
			return true;
	if (cwd)
		add_dir(s, cwd);
	return try_words(s, src, "cmdline", cwd ? cwd : "") ||
	       try_words(s, src, "environ", cwd ? cwd : "");
}

static void look_into(struct search *s, const char *dir)
{
	PK_CLOSEDIR DIR *d = opendir(dir);
	struct dirent *e;
	char path[PATH_MAX];

	while (d && !s->found && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") ? dir : "", e->d_name) >=
			(int)sizeof(path))
			continue;
		/* Its inode number, but for mount points, tells without a look. */
		if (e->d_ino == s->want->ino && try(s, path))
			return;
		if (e->d_type == DT_DIR)
			add_dir(s, path);
	}
}

/* Nearest first: what a directory holds is looked into when all others of its depth were. */
static void walk(struct search *s)
{
	static const char *const places[] = {"/tmp", "/dev/shm", "/etc", "/run", "/var/tmp", "/"};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (try(s, places[i]))
			return;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		add_dir(s, places[i]);
	for (; s->at < s->n && !s->found && pk_now() < s->end; s->at++)
		look_into(s, s->dir[s->at]);
}

static char *open_handle(const struct pk_source *src, const struct pk_wanted *w)
{
	union handle h = {.h = {.handle_bytes = w->bytes, .handle_type = w->type}};
	static const char *const mounts[] = {"cwd", "root", "exe"};
	char name[64];

	memcpy(h.h.f_handle, w->handle, w->bytes);
	for (size_t i = 0; w->bytes && i < 3; i++) {
		PK_CLOSE int mount = openat(src->procfd, mounts[i], O_RDONLY | O_CLOEXEC);
		PK_CLOSE int fd = -1;
		PK_FREE char *path = NULL;
		struct stat st, now;

		if (mount < 0 || fstat(mount, &st) < 0 || st.st_dev != w->dev)
			continue;
		fd = open_by_handle_at(mount, &h.h, O_PATH | O_CLOEXEC);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		path = fd < 0 ? NULL : pk_read_link(AT_FDCWD, name);
		if (path && fstat(fd, &st) == 0 && lstat(path, &now) == 0 &&
			now.st_ino == st.st_ino && now.st_dev == st.st_dev)
			return pk_steal_ptr(&path);
	}
	return NULL;
}

char *pk_find_path(const struct pk_source *src, const struct pk_wanted *w)
{
	struct search s = {.want = w, .end = pk_now() + LIMIT};

	s.found = open_handle(src, w);
	for (const struct pk_source *o = src->first; o && !s.found; o = o->next)
		if (o->freeze->n)
			try_process(&s, o);
	if (!s.found)
		walk(&s);
	for (size_t i = 0; i < s.n; i++)
		free(s.dir[i]);
	free(s.dir);
	return s.found;
}
