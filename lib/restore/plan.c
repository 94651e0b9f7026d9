/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the plan of a process: mappings, descriptors, and each kind's own part.
 *
 * Every open file is made in the job's first process, where it appears as descriptor 0 and is moved
 * to a number that nobody uses. Processes forked from it have them all, and each puts those that it
 * uses where they belong, and closes the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/restore_internal.h"

static void call(struct pk_proc *proc, enum pk_phase phase, uint32_t nr, uint64_t a, uint64_t b,
	uint64_t c, int64_t want)
{
	pk_plan_call(&proc->plan, phase, 0,
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

static void protect_map(struct pk_proc *proc, const struct pk_vma *vma)
{
	uint64_t len = vma->end - vma->start;
	const struct pk_range *g = vma->guards.p;

	/* What was mapped is pk_map_prot() or, through another view, readable and writable. */
	if (vma->shared || vma->stored)
		call(proc, PK_PH_PROTECT, SYS_mprotect, vma->start, len, vma->prot, 0);
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		if (vma->flags & advices[i].flag)
			pk_plan_try(&proc->plan, PK_PH_PROTECT, 0,
				&(struct pk_call){.nr = SYS_madvise,
					.a = {pk_num(vma->start), pk_num(len),
						pk_num((uint64_t)advices[i].advice)}},
				"advice %d on mapping %lx could not be given", advices[i].advice,
				(long)vma->start);
	for (size_t i = 0; i < vma->guards.n; i++)
		call(proc, PK_PH_PROTECT, SYS_madvise, g[i].start, g[i].end - g[i].start,
			MADV_GUARD_INSTALL_NR, -1);
	if (vma->flags & PK_VM(lo))
		pk_plan_try(&proc->plan, PK_PH_PROTECT, 0,
			&(struct pk_call){.nr = SYS_mlock2,
				.a = {pk_num(vma->start), pk_num(len),
					pk_num(vma->flags & PK_VM(lf) ? MLOCK_ONFAULT : 0)}},
			"mapping %lx could not be locked in memory (ulimit -l)", (long)vma->start);
	if (vma->flags & PK_VM(sl))
		call(proc, PK_PH_LATE, SYS_MSEAL_NR, vma->start, len, 0, 0);
}

/* Before its pages come: where they come from, and in which size. */
static void prepare_map(struct pk_proc *proc, const struct pk_vma *vma)
{
	struct pk_script *s = pk_plan_script(&proc->plan, PK_PH_MAP, 0);
	uint64_t len = vma->end - vma->start;

	if (vma->policy)
		pk_plan_try(&proc->plan, PK_PH_MAP, 0,
			&(struct pk_call){.nr = SYS_mbind,
				.a = {pk_num(vma->start), pk_num(len), pk_num(vma->policy),
					pk_addr(pk_script_data(s, vma->nodes.p, vma->nodes.n)),
					pk_num(vma->nodes.n * 8 + 1)}},
			"NUMA policy 0x%x of mapping %lx could not be set", vma->policy,
			(long)vma->start);
	if (vma->flags & PK_VM(hg))
		call(proc, PK_PH_MAP, SYS_madvise, vma->start, len, MADV_HUGEPAGE, -1);
	if (vma->flags & PK_VM(nh))
		call(proc, PK_PH_MAP, SYS_madvise, vma->start, len, MADV_NOHUGEPAGE, -1);
}

static bool is_vdso(const struct pk_proc *proc, const struct pk_vma *vma)
{
	const struct pk_obj *o = pk_model_find(&proc->r->image.model, vma->backing, NULL);

	return o && o->type == pk_kind_vdso.type;
}

static void plan_map_attributes(struct pk_proc *proc)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(&proc->r->image.model, o, &pk_vma_type, proc->obj->id))) {
		if (is_vdso(proc, o->data))
			continue;
		prepare_map(proc, o->data);
		protect_map(proc, o->data);
	}
}

/* A file that comes from us instead of from where the image says: its number among the given ones.
 */
static int overridden(const struct pk_restore *r, const struct pk_obj *file)
{
	return pk_file_overridden(&r->target, file->id) ? pk_target_given(&r->target, file->id)
							: -1;
}

/* From 0, where it appears, to where it waits. */
static void stage(struct pk_proc *proc, enum pk_phase phase, uint64_t at)
{
	call(proc, phase, SYS_dup3, 0, at, O_CLOEXEC, (int64_t)at);
	call(proc, phase, SYS_close, 0, 0, 0, 0);
}

