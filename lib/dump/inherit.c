/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a process got from its parent by fork(2) and that neither has written since is one
 * memory, copy on write. Restored processes are forked from their parents again, so such pages come
 * by themselves, and stay shared: a mapping that is the same in both is `inherited`. Pages that
 * differ are stored as ever; equal ones are not (pages.c); those that only the parent has are
 * listed, to be dropped.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "dump/dump_internal.h"

enum { RANGES = 64 };

static bool same_file(const struct pk_map *a, const struct pk_map *b)
{
	return a->offset == b->offset && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && a->ino == b->ino && !strcmp(a->path, b->path);
}

static bool own_pages(const struct pk_map *m)
{
	return m->anon || m->swap;
}

/* What fork(2) does not copy, or what cannot be copied so. */
#define NEVER (PK_VM(dc) | PK_VM(wf) | PK_VM(ht) | PK_VM(dp) | PK_VM(gu))

static const struct pk_map *twin_of(const struct pk_proc *proc, const struct pk_map *m)
{
	const struct pk_maps *up = &proc->parent->src.maps;
	size_t lo = 0, hi = up->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (up->v[mid].start < m->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == up->n || up->v[lo].start != m->start || up->v[lo].end != m->end)
		return NULL;
	return &up->v[lo];
}

static bool inherits(const struct pk_map *m, const struct pk_map *up)
{
	return up && !m->shared && !up->shared && own_pages(m) && own_pages(up) &&
	       m->prot == up->prot && !((m->vmflags | up->vmflags) & NEVER) && same_file(m, up);
}

/* A walk over the pages that a process has of its own in a mapping, range by range. */
struct walk {
	const struct pk_pagemap *map;
	uint64_t at, end;
	struct pk_range range[RANGES];
	int n, k;
};

/* The range that ends behind `from`, or an empty one at the end. */
static int range_at(struct walk *w, uint64_t from, struct pk_range *ret, struct pk_error *err)
{
	for (;;) {
		while (w->k < w->n && w->range[w->k].end <= from)
			w->k++;
		if (w->k < w->n) {
			*ret = w->range[w->k];
			return 0;
		}
		*ret = (struct pk_range){w->end, w->end};
		if (w->at >= w->end)
			return 0;
		w->k = 0;
		w->n = pk_pagemap_scan((struct pk_pagemap *)w->map, PK_PAGES_PRIVATE, &w->at,
			w->end, w->range, RANGES, err);
		if (w->n < 0)
			return w->n;
	}
}

static int add_absent(struct pk_vma *vma, uint64_t start, uint64_t end, struct pk_error *err)
{
	struct pk_range *r = pk_list_add(&vma->absent, &pk_range_type);

	if (!r)
		return pk_fail_errno(err, "inherited memory");
	*r = (struct pk_range){start, end};
	return 0;
}

/* The parent's pages minus ours. */
static int find_absent(const struct pk_proc *proc, struct pk_vma *vma, struct pk_error *err)
{
	struct walk up = {&proc->parent->src.pagemap, vma->start, vma->end, .n = 0};
	struct walk own = {&proc->src.pagemap, vma->start, vma->end, .n = 0};
	uint64_t at = vma->start;
	int r = 0;

	while (at < vma->end && r == 0) {
		struct pk_range u, o;

		r = range_at(&up, at, &u, err);
		if (r < 0 || u.start == u.end)
			return r;
		if (at < u.start)
			at = u.start;
		r = range_at(&own, at, &o, err);
		if (r == 0 && at < o.start) {
			uint64_t end = o.start < u.end ? o.start : u.end;

			r = add_absent(vma, at, end, err);
			at = end;
		} else {
			at = o.end < u.end ? o.end : u.end;
		}
	}
	return r;
}

static void compare(struct pk_proc *proc, const struct pk_vma *vma)
{
	struct pk_contents *c = &proc->d->contents;

	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].src == &proc->src && c->v[i].part == PK_PART_PRIVATE &&
			c->v[i].start == vma->start)
			c->v[i].twin = &proc->parent->src;
}

static struct pk_vma *record_of(struct pk_proc *proc, struct pk_obj **o, uint64_t start)
{
	while ((*o = pk_model_next(&proc->d->model, *o, &pk_vma_type, proc->src.task))) {
		struct pk_vma *vma = (*o)->data;

		if (vma->start == start)
			return vma;
	}
	return NULL;
}

int pk_collect_inherited(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_obj *o = NULL;
	int r = 0;

	for (size_t i = 0; proc->parent && i < proc->src.maps.n && r == 0; i++) {
		const struct pk_map *m = &proc->src.maps.v[i];
		struct pk_vma *vma;

		if (!inherits(m, twin_of(proc, m)))
			continue;
		vma = record_of(proc, &o, m->start);
		if (!vma || !vma->stored || vma->guards.n)
			continue;
		vma->inherited = 1;
		compare(proc, vma);
		r = find_absent(proc, vma, err);
	}
	return r;
}

/* The program file of a process; false if we may not see it. */
static bool exe_of(int procfd, struct stat *st)
{
	return procfd >= 0 && fstatat(procfd, "exe", st, 0) == 0;
}

void pk_find_forked(struct pk_proc *proc)
{
	PK_CLOSE int outside = -1;
	struct stat own, up;
	int fd;

	if (proc->zombie)
		return;
	if (!proc->parent)
		outside = pk_open_proc(proc->src.stat.ppid, NULL);
	fd = proc->parent ? proc->parent->src.procfd : outside;
	if (!exe_of(proc->src.procfd, &own) || !exe_of(fd, &up) || own.st_ino != up.st_ino ||
		own.st_dev != up.st_dev)
		return;
	proc->src.forked = true;
	if (proc->parent)
		proc->parent->src.forked = true;
}
