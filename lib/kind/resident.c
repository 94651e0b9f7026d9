/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/resident.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* Pages asked about by one call; one byte of answer each. */
enum { ASK_PAGES = 16384 };

static bool same_object(const struct pk_map *a, const struct pk_map *b)
{
	return a->ino == b->ino && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       !strcmp(a->path, b->path);
}

uint64_t pk_views_end(const struct pk_source *src, const struct pk_map *m, unsigned *ret_views)
{
	uint64_t end = 0;

	*ret_views = 0;
	for (const struct pk_source *s = src->first; s; s = s->next)
		for (size_t i = 0; i < s->maps.n; i++) {
			const struct pk_map *o = &s->maps.v[i];

			if (!same_object(o, m))
				continue;
			++*ret_views;
			if (o->offset + (o->end - o->start) > end)
				end = o->offset + (o->end - o->start);
		}
	return end;
}

struct save {
	struct pk_view *v;
	const struct pk_map *map;
	uint32_t obj;
	uint64_t page;
	struct pk_script script;
};

static int add(struct save *s, uint64_t start, uint64_t end, struct pk_error *err)
{
	return pk_contents_add(s->v->src->contents,
		&(struct pk_content){
			.obj = s->obj,
			.part = PK_PART_ALL,
			.start = start,
			.end = end,
			.to = start - s->map->start + s->map->offset,
			.fd = -1,
			.src = s->v->src,
		},
		err);
}

static int add_resident(
	struct save *s, uint64_t start, const uint8_t *in_core, size_t pages, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0, from; i < pages && r == 0; i++) {
		if (!(in_core[i] & 1))
			continue;
		for (from = i; i < pages && in_core[i] & 1; i++)
			;
		r = add(s, start + from * s->page, start + i * s->page, err);
	}
	return r;
}

static int ask(struct save *s, uint64_t start, uint64_t end, struct pk_error *err)
{
	size_t pages = (end - start) / s->page, vec;
	int r;

	pk_script_clear(&s->script);
	vec = pk_script_data(&s->script, NULL, pages);
	pk_script_call(&s->script, &(struct pk_call){
					   .nr = SYS_mincore,
					   .a = {pk_num(start), pk_num(end - start), pk_addr(vec)},
					   .check = PK_CHECK_OK,
				   });
	r = pk_source_run(s->v->src, &s->script, err);
	return r < 0 ? r : add_resident(s, start, pk_script_at(&s->script, vec), pages, err);
}

/*
 * Pages in swap are not in core, and of huge pages mincore knows only those that this process has
 * touched through this view: then all is read. (It is reserved for the mapping, if it is not
 * there.)
 */
static bool in_core_tells(const struct pk_map *m)
{
	return !m->swap && !(m->vmflags & PK_VM(ht));
}

static int save_part(struct save *s, uint64_t start, uint64_t end, struct pk_error *err)
{
	int r = 0;

	if (!in_core_tells(s->map))
		return add(s, start, end, err);
	for (uint64_t at = start; at < end && r == 0; at += ASK_PAGES * s->page)
		r = ask(s, at, end - at > ASK_PAGES * s->page ? at + ASK_PAGES * s->page : end,
			err);
	return r;
}

/* Widen [.., *until) and narrow *next by one view. */
static void cover(const struct pk_map *o, const struct pk_map *m, uint64_t *until, uint64_t *next)
{
	uint64_t end = o->offset + (o->end - o->start);

	if (!o->shared || !same_object(o, m))
		return;
	if (o->offset <= *until && end > *until)
		*until = end;
	else if (o->offset > *until && o->offset < *next)
		*next = o->offset;
}

/* Where the offsets from `at` end that a view before `m` shows, and where the next such begin. */
static uint64_t covered_until(
	const struct pk_source *src, const struct pk_map *m, uint64_t at, uint64_t *next)
{
	uint64_t until = at;

	*next = UINT64_MAX;
	for (const struct pk_source *s = src->first; s != src; s = s->next)
		for (size_t i = 0; i < s->maps.n; i++)
			cover(&s->maps.v[i], m, &until, next);
	for (const struct pk_map *o = src->maps.v; o < m; o++)
		cover(o, m, &until, next);
	return until;
}

int pk_save_resident(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err)
{
	const struct pk_map *m = v->map;
	struct save s = {.v = v, .map = m, .obj = vma->backing, .page = v->src->host->page_size};
	uint64_t at = m->offset, end = m->offset + (m->end - m->start), next;
	int r = 0;

	while (at < end && r == 0) {
		uint64_t until = covered_until(v->src, m, at, &next);

		if (until > at) {
			at = until;
			continue;
		}
		next = next < end ? next : end;
		r = save_part(&s, m->start + (at - m->offset), m->start + (next - m->offset), err);
		at = next;
	}
	pk_script_free(&s.script);
	return r;
}
