/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of memfd_create(2) that is mapped and has no descriptor left. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "kind/mapflags.h"
#include "kind/resident.h"

#define PREFIX "/memfd:"

struct memfd {
	char *name;
	uint64_t size;
	uint32_t huge_size; /* 0: ordinary pages */
};

static bool match(const struct pk_view *v)
{
	return v->map->deleted && !strncmp(v->map->path, PREFIX, strlen(PREFIX));
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct memfd *m = obj;
	unsigned views;

	m->name = strdup(v->map->path + strlen(PREFIX));
	m->size = pk_views_end(v->src, v->map, &views);
	if (v->map->vmflags & PK_VM(ht))
		m->huge_size = (uint32_t)v->map->page_size;
	return m->name ? 0 : pk_fail_errno(err, "memfd");
}

static int save(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err)
{
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

static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct memfd *m = o->data;
	unsigned flags = MFD_CLOEXEC;
	int fd, r;

	if (m->huge_size)
		flags |= MFD_HUGETLB | (unsigned)__builtin_ctz(m->huge_size) << 26;
	fd = memfd_create(m->name, flags);
	if (fd < 0)
		return pk_fail_errno(err, "memfd %s", m->name);
	if (ftruncate(fd, (off_t)m->size) < 0) {
		close(fd);
		return pk_fail_errno(err, "memfd %s: %lu bytes", m->name, (unsigned long)m->size);
	}
	r = pk_target_give(t, o->id, fd, err);
	return r < 0 ? r : pk_target_local(t, o->id, fd, m->size, err);
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	(void)err;
	pk_map_call(p, vma, vma->shared ? MAP_SHARED : MAP_PRIVATE,
		pk_target_given(p->target, o->id), vma->offset);
	return 0;
}

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
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_memfd = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "memfd memory that is mapped, its descriptor closed",
	.match = match,
	.collect = collect,
	.save = save,
	.prepare = prepare,
	.map = map,
};
