/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/ghost.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "kind/fileid.h"
#include "kind/memfd.h"
#include "kind/resident.h"

#define NFS_MAGIC   0x6969
#define TMPFS_MAGIC 0x01021994

struct ghost {
	char *path; /* what it was called */
	uint64_t size;
	uint32_t mode;
	uint32_t named; /* path led to it: the new one gets that name */
	uint32_t uid, gid;
};

/* Mapped files in directories for temporary files are carried up to this size. */
#define TEMPORARY_MAX (64u << 20)

#define G struct ghost
static const struct pk_type type = {
	.name = "ghost",
	.id = 18,
	.size = sizeof(G),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(G, 1, PK_F_STR, path, "its name when it had one"),
			PK_FIELD(G, 2, PK_F_U64, size, "bytes"),
			PK_FIELD(G, 3, PK_F_U32, mode, "permission bits"),
			PK_FIELD(G, 4, PK_F_U32, named, "1: it has the name still"),
			PK_FIELD(G, 5, PK_F_U32, uid, "owner, if named"),
			PK_FIELD(G, 6, PK_F_U32, gid, "group, if named"),
			PK_FIELD_END,
		},
};

/* NFS renames an open file that is removed to .nfsXXXX, and removes that with its last user. */
static bool nfs_leftover(const char *path)
{
	const char *base = strrchr(path, '/');
	struct statfs fs;

	return base && !strncmp(base, "/.nfs", 5) && statfs(path, &fs) == 0 &&
	       fs.f_type == NFS_MAGIC;
}

/* Whether the job has it mapped to write to it, for all to see. */
static bool written_through(const struct pk_source *s, const struct stat *st)
{
	for (const struct pk_source *o = s->first; o; o = o->next)
		for (size_t i = 0; i < o->maps.n; i++)
			if (o->maps.v[i].shared && o->maps.v[i].vmflags & PK_VM(mw) &&
				pk_map_is(&o->maps.v[i], st))
				return true;
	return false;
}

static bool under(const char *path, const char *dir)
{
	size_t n = dir ? strlen(dir) : 0;

	return n > 1 && !strncmp(path, dir, n) && path[n] == '/';
}

/*
 * Memory that has a name: a file of /dev/shm, or of another file system in memory, that the job
 * writes to through a mapping; and the like in directories for temporary files. Such files go with
 * the node or with the program that made them, and their content belongs to the moment of the dump.
 */
static bool temporary(const struct pk_source *s, const char *path, const struct stat *st)
{
	struct statfs fs;

	if (!S_ISREG(st->st_mode) || !written_through(s, st) || !pk_path_is(path, st))
		return false;
	if (statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC)
		return true;
	return st->st_size <= TEMPORARY_MAX &&
	       (under(path, "/tmp") || under(path, "/var/tmp") || under(path, getenv("TMPDIR")));
}

bool pk_ghost_needed(
	const struct pk_source *s, const char *link, bool deleted, const struct stat *st)
{
	return deleted || st->st_nlink == 0 || nfs_leftover(link) || temporary(s, link, st);
}

static struct ghost *add(struct pk_source *s, uint64_t dev, uint64_t ino, const char *path,
	uint32_t *id, struct pk_error *err)
{
	struct ghost *g = pk_model_add(s->model, &type, s->task, id);

	if (!g || !(g->path = strdup(path))) {
		errno = ENOMEM;
		pk_fail_errno(err, "pid %d: %s", s->pid, path);
		return NULL;
	}
	return pk_source_know(s, dev, ino, &type, *id, err) < 0 ? NULL : g;
}

/* From an open file: all its data. Takes fd over. */
static uint32_t of_open(
	struct pk_source *s, int fd, const struct stat *st, const char *path, struct pk_error *err)
{
	uint32_t id;
	struct ghost *g = add(s, st->st_dev, st->st_ino, path, &id, err);

	if (!g) {
		close(fd);
		return 0;
	}
	g->size = (uint64_t)st->st_size;
	g->mode = st->st_mode & 07777;
	g->named = st->st_nlink && !nfs_leftover(path) && pk_path_is(path, st);
	g->uid = st->st_uid;
	g->gid = st->st_gid;
	if (pk_contents_add(s->contents,
		    &(struct pk_content){
			    .obj = id,
			    .part = PK_PART_FILE,
			    .end = g->size,
			    .fd = fd,
			    .src = s,
		    },
		    err) < 0) {
		close(fd);
		return 0;
	}
	return id;
}

