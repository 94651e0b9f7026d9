/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of memfd_create(2), and what comes back as one: anonymous shared memory with huge pages of
 * which there are several views, which only a descriptor can make. Where a descriptor leads to one,
 * or it is the running program, all of it is saved by that; else what is mapped of it, which is all
 * that the program can still reach.
 */
#include "kind/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/anonfd.h"
#include "kind/ghost.h"
#include "kind/mapflags.h"
#include "kind/resident.h"

#define PREFIX          "/memfd:"
#define HUGETLBFS_MAGIC 0x958458f6
#define ANON_HUGE       "/anon_hugepage"

struct memfd {
	char *name;
	uint64_t size;
	uint32_t huge_size; /* 0: ordinary pages */
	uint32_t whole;     /* saved as a file: seals and mode are known too */
	uint32_t seals;
	uint32_t mode;
};
struct memfd_file {
	uint32_t memfd;
	uint32_t flags;
	uint64_t pos;
};

#define M struct memfd
static const struct pk_type type = {
	.name = "memfd",
	.id = 19,
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_STR, name, "memfd_create(2)"),
			PK_FIELD(M, 2, PK_F_U64, size, "bytes"),
			PK_FIELD(M, 3, PK_F_U32, huge_size, "size of its huge pages, or 0"),
			PK_FIELD(M, 4, PK_F_U32, whole,
				"1: it was open or the program file; the next two are known"),
			PK_FIELD(M, 5, PK_F_U32, seals, "F_GET_SEALS"),
			PK_FIELD(M, 6, PK_F_U32, mode, "permission bits"),
			PK_FIELD_END,
		},
};

#define F struct memfd_file
static const struct pk_type file_type = {
	.name = "memfd_file",
	.id = 83,
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(F, 1, PK_F_U32, memfd, "record of the memfd"),
			PK_FIELD(F, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(F, 3, PK_F_U64, pos, "file offset"),
			PK_FIELD_END,
		},
};

bool pk_is_memfd(const struct pk_map *m)
{
	return m->deleted && !strncmp(m->path, PREFIX, strlen(PREFIX));
}

static bool match(const struct pk_view *v)
{
	const struct pk_map *m = v->map;

	return pk_is_memfd(m) || (m->shared && m->deleted && !strcmp(m->path, ANON_HUGE));
}

static bool match_file(const struct pk_view *v)
{
	return v->file->deleted && !strncmp(v->file->link, PREFIX, strlen(PREFIX));
}

/* A description for reading, where that is allowed, in the place of one that may be for writing. */
static void make_readable(int *fd)
{
	char name[32];
	int again;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", *fd);
	again = open(name, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return;
	close(*fd);
	*fd = again;
}

/* All of it, from a descriptor, which is taken over. */
static int from_open(
	struct pk_source *s, struct memfd *m, uint32_t id, int *fd, struct pk_error *err)
{
	struct statfs fs;
	struct stat st;
	int seals, r;

	make_readable(fd);
	seals = fcntl(*fd, F_GET_SEALS);
	if (fstat(*fd, &st) < 0 || fstatfs(*fd, &fs) < 0)
		return pk_fail_errno(err, "memfd %s", m->name);
	m->whole = 1;
	m->size = (uint64_t)st.st_size;
	m->mode = st.st_mode & 07777;
	m->seals = seals < 0 ? F_SEAL_SEAL : (uint32_t)seals;
	if (fs.f_type == HUGETLBFS_MAGIC)
		m->huge_size = (uint32_t)fs.f_bsize;
	r = pk_contents_add(s->contents,
		&(struct pk_content){
			.obj = id,
			.part = PK_PART_FILE,
			.end = m->size,
			.fd = *fd,
			.src = s,
		},
		err);
	if (r == 0)
		*fd = -1;
	return r;
}

/* A descriptor on it: one of the job's, or the program file; -1 if there is none. */
static int find_open(const struct pk_source *s, const struct pk_map *map, struct pk_error *err)
{
	struct pk_source *has = (struct pk_source *)s;
	struct stat st;
	int64_t fd = pk_source_find_fd(&has, map, &st);
	PK_CLOSE int exe = -1;

	if (fd >= 0)
		return pk_source_getfd(has, (uint32_t)fd, err);
	exe = openat(s->procfd, "exe", O_RDONLY | O_CLOEXEC);
	return exe >= 0 && fstat(exe, &st) == 0 && pk_map_is(map, &st) ? pk_steal_fd(&exe) : -1;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = find_open(v->src, v->map, err);
	struct memfd *m = obj;
	unsigned views;

	m->name = strdup(pk_is_memfd(v->map) ? v->map->path + strlen(PREFIX) : v->map->path + 1);
	if (!m->name)
		return pk_fail_errno(err, "memfd");
	if (fd >= 0)
		return from_open(v->src, m, v->id, &fd, err);
	m->size = pk_views_end(v->src, v->map, &views);
	if (v->map->vmflags & PK_VM(ht))
		m->huge_size = (uint32_t)v->map->page_size;
	return 0;
}

uint32_t pk_memfd_of_map(struct pk_source *s, const struct pk_map *map, struct pk_error *err)
{
	struct pk_view v = {.src = s, .map = map, .owner = s->task};
	uint64_t dev = makedev(map->dev_major, map->dev_minor);
	uint32_t id = pk_source_known(s, dev, map->ino, &type);
	void *obj = id ? NULL : pk_model_add(s->model, &type, s->task, &v.id);

	if (id)
		return id;
	if (!obj) {
		pk_fail_errno(err, "memfd");
		return 0;
	}
	if (collect(&v, obj, err) < 0 || pk_source_know(s, dev, map->ino, &type, v.id, err) < 0)
		return 0;
	return v.id;
}

static int save(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err)
{
	const struct pk_obj *o = pk_model_find(v->src->model, vma->backing, &type);

	if (o && ((const struct memfd *)o->data)->whole)
		return 0;
	if (vma->shared)
		return pk_save_resident(v, vma, err);
	return pk_contents_add(v->src->contents,
		&(struct pk_content){
			.obj = vma->backing,
			.part = PK_PART_OTHERS,
			.start = vma->start,
			.end = vma->end,
			.to = vma->offset,
			.fd = -1,
			.src = v->src,
		},
		err);
}

static int make(const void *memfd, struct pk_error *err)
{
	const struct memfd *m = memfd;
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	PK_CLOSE int fd = -1;

	if (m->huge_size)
		flags |= MFD_HUGETLB | (unsigned)__builtin_ctz(m->huge_size) << 26;
	fd = memfd_create(m->name, flags);
	if (fd < 0) {
		pk_fail_errno(err, "memfd %s", m->name);
		return m->huge_size ? pk_try(err, "reserve huge pages (vm.nr_hugepages)")
				    : -err->class;
	}
	if (ftruncate(fd, (off_t)m->size) < 0)
		return pk_fail_errno(err, "memfd %s: %lu bytes", m->name, (unsigned long)m->size);
	return pk_steal_fd(&fd);
}

/* Made by the new process: nobody else may have it open or mapped for writing when it is sealed. */
static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct memfd *m = o->data;

	return pk_target_give_made(t, o->id, make, m, m->size, err);
}

