/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: this process stands for the new one, the program's mappings are made up. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/restore_internal.h"

#define MIB  (UINT64_C(1) << 20)
#define GIB  (UINT64_C(1) << 30)
#define LAST UINT64_C(0x7ffffffff000)

static void setup(struct pk_restore *r)
{
	static struct pk_obj task;

	memset(r, 0, sizeof(*r));
	r->seed = getpid();
	r->proc = calloc(1, sizeof(*r->proc));
	cr_assert(r->proc && pk_model_add(&r->image.model, &pk_task_type, 0, NULL));
	r->n_procs = 1;
	r->proc[0] = (struct pk_proc){
		.r = r,
		.obj = pk_model_next(&r->image.model, NULL, &pk_task_type, 0),
		.pid = getpid(),
	};
	/* Records that are added move this one. */
	task = *r->proc[0].obj;
	r->proc[0].obj = &task;
}

static void teardown(struct pk_restore *r)
{
	pk_plan_free(&r->proc[0].plan);
	pk_model_free(&r->image.model);
	free(r->proc);
}

static struct pk_vma *add_map(struct pk_restore *r, uint64_t start, uint64_t end)
{
	struct pk_vma *vma = pk_model_add(&r->image.model, &pk_vma_type, r->proc[0].obj->id, NULL);

	cr_assert_not_null(vma);
	vma->start = start;
	vma->end = end;
	return vma;
}

static bool outside(uint64_t start, uint64_t end, uint64_t a, uint64_t b)
{
	return end <= a || b <= start;
}

/* Where everything of ours goes: from the vDSO's place to the end of scratch. */
static struct pk_range ours(const struct pk_restore *r)
{
	return (struct pk_range){r->vdso_at, r->passing_end};
}

static void expect_free(const struct pk_restore *r)
{
	const struct pk_range us = ours(r);
	const struct pk_obj *o = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t a, b;

	while ((o = pk_model_next(&r->image.model, o, &pk_vma_type, r->proc[0].obj->id))) {
		const struct pk_vma *vma = o->data;

		cr_expect(outside(us.start, us.end, vma->start, vma->end), "%lx-%lx",
			(long)vma->start, (long)vma->end);
	}
	cr_assert_not_null(maps);
	while (fscanf(maps, "%lx-%lx%*[^\n]", &a, &b) == 2)
		cr_expect(outside(us.start, us.end, a, b), "%lx-%lx", (long)a, (long)b);
	fclose(maps);
}

static void expect_order(const struct pk_restore *r)
{
	const struct pk_vdso_here *h = &r->target.vdso;

	cr_expect_neq(h->vdso.start, 0);
	cr_expect_lt(h->vdso.start, h->vdso.end);
	cr_expect_leq(h->vdso.end, r->stub_at);
	for (size_t i = 0; i < h->n_vvar; i++)
		cr_expect(outside(h->vdso.start, h->vdso.end, h->vvar[i].start, h->vvar[i].end));
	cr_expect_leq(r->stub_at + pk_remote_size(r->prog_size), r->passing);
	cr_expect_lt(r->passing, r->passing_end);
	cr_expect_eq((ours(r).start | r->stub_at | r->passing) % (2 * MIB), 0);
	cr_expect_not_null(h->code);
}

/* What phase MAP begins with: the vDSO moves, all but our places goes. */
static void expect_plan(struct pk_restore *r)
{
	struct pk_error err = {0};

	const struct pk_script *s = pk_plan_script(&r->proc[0].plan, PK_PH_MAP, 0);
	const size_t moves = 1 + r->target.vdso.n_vvar;
	const struct pk_op *low, *high;

	cr_assert_eq(pk_layout_clear(&r->proc[0], &err), 0, "%s", err.why);
	expect_order(r);
	cr_assert_geq(s->n, moves + 2);
	for (size_t i = 0; i < moves; i++) {
		cr_expect_eq(s->op[i].nr, SYS_mremap);
		cr_expect(s->op[i].check == PK_CHECK_EQUAL &&
			  (uint64_t)s->op[i].want == s->op[i].a[4]);
	}
	low = &s->op[moves];
	high = &s->op[s->n - 1];
	cr_expect(low->nr == SYS_munmap && low->a[0] == 0 && low->a[1] == ours(r).start);
	cr_expect(high->nr == SYS_munmap && high->a[0] + high->a[1] == LAST);
	cr_expect_geq(high->a[0], r->stub_at + pk_remote_size(r->prog_size));
	cr_expect_leq(high->a[0], r->passing);
}

