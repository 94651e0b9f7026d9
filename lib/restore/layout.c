/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses. The new process begins as a copy of us and ends with the program's mappings; the
 * scratch area, the vDSO on its way, and objects that are mapped in passing need places that are
 * free in both. They get the middle of the largest such gap, far from anything that grows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "ptrace/mem.h"
#include "restore/restore_internal.h"

#define ADDRESS_MIN UINT64_C(0x10000)        /* vm.mmap_min_addr */
#define ADDRESS_MAX UINT64_C(0x7ffffffff000) /* end of 47-bit user space */
#define PAGE        UINT64_C(4096)
#define ALIGN       (UINT64_C(2) << 20)

struct ranges {
	struct pk_range *v;
	size_t n;
};

static int add(struct ranges *r, uint64_t start, uint64_t end)
{
	void *v = pk_array_more(r->v, r->n, sizeof(*r->v));

	if (!v)
		return -1;
	r->v = v;
	r->v[r->n++] = (struct pk_range){start, end};
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct pk_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static struct pk_range largest_gap(struct ranges *r)
{
	struct pk_range best = {0, 0};
	uint64_t at = ADDRESS_MIN;

	qsort(r->v, r->n, sizeof(*r->v), by_start);
	for (size_t i = 0; i <= r->n; i++) {
		uint64_t start = i < r->n ? r->v[i].start : ADDRESS_MAX;

		if (start > ADDRESS_MAX)
			start = ADDRESS_MAX;
		if (start > at && start - at > best.end - best.start)
			best = (struct pk_range){at, start};
		if (i < r->n && r->v[i].end > at)
			at = r->v[i].end;
	}
	return best;
}

static int read_maps(pid_t pid, struct pk_maps *maps, struct pk_error *err)
{
	char path[32];
	PK_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return pk_fail_errno(err, "the new process");
	return pk_maps_read(fd, false, maps, err);
}

/* A process's vDSO, and its code, which is the same as ours. */
static void note_vdso(struct pk_vdso_here *h, const struct pk_map *m)
{
	struct pk_range range = {m->start, m->end};

	if (!strcmp(m->path, "[vdso]"))
		h->vdso = range;
	else if (!strncmp(m->path, "[vvar", 5) && h->n_vvar < 4)
		h->vvar[h->n_vvar++] = range;
}

static int occupied(struct pk_restore *r, struct ranges *all, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	struct pk_maps maps;
	int e = read_maps(r->seed, &maps, err);

	for (size_t i = 0; e == 0 && i < maps.n; i++) {
		note_vdso(&r->target.vdso, &maps.v[i]);
		if (maps.v[i].start < ADDRESS_MAX)
			e = add(all, maps.v[i].start, maps.v[i].end);
	}
	if (e <= 0 && maps.v)
		pk_maps_free(&maps);
	while (e == 0 && (o = pk_model_next(&r->image.model, o, &pk_vma_type, PK_ANY_OWNER))) {
		const struct pk_vma *vma = o->data;

		e = add(all, vma->start, vma->end);
	}
	return e == -1 ? pk_fail_errno(err, "addresses") : e;
}

/* Room for programs: a mapping takes a few ops of 72 bytes and a path; data may be anything. */
static size_t estimate_programs(const struct pk_restore *r)
{
	const struct pk_obj *o = NULL;
	size_t n = 1 << 20;

	while ((o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER))) {
		n += 2048;
		for (const struct pk_field *f = o->type->fields; f->ftype != PK_F_END; f++)
			if (f->ftype == PK_F_BYTES)
				n += ((const struct pk_bytes *)((char *)o->data + f->offset))->n *
				     4;
			else if (f->ftype == PK_F_LIST)
				n += ((const struct pk_list *)((char *)o->data + f->offset))->n *
				     1024;
	}
	return n;
}

static int fail_space(struct pk_error *err)
{
	pk_fail(err, PK_E_HOST, "address space");
	return pk_why(err, "the program leaves no gap that is large enough for the restore");
}

/*
 * Cut the middle of the gap: vDSO with its data pages, kept at their distances; scratch area; the
 * rest of the gap for objects in passing.
 */