/*
 * When the bytes are there, and all that opens or maps it is done; but before it becomes the
 * program file, which cannot be open for writing.
 */
static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct memfd *m = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_PROTECT, 0);
	char path[64];

	(void)err;
	if (!m->whole)
		return 0;
	pk_ghost_path(p->target, o->id, path, sizeof(path));
	pk_script_call(s, &(struct pk_call){.nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD), pk_addr(pk_script_str(s, path)),
					  pk_num(O_RDWR)},
				  .check = PK_CHECK_EQUAL});
	pk_script_call(s,
		&(struct pk_call){
			.nr = SYS_fchmod, .a = {pk_num(0), pk_num(m->mode)}, .check = PK_CHECK_OK});
	if (m->seals)
		pk_script_call(s, &(struct pk_call){.nr = SYS_fcntl,
					  .a = {pk_num(0), pk_num(F_ADD_SEALS), pk_num(m->seals)},
					  .check = PK_CHECK_OK});
	pk_script_call(
		s, &(struct pk_call){.nr = SYS_close, .a = {pk_num(0)}, .check = PK_CHECK_OK});
	return 0;
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	char path[64];

	(void)err;
	pk_ghost_path(p->target, o->id, path, sizeof(path));
	pk_map_path(p, vma, path);
	return 0;
}

const struct pk_kind pk_kind_memfd = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "memfd memory, mapped or run as a program; shared huge pages that several "
		   "processes have",
	.match = match,
	.collect = collect,
	.save = save,
	.prepare = prepare,
	.plan = plan,
	.map = map,
};

/* ---- open ones */

static uint32_t of_file(struct pk_view *v, struct pk_error *err)
{
	const struct pk_file_view *f = v->file;
	uint32_t id = pk_source_known(v->src, f->st.st_dev, f->st.st_ino, &type);
	PK_CLOSE int fd = -1;
	struct memfd *m;

	if (id)
		return id;
	m = pk_model_add(v->src->model, &type, v->owner, &id);
	if (m)
		m->name = strdup(f->link + strlen(PREFIX));
	if (!m || !m->name) {
		pk_fail_errno(err, "fd %u: memfd", f->fd);
		return 0;
	}
	fd = pk_source_getfd(v->src, f->fd, err);
	if (fd < 0 || from_open(v->src, m, id, &fd, err) < 0 ||
		pk_source_know(v->src, f->st.st_dev, f->st.st_ino, &type, id, err) < 0)
		return 0;
	return id;
}

static int collect_file(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct memfd_file *f = obj;

	f->flags = v->file->info.flags & ~(uint32_t)(O_CLOEXEC | O_ASYNC);
	f->pos = v->file->info.pos;
	f->memfd = of_file(v, err);
	return f->memfd ? 0 : -err->class;
}

static int plan_file(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct memfd_file *f = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_FILES, 0);
	char path[64];

	(void)err;
	pk_ghost_path(p->target, f->memfd, path, sizeof(path));
	pk_script_call(
		s, &(struct pk_call){
			   .nr = SYS_openat,
			   .a = {pk_num((uint64_t)AT_FDCWD), pk_addr(pk_script_str(s, path)),
				   pk_num(f->flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC))},
			   .check = PK_CHECK_EQUAL,
			   .want = (int64_t)p->next_fd,
		   });
	if (f->pos)
		pk_script_call(
			s, &(struct pk_call){
				   .nr = SYS_lseek,
				   .a = {pk_num(p->next_fd), pk_num(f->pos), pk_num(SEEK_SET)},
				   .check = PK_CHECK_OK,
			   });
	return 0;
}

const struct pk_kind pk_kind_memfd_file = {
	.type = &file_type,
	.level = PK_LV_FILE,
	.summary = "open memfds: content, seals, offset, huge pages",
	.match = match_file,
	.collect = collect_file,
	.plan = plan_file,
};