/* A descriptor good for reading: the process's own may be write-only. */
static int readable(const struct pk_source *s, uint32_t fd, struct pk_error *err)
{
	PK_CLOSE int dup = pk_source_getfd(s, fd, err);
	char name[32];
	int again;

	if (dup < 0)
		return dup;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", dup);
	again = open(name, O_RDONLY | O_CLOEXEC);
	if (again >= 0)
		return again;
	/* Its mode may forbid that (write-only, mode 0200); then the copy must do. */
	if ((fcntl(dup, F_GETFL) & O_ACCMODE) != O_WRONLY)
		return pk_steal_fd(&dup);
	return pk_fail_errno(err, "pid %d fd %u: the unlinked file cannot be read", s->pid, fd);
}

uint32_t pk_ghost_of_fd(struct pk_source *s, uint32_t fd, const struct stat *st, const char *path,
	struct pk_error *err)
{
	uint32_t id = pk_source_known(s, st->st_dev, st->st_ino, &type);
	int dup;

	if (id)
		return id;
	dup = readable(s, fd, err);
	return dup < 0 ? 0 : of_open(s, dup, st, path, err);
}

static bool on_tmpfs(const char *path)
{
	char dir[PATH_MAX];
	struct statfs fs;
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	return statfs(dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static int save_view(struct pk_source *s, const struct pk_map *m, uint32_t id, struct pk_error *err)
{
	struct pk_view v = {.src = s, .map = m};

	if (m->shared && on_tmpfs(m->path))
		return pk_save_resident(&v,
			&(struct pk_vma){.backing = id, .page_size = (uint32_t)m->page_size}, err);
	return pk_contents_add(s->contents,
		&(struct pk_content){
			.obj = id,
			.part = m->shared ? PK_PART_ALL : PK_PART_OTHERS,
			.start = m->start,
			.end = m->end,
			.to = m->offset,
			.fd = -1,
			.src = s,
		},
		err);
}

static int of_views(struct pk_source *s, const struct pk_map *m, struct ghost *g, uint32_t id,
	struct pk_error *err)
{
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct pk_map *o = &s->maps.v[i];
		int r;

		if (o->ino != m->ino || o->dev_major != m->dev_major ||
			o->dev_minor != m->dev_minor)
			continue;
		if (o->offset + (o->end - o->start) > g->size)
			g->size = o->offset + (o->end - o->start);
		r = save_view(s, o, id, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* From memory: what is mapped of it. The rest cannot be reached by the program either. */
static uint32_t of_memory(struct pk_source *s, const struct pk_map *m, struct pk_error *err)
{
	uint64_t dev = makedev(m->dev_major, m->dev_minor);
	uint32_t id;
	struct ghost *g = add(s, dev, m->ino, m->path, &id, err);

	if (!g)
		return 0;
	g->mode = 0700;
	for (struct pk_source *o = s->first; o; o = o->next)
		if (of_views(o, m, g, id, err) < 0)
			return 0;
	return id;
}

uint32_t pk_ghost_of_map(struct pk_source *s, const struct pk_map *m, struct pk_error *err)
{
	uint32_t id = pk_source_known(s, makedev(m->dev_major, m->dev_minor), m->ino, &type);
	struct pk_source *has_fd = s;
	struct stat st;
	int64_t fd;
	int named, exe;

	if (id)
		return id;
	if (pk_is_memfd(m))
		return pk_memfd_of_map(s, m, err);
	fd = pk_source_find_fd(&has_fd, m, &st);
	if (fd >= 0)
		return pk_ghost_of_fd(has_fd, (uint32_t)fd, &st, m->path, err);
	named = m->deleted ? -1 : open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (named >= 0 && fstat(named, &st) == 0 && pk_map_is(m, &st))
		return of_open(s, named, &st, m->path, err);
	if (named >= 0)
		close(named);
	exe = openat(s->procfd, "exe", O_RDONLY | O_CLOEXEC);
	if (exe >= 0 && fstat(exe, &st) == 0 && pk_map_is(m, &st))
		return of_open(s, exe, &st, m->path, err);
	if (exe >= 0)
		close(exe);
	return of_memory(s, m, err);
}

/* An unlinked file in dir; O_TMPFILE where the file system knows it. */
static int make_in(const char *dir)
{
	PK_FREE char *name = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);

	if (fd >= 0)
		return fd;
	name = pk_asprintf("%s/.pckpt-XXXXXX", dir);
	fd = name ? mkostemp(name, O_CLOEXEC) : -1;
	if (fd >= 0) {
		unlink(name);
		fchmod(fd, 0700);
	}
	return fd;
}

/* Where it was, if possible: its file system may matter (size, being local). */
static int make(const struct ghost *g, struct pk_error *err)
{
	PK_FREE char *was = strdup(g->path);
	char *slash = was ? strrchr(was, '/') : NULL;
	const char *dirs[] = {NULL, getenv("TMPDIR"), "/tmp", "/dev/shm", NULL};

	if (slash) {
		slash[slash == was] = '\0';
		dirs[0] = was;
	}
	for (size_t i = 0; i < 4; i++) {
		PK_CLOSE int fd = dirs[i] ? make_in(dirs[i]) : -1;

		if (fd >= 0 && ftruncate(fd, (off_t)g->size) == 0)
			return pk_steal_fd(&fd);
	}
	pk_fail_errno(err, "cannot make a place for the unlinked file %s (%lu bytes)", g->path,
		(unsigned long)g->size);
	return pk_try(err, "make its directory writable, or set TMPDIR");
}

static void make_dirs(const char *path)
{
	PK_FREE char *dir = strdup(path);

	for (char *c = dir ? strchr(dir + 1, '/') : NULL; c; c = strchr(c + 1, '/')) {
		*c = '\0';
		mkdir(dir, 0700);
		*c = '/';
	}
}

/*
 * A new file takes the name: whoever else still has the old one, the job before it was dumped
 * maybe, keeps that.
 */
static int make_named(const struct ghost *g, struct pk_error *err)
{
	PK_FREE char *name = pk_asprintf("%s.pckpt-XXXXXX", g->path);
	PK_CLOSE int fd = -1;

	make_dirs(g->path);
	fd = name ? mkostemp(name, O_CLOEXEC) : -1;
	if (fd >= 0 && (fchmod(fd, 0700) < 0 || ftruncate(fd, (off_t)g->size) < 0 ||
			       rename(name, g->path) < 0)) {
		pk_fail_errno(err, "temporary file %s", g->path);
		unlink(name);
		return -PK_E_ERROR;
	}
	if (fd < 0) {
		pk_fail_errno(err, "temporary file %s", g->path);
		return pk_try(err, "make its directory writable");
	}
	if ((g->uid != geteuid() || g->gid != getegid()) && fchown(fd, g->uid, g->gid) < 0)
		pk_log(PK_LOG_INFO, "%s: its owner is another now", g->path);
	return pk_steal_fd(&fd);
}

static int make_it(const void *ghost, struct pk_error *err)
{
	const struct ghost *g = ghost;

	return g->named ? make_named(g, err) : make(g, err);
}

/* Made by the new process, in its own mount namespace: what is linked later must not cross mounts.
 */
static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct ghost *g = o->data;

	return pk_target_give_made(t, o->id, make_it, g, g->size, err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct ghost *g = o->data;

	(void)err;
	/* After FILES: until then it had to be readable to be opened. */
	pk_plan_call(p, PK_PH_TASK, 0,
		&(struct pk_call){
			.nr = SYS_fchmod,
			.a = {pk_num((uint64_t)pk_target_given(p->target, o->id)), pk_num(g->mode)},
		});
	return 0;
}

void pk_ghost_path(const struct pk_target *t, uint32_t obj, char *out, size_t n)
{
	snprintf(out, n, "/proc/self/fd/%d", pk_target_given(t, obj));
}

const struct pk_kind pk_kind_ghost = {
	.type = &type,
	.level = PK_LV_CONTENT,
	.summary =
		"unlinked files, open or mapped, and shared memory with a name: content carried in "
		"the image",
	.prepare = prepare,
	.plan = plan,
};