static void expect_choice(struct pk_restore *r)
{
	struct pk_error err = {0};

	cr_assert_eq(pk_layout_choose(r, &err), 0, "%s: %s", err.what, err.why);
	expect_free(r);
	expect_plan(r);
}

Test(restore_layout, no_mappings)
{
	struct pk_restore r;

	setup(&r);
	expect_choice(&r);
	teardown(&r);
}

Test(restore_layout, beside_the_programs_mappings)
{
	struct pk_restore r;

	setup(&r);
	/* Not in order, one in the other, next to each other, and one in the middle. */
	add_map(&r, LAST - MIB, LAST);
	add_map(&r, 0x400000, 0x500000);
	add_map(&r, 0x480000, 0x490000);
	add_map(&r, 0x500000, 0x501000);
	add_map(&r, 0x200000000000, 0x600000000000);
	expect_choice(&r);
	teardown(&r);
}

/* Reserved address space, as some runtimes have it, up to almost all there is. */
Test(restore_layout, little_is_free)
{
	struct pk_restore r;
	void *gap =
		mmap(NULL, 4 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at = (uint64_t)gap;

	cr_assert_neq(gap, MAP_FAILED);
	munmap(gap, 4 * GIB);
	setup(&r);
	add_map(&r, 0x1000, at);
	add_map(&r, at + GIB, LAST);
	expect_choice(&r);
	cr_expect(ours(&r).start >= at && ours(&r).end <= at + GIB);
	teardown(&r);
}

Test(restore_layout, nothing_is_free)
{
	static const uint64_t room[] = {0, 4096, MIB, 4 * MIB};

	for (size_t i = 0; i < sizeof(room) / sizeof(*room); i++) {
		struct pk_error err = {0};
		struct pk_restore r;

		setup(&r);
		add_map(&r, 0x1000, 0x10000000000);
		add_map(&r, 0x10000000000 + room[i], LAST);
		cr_expect_eq(pk_layout_choose(&r, &err), -PK_E_HOST);
		cr_expect(err.what[0] && err.why[0]);
		cr_expect_eq(r.proc[0].plan.n_part, 0, "nothing is planned");
		teardown(&r);
	}
}

Test(restore_layout, room_for_long_programs)
{
	struct pk_restore r, small;

	setup(&small);
	expect_choice(&small);
	setup(&r);
	for (uint64_t i = 0; i < 50000; i++)
		add_map(&r, 0x100000000 + 8192 * i, 0x100000000 + 8192 * i + 4096);
	expect_choice(&r);
	cr_expect_gt(r.prog_size, small.prog_size + 50000 * 10 * sizeof(struct pk_op));
	teardown(&r);
	teardown(&small);
}

Test(restore_layout, mappings_that_are_none)
{
	static const struct pk_range bad[] = {
		{0x1001, 0x3000},
		{0x1000, 0x2800},
		{0x2000, 0x2000},
		{0x3000, 0x2000},
		{LAST, LAST + 0x1000},
		{0x1000, UINT64_MAX - 0xfff},
		{UINT64_MAX - 0xfff, 0},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct pk_error err = {0};
		struct pk_restore r;

		setup(&r);
		add_map(&r, bad[i].start, bad[i].end);
		cr_expect_eq(pk_layout_plan(&r.proc[0], &err), -PK_E_IMAGE);
		cr_expect(err.what[0] && err.why[0]);
		teardown(&r);
	}
}

Test(restore_layout, mappings_of_what_cannot_be_mapped)
{
	struct pk_error err = {0};
	struct pk_restore r;

	setup(&r);
	add_map(&r, 0x1000, 0x2000)->backing = 1000;
	cr_expect_eq(pk_layout_plan(&r.proc[0], &err), -PK_E_IMAGE, "no such record");
	teardown(&r);
	setup(&r);
	add_map(&r, 0x1000, 0x2000)->backing = r.proc[0].obj->id;
	cr_expect_eq(pk_layout_plan(&r.proc[0], &err), -PK_E_IMAGE, "a task");
	teardown(&r);
}

Test(restore_layout, a_system_call_in_the_vdso)
{
	struct pk_error err = {0};
	struct pk_restore r;

	setup(&r);
	cr_assert_eq(pk_layout_find_syscall(&r.proc[0], &err), 0, "%s", err.why);
	cr_expect_eq(memcmp((void *)r.proc[0].remote.foothold.syscall, PK_SYSCALL_INSN,
			     PK_SYSCALL_INSN_LEN),
		0);
	teardown(&r);
}
