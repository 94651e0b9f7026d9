/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapped files: programs, libraries, data. Pages that the process has not written are not stored,
 * so the file must be the same at restore; the build id of programs, or a sum of smaller files,
 * tells that also on another node, where times differ.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "image/sum.h"
#include "kind/fileid.h"
#include "kind/ghost.h"
#include "kind/mapflags.h"
#include "proc/elf.h"

#define SUM_MAX (16u << 20) /* files up to this size are known by their sum */

struct filemap {
	struct pk_fileid id;
	uint32_t shared;
	struct pk_bytes build_id;
	uint64_t sum; /* XXH3 of the content, 0: not taken */
};

static bool match(const struct pk_view *v)
{
	const struct pk_map *m = v->map;

	return m->path[0] == '/' && m->ino && !(m->vmflags & (PK_VM(pf) | PK_VM(io))) &&
	       !(m->deleted && !strncmp(m->path, "/SYSV", 5)) && strcmp(m->path, "/[aio]") != 0 &&
	       strcmp(m->path, "/secretmem") != 0;
}

/* The mapped file by its path, if that leads to it. */
static int open_path(const struct pk_map *m, struct stat *st)
{
	PK_CLOSE int fd = m->deleted ? -1 : open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, st) < 0 || st->st_ino != m->ino)
		return -1;
	/* Device numbers of maps and stat differ on some file systems: then ino has to do. */
	if (st->st_dev != makedev(m->dev_major, m->dev_minor) && !pk_path_is(m->path, st))
		return -1;
	return pk_steal_fd(&fd);
}

static uint64_t sum_of(int fd, uint64_t size)
{
	void *p;
	uint64_t sum;

	if (!size || size > SUM_MAX)
		return 0;
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return 0;
	sum = pk_xxh3(p, size);
	munmap(p, size);
	return sum;
}

static int identify(int fd, const struct stat *st, struct filemap *f)
{
	uint8_t id[PK_BUILD_ID_MAX];
	size_t n = pk_elf_build_id(fd, id);

	if (n)
		return pk_bytes_set(&f->build_id, id, n);
	f->sum = sum_of(fd, (uint64_t)st->st_size);
	return 0;
}

/* A copy may travel in the place of what is only read. */
static int refuse_closed(const struct pk_view *v, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "mapped file %s cannot be opened by its name", v->map->path);
	pk_why(err, "what the program writes to it would not come there any more");
	return pk_try(err, "make it accessible, or run pckpt where the program runs");
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_map *m = v->map;
	struct filemap *f = obj;
	struct stat st = {0};
	PK_CLOSE int fd = open_path(m, &st);

	f->shared = 1; /* until save meets a private one */
	if (fd < 0 && !m->deleted && m->shared && m->vmflags & PK_VM(mw))
		return refuse_closed(v, err);
	if (fd < 0 || pk_ghost_needed(v->src, m->path, m->deleted, &st)) {
		f->id.path = strdup(m->path);
		f->id.ghost = pk_ghost_of_map(v->src, m, err);
		return f->id.ghost ? 0 : -PK_E_ERROR;
	}
	if (S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 5)) {
		pk_fail(err, PK_E_UNSUPPORTED, "pid %d: device %s is mapped", v->src->pid, m->path);
		pk_why(err, "its memory belongs to hardware or a driver");
		return pk_try(err, "close the device before the checkpoint, or run without it");
	}
	if (pk_fileid_set(&f->id, v->src, m->path, &st, err) < 0)
		return -PK_E_TEMPFAIL;
	return 0;
}

/* A private mapping shows the file's content: then that must be the same at restore. */
static int save(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err)
{
	struct filemap *f = pk_model_find(v->src->model, vma->backing, NULL)->data;
	struct stat st;
	PK_CLOSE int fd = -1;

	if (vma->shared || !f->shared || f->id.ghost)
		return 0;
	f->shared = 0;
	fd = open_path(v->map, &st);
	if (fd < 0 || (S_ISREG(st.st_mode) && identify(fd, &st, f) < 0))
		return pk_fail_errno(err, "pid %d: mapped file %s", v->src->pid, f->id.path);
	return 0;
}

static bool same_content(const struct filemap *f)
{
	PK_CLOSE int fd = open(f->id.path, O_RDONLY | O_CLOEXEC);
	uint8_t id[PK_BUILD_ID_MAX];

	if (fd < 0)
		return false;
	if (f->build_id.n)
		return pk_elf_build_id(fd, id) == f->build_id.n &&
		       !memcmp(id, f->build_id.p, f->build_id.n);
	return f->sum && sum_of(fd, f->id.size) == f->sum;
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct filemap *f = o->data;
	struct pk_error err;
	struct stat st;

	if (f->id.ghost)
		return;
	if (pk_fileid_stat(&f->id, "mapped file", &st, &err) < 0) {
		pk_report_add(&t->report, &err);
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	if (f->shared ? (uint64_t)st.st_size >= f->id.size
		      : ((uint64_t)st.st_size == f->id.size && pk_mtime(&st) == f->id.mtime))
		return;
	if (!f->shared && (uint64_t)st.st_size == f->id.size && same_content(f))
		return;
	pk_fail(&err, PK_E_MISSING, "mapped file %s", f->id.path);
	pk_why(&err, "it has changed since the dump (%lu bytes then, %lu now)",
		(unsigned long)f->id.size, (unsigned long)st.st_size);
	pk_try(&err, "put the version back that the program was started with");
	pk_report_add(&t->report, &err);
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	const struct filemap *f = o->data;
	char path[4200];

	(void)err;
	pk_fileid_open_path(&f->id, p->target, path, sizeof(path));
	pk_map_path(p, vma, path);
	return 0;
}

#define F struct filemap
static const struct pk_type type = {
	.name = "filemap",
	.id = 20,
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_IN(F, 1, PK_F_STR, id, path, "absolute path"),
			PK_FIELD_IN(F, 2, PK_F_U64, id, size, "bytes, at the dump"),
			PK_FIELD_IN(F, 3, PK_F_U64, id, mtime, "ns, at the dump"),
			PK_FIELD_IN(F, 4, PK_F_U32, id, ghost, "record of the carried file, or 0"),
			PK_FIELD(F, 5, PK_F_U32, shared, "1: all its mappings are MAP_SHARED"),
			PK_FIELD(F, 6, PK_F_BYTES, build_id, "of an ELF file"),
			PK_FIELD(F, 7, PK_F_U64, sum, "XXH3-64 of the content, or 0"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_filemap = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "mapped files: only pages that the program has written are stored",
	.match = match,
	.collect = collect,
	.save = save,
	.check = check,
	.map = map,
};