static int make_file(
	struct pk_proc *proc, enum pk_phase phase, const struct pk_obj *file, struct pk_error *err)
{
	const struct pk_kind *k = pk_kind_of(file->type);
	int given = overridden(proc->r, file);
	int e = 0;

	proc->plan.open = phase;
	if (given < 0)
		e = k->plan(&proc->plan, file, err);
	else
		call(proc, phase, SYS_dup, (uint64_t)given, 0, 0, 0);
	stage(proc, phase, (uint64_t)pk_target_staged(&proc->r->target, file->id));
	return e;
}

static const struct pk_kind *file_kind(const struct pk_obj *o)
{
	const struct pk_kind *k = pk_kind_of(o->type);

	return k && k->level == PK_LV_FILE && k->plan ? k : NULL;
}

static int make_files(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	int e = 0;

	proc->plan.next_fd = 0;
	while (e == 0 && (o = pk_model_next(&proc->r->image.model, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = file_kind(o);

		if (k && !k->late)
			e = make_file(proc, PK_PH_FILES, o, err);
	}
	return e;
}

static bool has_file(const struct pk_fds *t, uint32_t file)
{
	const struct pk_fd *fd = t ? t->fd.p : NULL;

	for (size_t i = 0; t && i < t->fd.n; i++)
		if (fd[i].file == file)
			return true;
	return false;
}

/* Take it from its owner, where it waits under the same number as it will here. */
static void fetch(struct pk_proc *proc, const struct pk_obj *file, const struct pk_obj *owner)
{
	uint64_t at = (uint64_t)pk_target_staged(&proc->r->target, file->id);

	call(proc, PK_PH_FETCH, SYS_pidfd_open, (uint64_t)pk_plan_pid(&proc->plan, owner), 0, 0, 0);
	stage(proc, PK_PH_FETCH, at);
	call(proc, PK_PH_FETCH, SYS_pidfd_getfd, at, at, 0, 0);
	stage(proc, PK_PH_FETCH, at);
}

static int make_late_files(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_model *m = &proc->r->image.model;
	const struct pk_obj *fds = pk_model_next(m, NULL, &pk_fds_type, proc->obj->id), *o = NULL;
	int e = 0;

	proc->plan.next_fd = 0;
	while (e == 0 && (o = pk_model_next(m, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = file_kind(o);
		const struct pk_obj *owner;

		if (!k || !k->late)
			continue;
		owner = pk_model_find(m, o->owner, &pk_task_type);
		if (owner == proc->obj)
			e = make_file(proc, PK_PH_OPEN, o, err);
		else if (owner && has_file(fds ? fds->data : NULL, o->id))
			fetch(proc, o, owner);
	}
	return e;
}

/* The lowest number that the process has free when its descriptors are in place. */
static uint32_t lowest_free(const struct pk_proc *proc)
{
	uint32_t owner = proc->task->files_of ? proc->task->files_of : proc->obj->id, low = 0;
	const struct pk_obj *o = pk_model_next(&proc->r->image.model, NULL, &pk_fds_type, owner);
	const struct pk_fds *t = o ? o->data : NULL;
	const struct pk_fd *fd = t ? t->fd.p : NULL;

	/* They ascend. What still waits to be placed is higher: see prepare.c. */
	for (size_t i = 0; t && i < t->fd.n && fd[i].fd == low; i++)
		low++;
	return low;
}

static int place_fd(struct pk_proc *proc, const struct pk_fd *fd, bool first, struct pk_error *err)
{
	const struct pk_model *m = &proc->r->image.model;
	const struct pk_obj *file = pk_model_find(m, fd->file, NULL);
	const struct pk_kind *k = file ? pk_kind_of(file->type) : NULL;
	int at = pk_target_staged(&proc->r->target, fd->file);

	if (!k || at < 0) {
		pk_fail(err, PK_E_IMAGE, "record %u", fd->file);
		return pk_why(err, "a descriptor refers to it, but it is no open file");
	}
	call(proc, PK_PH_PLACE, SYS_dup3, (uint64_t)at, fd->fd,
		fd->flags & FD_CLOEXEC ? O_CLOEXEC : 0, fd->fd);
	if (first && k->place && file->owner == proc->obj->id && overridden(proc->r, file) < 0)
		return k->place(&proc->plan, file, fd->fd, err);
	return 0;
}

static bool seen_before(const struct pk_fd *fd, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (fd[k].file == fd[i].file)
			return true;
	return false;
}

static int place_fds(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_obj *o =
		pk_model_next(&proc->r->image.model, NULL, &pk_fds_type, proc->obj->id);
	const struct pk_fds *t = o ? o->data : NULL;
	const struct pk_fd *fd = t ? t->fd.p : NULL;
	int e = 0;

	proc->plan.next_fd = lowest_free(proc);
	for (size_t i = 0; t && i < t->fd.n && e == 0; i++) {
		if (i && fd[i].fd <= fd[i - 1].fd) {
			pk_fail(err, PK_E_IMAGE, "record %u", o->id);
			return pk_why(err, "its descriptors do not ascend");
		}
		e = place_fd(proc, &fd[i], !seen_before(fd, i), err);
	}
	return e;
}

static bool planned_by_kind(const struct pk_kind *k)
{
	return k->plan && k->level != PK_LV_FILE;
}

/* Whether an object belongs to the process: to its task or one of its threads. */
static bool belongs(const struct pk_proc *proc, const struct pk_obj *o)
{
	const struct pk_obj *owner;

	if (o->owner == proc->obj->id)
		return true;
	owner = pk_model_find(&proc->r->image.model, o->owner, &pk_thread_type);
	return owner && owner->owner == proc->obj->id;
}

/* In the order of the table, not of the records: see kinds.def. Carried files: the first process.
 */
static int plan_kinds(struct pk_proc *proc, struct pk_error *err)
{
	proc->plan.next_fd = lowest_free(proc);
	for (size_t i = 0; pk_kinds[i]; i++) {
		const struct pk_obj *o = NULL;
		bool everybody = pk_kinds[i]->level == PK_LV_CONTENT && !proc->parent;

		if (!planned_by_kind(pk_kinds[i]))
			continue;
		while ((o = pk_model_next(
				&proc->r->image.model, o, pk_kinds[i]->type, PK_ANY_OWNER))) {
			int e;

			if (!everybody &&
				(!belongs(proc, o) || pk_kinds[i]->level == PK_LV_CONTENT))
				continue;
			e = pk_kinds[i]->plan(&proc->plan, o, err);
			if (e < 0)
				return e;
		}
	}
	return 0;
}

/* Numbers that were handed out: they ascend, and few lie between them. */
static void close_run(struct pk_proc *proc, uint64_t first, uint64_t last)
{
	if (proc->r->has_close_range && first < last)
		call(proc, PK_PH_TASK, SYS_close_range, first, last, 0, 0);
	else
		for (uint64_t n = first; n <= last; n++)
			call(proc, PK_PH_TASK, SYS_close, n, 0, 0, 0);
}

/* What waited to be placed, and what was inherited from us. */
static void close_rest(struct pk_proc *proc)
{
	const struct pk_target *t = &proc->r->target;
	uint64_t first = 0, last = 0;

	for (size_t i = 0; i < t->n_given + t->n_staged; i++) {
		uint64_t n = (uint64_t)(i < t->n_given ? t->given[i].number
						       : t->staged[i - t->n_given].number);

		if (i && n == last + 1) {
			last = n;
			continue;
		}
		if (i)
			close_run(proc, first, last);
		first = last = n;
	}
	if (t->n_given + t->n_staged)
		close_run(proc, first, last);
}

int pk_plan_all(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_restore *r = proc->r;
	bool own_table = !proc->task->files_of;
	int e;

	proc->plan.first = &r->proc[0].plan;
	proc->plan.target = &r->target;
	proc->plan.model = &r->image.model;
	proc->plan.scratch = r->passing_shared;
	proc->plan.scratch_end = r->passing_end;
	e = proc->task->vm_of ? 0 : pk_layout_clear(proc, err);
	if (e == 0 && !proc->task->vm_of)
		e = pk_layout_plan(proc, err);
	if (e == 0)
		plan_map_attributes(proc);
	if (e == 0 && !proc->parent)
		e = make_files(proc, err);
	if (e == 0 && own_table)
		e = make_late_files(proc, err);
	if (e == 0 && own_table)
		e = place_fds(proc, err);
	if (e == 0)
		e = plan_kinds(proc, err);
	if (e < 0)
		return e;
	if (own_table)
		close_rest(proc);
	if (!proc->plan.failed)
		return 0;
	errno = ENOMEM;
	return pk_fail_errno(err, "plan");
}
