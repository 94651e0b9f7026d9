/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the plan: mappings, descriptors, and each kind's own part.
 *
 * Descriptors are made in ascending order, so the kernel's choice of the lowest free number is
 * known beforehand: below the lowest number that the job does not use (low_fd) it is the wanted
 * number itself, above it is always low_fd, from where the descriptor is moved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/restore_internal.h"

static void call(struct pk_restore *r, enum pk_phase phase, uint32_t nr, uint64_t a, uint64_t b,
	uint64_t c, int64_t want)
{
	pk_plan_call(&r->plan, phase, 0,
		&(struct pk_call){
			.nr = nr,
			.a = {pk_num(a), pk_num(b), pk_num(c)},
			.check = want < 0 ? PK_CHECK_OK : PK_CHECK_EQUAL,
			.want = want,
		});
}

/* MAPPING attributes that are set after the pages are there. */
static const struct {
	uint64_t flag;
	int advice;
} advices[] = {
	{PK_VM(sr), MADV_SEQUENTIAL},
	{PK_VM(rr), MADV_RANDOM},
	{PK_VM(dc), MADV_DONTFORK},
	{PK_VM(dd), MADV_DONTDUMP},
	{PK_VM(wf), MADV_WIPEONFORK},
	{PK_VM(mg), MADV_MERGEABLE},
};

#define MADV_GUARD_INSTALL_NR 102
#define SYS_MSEAL_NR          462

static void protect_map(struct pk_restore *r, const struct pk_vma *vma)
{
	uint64_t len = vma->end - vma->start;
	const struct pk_range *g = vma->guards.p;

	/* What was mapped is pk_map_prot() or, through another view, readable and writable. */
	if (vma->shared || vma->stored)
		call(r, PK_PH_PROTECT, SYS_mprotect, vma->start, len, vma->prot, 0);
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		if (vma->flags & advices[i].flag)
			pk_plan_try(&r->plan, PK_PH_PROTECT, 0,
				&(struct pk_call){.nr = SYS_madvise,
					.a = {pk_num(vma->start), pk_num(len),
						pk_num((uint64_t)advices[i].advice)}},
				"advice %d on mapping %lx could not be given", advices[i].advice,
				(long)vma->start);
	for (size_t i = 0; i < vma->guards.n; i++)
		call(r, PK_PH_PROTECT, SYS_madvise, g[i].start, g[i].end - g[i].start,
			MADV_GUARD_INSTALL_NR, -1);
	if (vma->flags & PK_VM(lo))
		pk_plan_try(&r->plan, PK_PH_PROTECT, 0,
			&(struct pk_call){.nr = SYS_mlock2,
				.a = {pk_num(vma->start), pk_num(len),
					pk_num(vma->flags & PK_VM(lf) ? MLOCK_ONFAULT : 0)}},
			"mapping %lx could not be locked in memory (ulimit -l)", (long)vma->start);
	if (vma->flags & PK_VM(sl))
		call(r, PK_PH_LATE, SYS_MSEAL_NR, vma->start, len, 0, 0);
}

/* Before its pages come: where they come from, and in which size. */
static void prepare_map(struct pk_restore *r, const struct pk_vma *vma)
{
	struct pk_script *s = pk_plan_script(&r->plan, PK_PH_MAP, 0);
	uint64_t len = vma->end - vma->start;

	if (vma->policy)
		pk_plan_try(&r->plan, PK_PH_MAP, 0,
			&(struct pk_call){.nr = SYS_mbind,
				.a = {pk_num(vma->start), pk_num(len), pk_num(vma->policy),
					pk_addr(pk_script_data(s, vma->nodes.p, vma->nodes.n)),
					pk_num(vma->nodes.n * 8 + 1)}},
			"NUMA policy 0x%x of mapping %lx could not be set", vma->policy,
			(long)vma->start);
	if (vma->flags & PK_VM(hg))
		call(r, PK_PH_MAP, SYS_madvise, vma->start, len, MADV_HUGEPAGE, -1);
	if (vma->flags & PK_VM(nh))
		call(r, PK_PH_MAP, SYS_madvise, vma->start, len, MADV_NOHUGEPAGE, -1);
}

static bool is_vdso(const struct pk_restore *r, const struct pk_vma *vma)
{
	const struct pk_obj *o = pk_model_find(&r->image.model, vma->backing, NULL);

	return o && o->type == pk_kind_vdso.type;
}