static int cut(struct pk_restore *r, struct pk_range gap, struct pk_error *err)
{
	const struct pk_vdso_here *h = &r->target.vdso;
	uint64_t vdso_len = h->vdso.end - (h->n_vvar ? h->vvar[0].start : h->vdso.start);
	uint64_t at = (gap.start + (gap.end - gap.start) / 2) & ~(ALIGN - 1);

	r->prog_size = estimate_programs(r);
	r->vdso_at = at;
	at += (vdso_len + ALIGN - 1) & ~(ALIGN - 1);
	r->stub_at = at;
	at += (pk_remote_size(r->prog_size) + ALIGN - 1) & ~(ALIGN - 1);
	if (at + ALIGN > gap.end || r->vdso_at < gap.start)
		return fail_space(err);
	r->passing = r->passing_shared = at;
	r->passing_end = gap.end;
	return 0;
}

static void move(struct pk_proc *proc, const struct pk_range *from, uint64_t to)
{
	uint64_t len = from->end - from->start;

	if (from->start == to)
		return;
	pk_plan_call(&proc->plan, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mremap,
			.a = {pk_num(from->start), pk_num(len), pk_num(len),
				pk_num(MREMAP_MAYMOVE | MREMAP_FIXED), pk_num(to)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)to,
		});
}

/*
 * Out of the way: each of the vDSO's mappings by itself, as kernels before 6.17 want it. There
 * the kinds find it, in every process.
 */
static void park_vdso(struct pk_proc *proc, struct pk_vdso_here *h)
{
	uint64_t base = h->n_vvar ? h->vvar[0].start : h->vdso.start;
	struct pk_range *all[5] = {&h->vdso};
	size_t n = 1;

	for (size_t i = 0; i < h->n_vvar; i++)
		all[n++] = &h->vvar[i];
	for (size_t i = 0; i < n; i++) {
		uint64_t to = proc->r->vdso_at + (all[i]->start - base);
		uint64_t len = all[i]->end - all[i]->start;

		move(proc, all[i], to);
		*all[i] = (struct pk_range){to, to + len};
	}
}

static void unmap(struct pk_proc *proc, uint64_t start, uint64_t end)
{
	if (start < end)
		pk_plan_call(&proc->plan, PK_PH_MAP, 0,
			&(struct pk_call){
				.nr = SYS_munmap,
				.a = {pk_num(start), pk_num(end - start)},
				.check = PK_CHECK_OK,
			});
}

int pk_layout_choose(struct pk_restore *r, struct pk_error *err)
{
	struct ranges all = {0};
	int e = occupied(r, &all, err);

	if (e == 0)
		e = cut(r, largest_gap(&all), err);
	free(all.v);
	return e;
}

/* What a process begins with and keeps: parked vDSO, scratch area, objects in passing. */
static int kept(struct pk_proc *proc, struct ranges *keep)
{
	struct pk_restore *r = proc->r;
	const struct pk_obj *o = NULL;
	int e = add(keep, r->vdso_at, r->stub_at);

	if (e == 0)
		e = add(keep, r->stub_at, r->stub_at + pk_remote_size(r->prog_size));
	if (e == 0)
		e = add(keep, r->passing, r->passing_shared);
	while (e == 0 && (o = pk_model_next(&r->image.model, o, &pk_vma_type, proc->obj->id))) {
		const struct pk_vma *vma = o->data;

		if (vma->inherited)
			e = add(keep, vma->start, vma->end);
	}
	return e;
}

int pk_layout_clear(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_vdso_here h = {.code = (const void *)getauxval(AT_SYSINFO_EHDR)};
	struct ranges keep = {0};
	struct pk_maps maps;
	uint64_t at = 0;
	int e = read_maps(proc->pid, &maps, err);

	if (e < 0)
		return e;
	for (size_t i = 0; i < maps.n; i++)
		note_vdso(&h, &maps.v[i]);
	pk_maps_free(&maps);
	park_vdso(proc, &h);
	proc->r->target.vdso = h;
	if (kept(proc, &keep) < 0) {
		free(keep.v);
		return pk_fail_errno(err, "addresses");
	}
	qsort(keep.v, keep.n, sizeof(*keep.v), by_start);
	for (size_t i = 0; i < keep.n; i++) {
		unmap(proc, at, keep.v[i].start);
		if (keep.v[i].end > at)
			at = keep.v[i].end;
	}
	unmap(proc, at, ADDRESS_MAX);
	free(keep.v);
	return 0;
}

