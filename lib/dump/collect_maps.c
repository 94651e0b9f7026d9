/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: what each shows, its flags, NUMA policy and guard pages, and which bytes to save. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "dump/dump_internal.h"

#define MPOL_F_ADDR  2
#define NODE_BYTES   128
#define POLICY_BATCH 256 /* mappings asked about by one script */

struct refused_flag {
	uint64_t flag;
	const char *what, *try;
};

/* Properties of a mapping that cannot be rebuilt. vvar and the vDSO are matched before. */
static const struct refused_flag refused[] = {
	{PK_VM(um), "is served by a userfaultfd", "run the program without it"},
	{PK_VM(uw), "is write-protected by a userfaultfd", "run the program without it"},
	{PK_VM(ui), "is served by a userfaultfd", "run the program without it"},
	{PK_VM(ss), "is a shadow stack", "GLIBC_TUNABLES=glibc.cpu.x86_shstk=off"},
	{PK_VM(pf), "is memory of a device", "close the device before the checkpoint"},
	{PK_VM(io), "is memory of a device", "close the device before the checkpoint"},
	{PK_VM(sf), "is a synchronous DAX mapping", "use an ordinary file system"},
};

static int refuse(const struct pk_map *m, const char *what, const char *try, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "mapping %lx-%lx (%s)", (long)m->start, (long)m->end,
		m->path[0] ? m->path : "anonymous");
	pk_why(err, "it %s", what);
	return pk_try(err, "%s", try);
}

static int check_map(const struct pk_map *m, struct pk_error *err)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (m->vmflags & refused[i].flag)
			return refuse(m, refused[i].what, refused[i].try, err);
	if (m->pkey)
		return refuse(
			m, "has a memory protection key", "run the program without keys", err);
	if (m->unknown_flag[0])
		return refuse(m, "has a property that this version of pckpt does not know",
			"use a newer pckpt", err);
	return 0;
}

static int add_guards(
	struct pk_proc *proc, const struct pk_map *m, struct pk_vma *vma, struct pk_error *err)
{
	uint64_t at = m->start;
	struct pk_range ranges[64];

	/* Kernels before 6.15 do not mark mappings with guards; asking costs little. */
	while (at < m->end) {
		int n = pk_pagemap_scan(
			&proc->src.pagemap, PK_PAGES_GUARD, &at, m->end, ranges, 64, err);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			struct pk_range *g = pk_list_add(&vma->guards, &pk_range_type);

			if (!g)
				return pk_fail_errno(err, "guard pages");
			*g = ranges[i];
		}
	}
	return 0;
}

/* Private memory: belongs to the mm. Droppable memory may be lost at any time, and is. */
static int save_private(
	struct pk_proc *proc, struct pk_vma *vma, const struct pk_map *m, struct pk_error *err)
{
	/* smaps counts huge pages of hugetlbfs apart: then the page map has to tell. */
	bool own_pages = m->anon || m->swap || m->vmflags & PK_VM(ht);

	if (vma->shared || vma->flags & PK_VM(dp) || !own_pages)
		return 0;
	vma->stored = 1;
	return pk_contents_add(&proc->d->contents,
		&(struct pk_content){
			.obj = proc->src.mm,
			.part = PK_PART_PRIVATE,
			.keep_zeros = vma->backing != 0,
			.start = m->start,
			.end = m->end,
			.to = m->start,
			.fd = -1,
			.src = &proc->src,
		},
		err);
}

/* What has no inode is the vDSO: one for each place that it has in some process. */
static uint64_t number_of(const struct pk_proc *proc, const struct pk_map *m)
{
	const struct pk_maps *maps = &proc->src.maps;

	for (size_t i = 0; !m->ino && i < maps->n; i++)
		if (!strcmp(maps->v[i].path, "[vdso]"))
			return maps->v[i].start;
	return m->ino;
}

/* The record of what the mapping shows; one for each object, however often it is mapped. */
static int find_backing(struct pk_proc *proc, const struct pk_kind *k, struct pk_view *v,
	struct pk_vma *vma, struct pk_error *err)
{
	uint64_t dev = makedev(v->map->dev_major, v->map->dev_minor);
	uint64_t number = number_of(proc, v->map);
	int r;

