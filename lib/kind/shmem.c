/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared anonymous memory: mmap(MAP_SHARED | MAP_ANONYMOUS), seen through one or several mappings.
 *
 * Such an object has no name and no descriptor. It is rebuilt once at a place of its own, and each
 * recorded mapping becomes a second view of it by mremap(2) with an old size of 0; the first place
 * is unmapped in the end. Huge page objects cannot be duplicated so, and are mapped directly; those
 * with several views are memfd.c's.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "kind/mapflags.h"
#include "kind/resident.h"

struct shmem {
	uint64_t size; /* up to the end of the last view */
	uint32_t page_size;
	uint32_t noreserve;
	uint32_t huge;
};

static bool match(const struct pk_view *v)
{
	const struct pk_map *m = v->map;
	unsigned views;

	if (!m->shared || !m->deleted)
		return false;
	if (!strcmp(m->path, "/dev/zero"))
		return true;
	if (strcmp(m->path, "/anon_hugepage") != 0 || m->offset)
		return false;
	pk_views_end(v->src, m, &views);
	return views == 1;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct shmem *s = obj;
	unsigned views;

	(void)err;
	s->size = pk_views_end(v->src, v->map, &views);
	s->page_size = (uint32_t)v->map->page_size;
	s->noreserve = !!(v->map->vmflags & PK_VM(nr));
	s->huge = !!(v->map->vmflags & PK_VM(ht));
	return 0;
}

static int map_direct(struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o)
{
	pk_map_call(p, vma, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pk_plan_sink(p,
		&(struct pk_sink){.obj = o->id, .base = vma->start, .len = vma->end - vma->start});
	return 0;
}

/* The whole object at a place of its own: what its pages are written to. */
static uint64_t make(struct pk_plan *p, const struct pk_obj *o)
{
	const struct shmem *s = o->data;
	uint64_t at = pk_plan_scratch(p, s->size);

	if (!at)
		return 0;
	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mmap,
			.a = {pk_num(at), pk_num(s->size), pk_num(PROT_READ | PROT_WRITE),
				pk_num(MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
					(s->noreserve ? MAP_NORESERVE : 0)),
				pk_num((uint64_t)-1)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)at,
		});
	pk_plan_sink(p, &(struct pk_sink){.obj = o->id, .base = at, .len = s->size});
	return at;
}

/* Before any process is forked: all of them have it then. */
static int share(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	if (((const struct shmem *)o->data)->huge || make(p, o))
		return 0;
	pk_fail(err, PK_E_HOST, "shared memory");
	return pk_why(err, "there is not enough free address space for it");
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_sink *sink = pk_plan_find_sink(p, o->id);

	if (vma->flags & PK_VM(ht))
		return map_direct(p, vma, o);
	if (!sink) {
		pk_fail(err, PK_E_IMAGE, "%s: shared memory", vma->name);
		return pk_why(err, "its record says that it has huge pages, its mapping has not");
	}
	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mremap,
			.a = {pk_num(sink->base + vma->offset), pk_num(0),
				pk_num(vma->end - vma->start),
				pk_num(MREMAP_MAYMOVE | MREMAP_FIXED), pk_num(vma->start)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)vma->start,
		});
	return 0;
}

#define S struct shmem
static const struct pk_type type = {
	.name = "shmem",
	.id = 17,
	.size = sizeof(S),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(S, 1, PK_F_U64, size, "bytes"),
			PK_FIELD(S, 2, PK_F_U32, page_size, "bytes"),
			PK_FIELD(S, 3, PK_F_U32, noreserve, "1: MAP_NORESERVE"),
			PK_FIELD(S, 4, PK_F_U32, huge, "1: huge pages; one view only"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_shmem = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "shared anonymous memory, one or several views",
	.match = match,
	.collect = collect,
	.save = pk_save_resident,
	.share = share,
	.map = map,
};