/* Already there. What only the parent has is dropped. */
static void plan_inherited(struct pk_proc *proc, const struct pk_vma *vma)
{
	const struct pk_range *absent = vma->absent.p;

	for (size_t i = 0; i < vma->absent.n; i++)
		pk_plan_call(&proc->plan, PK_PH_MAP, 0,
			&(struct pk_call){
				.nr = SYS_madvise,
				.a = {pk_num(absent[i].start),
					pk_num(absent[i].end - absent[i].start),
					pk_num(MADV_DONTNEED)},
				.check = PK_CHECK_OK,
			});
}

static int plan_map(struct pk_proc *proc, const struct pk_vma *vma, struct pk_error *err)
{
	const struct pk_model *m = &proc->r->image.model;
	const struct pk_obj *backing = vma->backing ? pk_model_find(m, vma->backing, NULL) : NULL;
	const struct pk_kind *k = backing ? pk_kind_of(backing->type) : &pk_kind_anon;

	if ((vma->backing && !backing) || !k || !k->map) {
		pk_fail(err, PK_E_IMAGE, "mapping %lx-%lx", (long)vma->start, (long)vma->end);
		return pk_why(err, "record %u is not something that can be mapped", vma->backing);
	}
	if (!vma->inherited)
		return k->map(&proc->plan, vma, backing, err);
	plan_inherited(proc, vma);
	return 0;
}

static bool plausible(const struct pk_vma *vma)
{
	const uint64_t page = vma->flags & PK_VM(ht) ? vma->page_size : PAGE;

	return page >= PAGE && !(page & (page - 1)) && vma->start % page == 0 &&
	       vma->end % page == 0 && vma->start < vma->end && vma->end <= ADDRESS_MAX;
}

/* In the first process: objects that all processes find there. */
static int plan_shared(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	int e = 0;

	while (!proc->parent && e == 0 &&
		(o = pk_model_next(&proc->r->image.model, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = pk_kind_of(o->type);

		if (k && k->share)
			e = k->share(&proc->plan, o, err);
	}
	if (!proc->parent)
		proc->r->passing_shared = proc->plan.scratch;
	return e;
}

int pk_layout_plan(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	int e = plan_shared(proc, err);

	while (e == 0 &&
		(o = pk_model_next(&proc->r->image.model, o, &pk_vma_type, proc->obj->id))) {
		const struct pk_vma *vma = o->data;

		if (!plausible(vma)) {
			pk_fail(err, PK_E_IMAGE, "mapping %lx-%lx", (long)vma->start,
				(long)vma->end);
			return pk_why(err, "these are no addresses of a mapping");
		}
		e = plan_map(proc, vma, err);
	}
	return e;
}

/* A system call instruction of the process's own, that outlives the scratch area: in the vDSO. */
int pk_layout_find_syscall(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_maps maps;
	int e = read_maps(proc->pid, &maps, err);

	if (e < 0)
		return e;
	proc->remote.foothold = (struct pk_foothold){0};
	for (size_t i = 0; i < maps.n; i++) {
		const struct pk_map *m = &maps.v[i];
		uint8_t code[16384];
		size_t n = m->end - m->start < sizeof(code) ? m->end - m->start : sizeof(code);
		struct pk_gadgets g;

		if (strcmp(m->path, "[vdso]") != 0 ||
			pk_mem_read(proc->pid, m->start, code, n, NULL) < 0)
			continue;
		pk_gadgets_find(code, n, &g);
		if (g.syscall >= 0)
			proc->remote.foothold.syscall = m->start + (uint64_t)g.syscall;
	}
	pk_maps_free(&maps);
	if (proc->remote.foothold.syscall)
		return 0;
	pk_fail(err, PK_E_HOST, "the kernel gives programs no vDSO");
	return pk_try(err, "boot without vdso=0");
}