	vma->backing = pk_source_known(&proc->src, dev, number, k->type);
	if (vma->backing)
		return 0;
	r = pk_collect_object(k, v, &proc->d->model, &vma->backing, err);
	if (r < 0 || !vma->backing)
		return r;
	return pk_source_know(&proc->src, dev, number, k->type, vma->backing, err);
}

static int collect_map(
	struct pk_proc *proc, const struct pk_map *m, struct pk_vma *vma, struct pk_error *err)
{
	struct pk_view v = {.src = &proc->src, .map = m, .owner = proc->src.task};
	const struct pk_kind *k = pk_kind_match(&v, PK_LV_MAPPING);
	int r = k == &pk_kind_vdso ? 0 : check_map(m, err);

	if (r == 0)
		r = find_backing(proc, k, &v, vma, err);
	if (r < 0)
		return r;
	vma->start = m->start;
	vma->end = m->end;
	vma->offset = m->offset;
	vma->prot = m->prot;
	vma->shared = m->shared;
	vma->flags = m->vmflags;
	vma->page_size = (uint32_t)m->page_size;
	vma->name = strdup(m->path);
	if (!vma->name)
		return pk_fail_errno(err, "mappings");
	if (k == &pk_kind_vdso)
		return 0;
	if (k->save)
		r = k->save(&v, vma, err);
	if (r == 0)
		r = add_guards(proc, m, vma, err);
	return r < 0 ? r : save_private(proc, vma, m, err);
}

/* NUMA policies, a batch of mappings at a time. */
struct policy {
	int32_t mode, pad;
	uint8_t nodes[NODE_BYTES];
};

static int read_policies(struct pk_proc *proc, struct pk_vma **vma, size_t n, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, n * sizeof(struct policy));
	const struct policy *p;
	int r;

	for (size_t i = 0; i < n; i++)
		pk_script_call(&s, &(struct pk_call){
					   .nr = SYS_get_mempolicy,
					   .a = {pk_addr(at + i * sizeof(*p)),
						   pk_addr(at + i * sizeof(*p) +
							   offsetof(struct policy, nodes)),
						   pk_num(NODE_BYTES * 8), pk_num(vma[i]->start),
						   pk_num(MPOL_F_ADDR)},
				   });
	r = pk_source_run(&proc->src, &s, err);
	p = pk_script_at(&s, at);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (pk_script_ret(&s, i) < 0 || !p[i].mode)
			continue;
		vma[i]->policy = (uint32_t)p[i].mode;
		if (pk_bytes_set(&vma[i]->nodes, p[i].nodes, NODE_BYTES) < 0)
			r = pk_fail_errno(err, "NUMA policy");
	}
	pk_script_free(&s);
	return r;
}

static int collect_policies(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_vma *batch[POLICY_BATCH];
	struct pk_obj *o = NULL;
	size_t n = 0;
	int r = 0;

	while (r == 0 && (o = pk_model_next(&proc->d->model, o, &pk_vma_type, proc->src.task))) {
		batch[n++] = o->data;
		if (n == POLICY_BATCH) {
			r = read_policies(proc, batch, n, err);
			n = 0;
		}
	}
	return r == 0 && n ? read_policies(proc, batch, n, err) : r;
}

int pk_collect_maps(struct pk_proc *proc, struct pk_error *err)
{
	for (size_t i = 0; i < proc->src.maps.n; i++) {
		const struct pk_map *m = &proc->src.maps.v[i];
		struct pk_vma vma = {0};
		struct pk_vma *rec;
		int r;

		if (!strcmp(m->path, "[vsyscall]"))
			continue; /* the kernel's, in every process, and not to be moved */
		r = collect_map(proc, m, &vma, err);
		if (r < 0)
			return pk_wrap(err, "pid %d", proc->src.pid);
		/* After its backing: records refer to earlier ones only. */
		rec = pk_model_add(&proc->d->model, &pk_vma_type, proc->src.task, NULL);
		if (!rec)
			return pk_fail_errno(err, "mappings");
		*rec = vma;
		proc->d->ret->maps++;
	}
	return collect_policies(proc, err);
}