static void plan_map_attributes(struct pk_restore *r)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(&r->image.model, o, &pk_vma_type, r->task_id))) {
		if (is_vdso(r, o->data))
			continue;
		prepare_map(r, o->data);
		protect_map(r, o->data);
	}
}

/* A file that comes from us instead of from where the image says: its number among the given ones.
 */
static int overridden(const struct pk_restore *r, const struct pk_obj *file)
{
	return pk_file_overridden(&r->target, file->id) ? pk_target_given(&r->target, file->id)
							: -1;
}

static int open_file(struct pk_restore *r, uint32_t id, struct pk_error *err)
{
	const struct pk_obj *file = pk_model_find(&r->image.model, id, NULL);
	const struct pk_kind *k = file ? pk_kind_of(file->type) : NULL;
	int given = file ? overridden(r, file) : -1;

	if (!k || k->level != PK_LV_FILE || !k->plan) {
		pk_fail(err, PK_E_IMAGE, "record %u", id);
		return pk_why(err, "a descriptor refers to it, but it is no open file");
	}
	if (given < 0)
		return k->plan(&r->plan, file, err);
	call(r, PK_PH_FILES, SYS_dup, (uint64_t)given, 0, 0, r->plan.next_fd);
	return 0;
}

static int plan_fd(struct pk_restore *r, const struct pk_fd *all, size_t i, struct pk_error *err)
{
	const struct pk_fd *fd = &all[i];
	uint64_t low = r->target.low_fd, at;
	uint64_t cloexec = fd->flags & FD_CLOEXEC ? O_CLOEXEC : 0;
	int e;

	for (size_t k = 0; k < i; k++)
		if (all[k].file == fd->file) {
			call(r, PK_PH_FILES, SYS_dup3, all[k].fd, fd->fd, cloexec, fd->fd);
			return 0;
		}
	at = fd->fd < low ? fd->fd : low;
	r->plan.next_fd = (uint32_t)at;
	e = open_file(r, fd->file, err);
	if (e < 0)
		return e;
	if (at != fd->fd) {
		call(r, PK_PH_FILES, SYS_dup3, at, fd->fd, cloexec, fd->fd);
		call(r, PK_PH_FILES, SYS_close, at, 0, 0, 0);
	} else if (cloexec) {
		call(r, PK_PH_FILES, SYS_fcntl, at, F_SETFD, FD_CLOEXEC, 0);
	}
	return 0;
}

static int plan_fds(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_obj *o = pk_model_next(&r->image.model, NULL, &pk_fds_type, r->task_id);
	const struct pk_fds *t = o ? o->data : NULL;
	const struct pk_fd *fd = t ? t->fd.p : NULL;

	for (size_t i = 0; t && i < t->fd.n; i++) {
		int e;

		if (i && fd[i].fd <= fd[i - 1].fd) {
			pk_fail(err, PK_E_IMAGE, "record %u", o->id);
			return pk_why(err, "its descriptors do not ascend");
		}
		e = plan_fd(r, fd, i, err);
		if (e < 0)
			return e;
	}
	return 0;
}

static bool planned_by_kind(const struct pk_kind *k)
{
	return k->plan && k->level != PK_LV_FILE;
}

static int plan_kinds(struct pk_restore *r, struct pk_error *err)
{
	/* In the order of the table, not of the records: see kinds.def. */
	r->plan.next_fd = r->target.low_fd;
	for (size_t i = 0; pk_kinds[i]; i++) {
		const struct pk_obj *o = NULL;

		if (!planned_by_kind(pk_kinds[i]))
			continue;
		while ((o = pk_model_next(&r->image.model, o, pk_kinds[i]->type, PK_ANY_OWNER))) {
			int e = pk_kinds[i]->plan(&r->plan, o, err);

			if (e < 0)
				return e;
		}
	}
	return 0;
}

static void close_given(struct pk_restore *r)
{
	for (size_t i = 0; i < r->target.n_given; i++)
		call(r, PK_PH_TASK, SYS_close, (uint64_t)r->target.given[i].number, 0, 0, 0);
}

int pk_plan_all(struct pk_restore *r, struct pk_error *err)
{
	int e = pk_layout_plan(r, err);

	if (e == 0)
		plan_map_attributes(r);
	if (e == 0)
		e = plan_fds(r, err);
	if (e == 0)
		e = plan_kinds(r, err);
	if (e < 0)
		return e;
	close_given(r);
	if (!r->plan.failed)
		return 0;
	errno = ENOMEM;
	return pk_fail_errno(err, "plan");
}
