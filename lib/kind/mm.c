/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel knows of an address space besides its mappings: where code, data, heap, stack,
 * arguments and environment are (prctl(2) PR_SET_MM_MAP), the auxiliary vector, the program file,
 * and mlockall(2) for future mappings. The bytes of a task's private memory belong to this record.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/ghost.h"

static int ask(struct pk_view *v)
{
	pk_script_call(v->script, &(struct pk_call){.nr = SYS_brk, .a = {pk_num(0)}});
	return 0;
}

/*
 * mlockall(MCL_FUTURE) shows only by its effect: the scratch area, mapped since the status was
 * read, counts as locked; MCL_ONFAULT if it was not filled at once.
 */
static int lock_future(struct pk_view *v, struct pk_mm *m, struct pk_error *err)
{
	uint64_t end = v->src->remote->base + v->src->remote->len,
		 at = end - v->src->host->page_size;
	struct pk_status now;
	struct pk_range range;
	int r = pk_status_read(v->src->procfd, &now, err);

	if (r < 0)
		return r;
	if (now.vm_lck > v->src->status.vm_lck) {
		m->lock_future = MCL_FUTURE;
		r = pk_pagemap_scan(&v->src->pagemap, PK_PAGES_PRESENT, &at, end, &range, 1, err);
		if (r == 0)
			m->lock_future |= MCL_ONFAULT;
	}
	pk_status_free(&now);
	return r < 0 ? r : 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_stat *st = &v->src->stat;
	PK_FREE char *auxv = NULL;
	struct pk_mm *m = obj;
	size_t n;

	*m = (struct pk_mm){
		.start_code = st->start_code,
		.end_code = st->end_code,
		.start_data = st->start_data,
		.end_data = st->end_data,
		.start_brk = st->start_brk,
		.brk = (uint64_t)pk_answer_ret(v, 0),
		.start_stack = st->start_stack,
		.arg_start = st->arg_start,
		.arg_end = st->arg_end,
		.env_start = st->env_start,
		.env_end = st->env_end,
	};
	auxv = pk_read_file(v->src->procfd, "auxv", 65536, &n);
	if (!auxv || pk_bytes_set(&m->auxv, auxv, n) < 0)
		return pk_fail_errno(err, "auxiliary vector");
	return lock_future(v, m, err);
}

static void fill(struct prctl_mm_map *to, const struct pk_mm *m)
{
	*to = (struct prctl_mm_map){
		.start_code = m->start_code,
		.end_code = m->end_code,
		.start_data = m->start_data,
		.end_data = m->end_data,
		.start_brk = m->start_brk,
		.brk = m->brk,
		.start_stack = m->start_stack,
		.arg_start = m->arg_start,
		.arg_end = m->arg_end,
		.env_start = m->env_start,
		.env_end = m->env_end,
		.auxv_size = (uint32_t)m->auxv.n,
		.exe_fd = (uint32_t)-1,
	};
}

static const struct pk_task *task_of(const struct pk_plan *p, const struct pk_obj *o)
{
	const struct pk_obj *task = pk_model_find(p->model, o->owner, &pk_task_type);

	return task ? task->data : NULL;
}

/*
 * PR_SET_MM_MAP finds the auxiliary vector through a pointer inside its struct, and a script's data
 * has no address yet when it is written: the vector gets a scratch page of its own.
 */
static int plan_map(struct pk_plan *p, const struct pk_mm *m, bool with_exe, struct pk_error *err)
{
	uint64_t page = (m->auxv.n + 4095) & ~UINT64_C(4095), at = pk_plan_scratch(p, page);
	struct pk_script *s = pk_plan_script(p, PK_PH_MM, 0);
	struct prctl_mm_map map;

	if (!at) {
		pk_fail(err, PK_E_HOST, "auxiliary vector");
		return pk_why(err, "there is not enough free address space");
	}
	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mmap,
			.a = {pk_num(at), pk_num(page), pk_num(PROT_READ | PROT_WRITE),
				pk_num(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE),
				pk_num((uint64_t)-1)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)at,
		});
	pk_plan_patch(p, at, m->auxv.p, m->auxv.n);
	fill(&map, m);
	map.auxv = (void *)at;
	if (with_exe)
		map.exe_fd = 0; /* opened just before */
	pk_script_call(s,
		&(struct pk_call){
			.nr = SYS_prctl,
			.a = {pk_num(PR_SET_MM), pk_num(PR_SET_MM_MAP),
				pk_addr(pk_script_data(s, &map, sizeof(map))), pk_num(sizeof(map))},
			.check = PK_CHECK_OK,
		});
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_mm *m = o->data;
	const struct pk_task *task = task_of(p, o);
	struct pk_script *s = pk_plan_script(p, PK_PH_MM, 0);
	char path[4200];
	int r;

	if (!task) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "it belongs to no task");
	}
	if (task->exe_file)
		pk_ghost_path(p->target, task->exe_file, path, sizeof(path));
	if (p->target->may_set_exe)
		pk_script_call(s, &(struct pk_call){
					  .nr = SYS_openat,
					  .a = {pk_num((uint64_t)AT_FDCWD),
						  pk_addr(pk_script_str(
							  s, task->exe_file ? path : task->exe)),
						  pk_num(O_RDONLY)},
					  .check = PK_CHECK_EQUAL,
				  });
	r = plan_map(p, m, p->target->may_set_exe, err);
	if (p->target->may_set_exe)
		pk_script_call(s, &(struct pk_call){.nr = SYS_close, .a = {pk_num(0)}});
	if (m->lock_future)
		pk_plan_try(p, PK_PH_LATE, 0,
			&(struct pk_call){.nr = SYS_mlockall, .a = {pk_num(m->lock_future)}},
			"future memory will not be locked (mlockall)");
	return r;
}

const struct pk_kind pk_kind_mm = {
	.type = &pk_mm_type,
	.level = PK_LV_TASK,
	.summary = "bounds of code, data, heap (brk), arguments, environment; auxv; mlockall",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
