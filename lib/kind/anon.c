/* SPDX-License-Identifier: Apache-2.0 */
/* Private anonymous memory: heap, stacks, malloc's mappings, private huge pages. */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kind/mapflags.h"

static bool match(const struct pk_view *v)
{
	const struct pk_map *m = v->map;

	if (m->shared)
		return false;
	if (m->vmflags & PK_VM(ht))
		return m->deleted && !strcmp(m->path, "/anon_hugepage");
	return !m->path[0] || !strcmp(m->path, "[heap]") || !strncmp(m->path, "[stack", 6) ||
	       !strncmp(m->path, "[anon:", 6);
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	(void)v;
	(void)obj;
	(void)err;
	return PK_SKIP; /* the vma says it all; backing 0 is this kind */
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	(void)o;
	(void)err;
	pk_map_call(p, vma,
		MAP_ANONYMOUS | (vma->flags & PK_VM(dp) ? PK_MAP_DROPPABLE : MAP_PRIVATE), -1, 0);
	return 0;
}

static const struct pk_type type = {
	.name = "anon",
	.id = 16,
	.fields = (const struct pk_field[]){PK_FIELD_END},
};

const struct pk_kind pk_kind_anon = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "private anonymous memory, stacks, heap, huge pages",
	.match = match,
	.collect = collect,
	.map = map,
};
