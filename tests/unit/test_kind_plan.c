/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "kind/kind.h"
#include "kind/plan.h"

static const struct pk_call some_call = {.nr = 1};

Test(kind_plan, one_part_for_each_phase_and_thread)
{
	struct pk_plan p = {0};
	struct pk_script *late = pk_plan_script(&p, PK_PH_LATE, 0);

	cr_expect_eq(pk_plan_script(&p, PK_PH_LATE, 0), late);
	cr_expect_eq(pk_plan_call(&p, PK_PH_LATE, 0, &some_call), 0);
	cr_expect_eq(pk_plan_call(&p, PK_PH_MAP, 0, &some_call), 0);
	cr_expect_eq(pk_plan_call(&p, PK_PH_THREAD, 5, &some_call), 0);
	cr_expect_eq(pk_plan_call(&p, PK_PH_THREAD, 6, &some_call), 0);
	cr_expect_eq(pk_plan_call(&p, PK_PH_THREAD, 5, &some_call), 1);
	cr_expect_eq(pk_plan_call(&p, PK_PH_LATE, 0, &some_call), 1);
	cr_assert_eq(p.n_part, 4);
	cr_expect(p.part[2].phase == PK_PH_THREAD && p.part[2].thread == 5);
	cr_expect(p.part[2].script.n == 2 && p.part[3].script.n == 1);
	cr_expect_not(p.failed);
	pk_plan_free(&p);
	cr_expect_eq(p.n_part, 0);
}

Test(kind_plan, many_threads)
{
	enum { N = 5000 };
	struct pk_plan p = {0};

	for (uint32_t i = 0; i < N; i++)
		for (uint32_t k = 0; k < 3; k++)
			pk_plan_call(&p, PK_PH_THREAD, i, &(struct pk_call){.nr = 3 * i + k});
	cr_assert(p.n_part == N && !p.failed);
	for (uint32_t i = 0; i < N; i++)
		cr_expect(p.part[i].thread == i && p.part[i].script.n == 3 &&
			  p.part[i].script.op[2].nr == 3 * i + 2);
	pk_plan_free(&p);
}

Test(kind_plan, a_call_that_may_fail)
{
	struct pk_plan p = {0};
	const struct pk_plan_part *part;

	pk_plan_call(&p, PK_PH_MM, 0, &some_call);
	pk_plan_try(&p, PK_PH_MM, 0, &(struct pk_call){.nr = 9}, "mapping %x", 0xabc);
	pk_plan_try(&p, PK_PH_MM, 0, &(struct pk_call){.nr = 10}, "100%%");
	part = pk_plan_part(&p, PK_PH_MM, 0);
	cr_assert(part->script.n == 3 && part->n_note == 2);
	cr_expect_eq(part->note[0].op, 1);
	cr_expect_str_eq(part->note[0].text, "mapping abc");
	cr_expect_eq(part->note[1].op, 2);
	cr_expect_str_eq(part->note[1].text, "100%");
	cr_expect_eq(part->script.op[1].nr, 9);
	cr_expect_eq(part->script.op[1].check, PK_CHECK_NONE, "it does not stop the program");
	pk_plan_free(&p);
}

Test(kind_plan, new_numbers)
{
	struct pk_new_id id[] = {{2, 100}, {3, 101}, {7, 1}, {UINT32_MAX, 55}};
	struct pk_target t = {.new_id = id, .n_new_id = sizeof(id) / sizeof(*id)};
	struct pk_task had = {.pid = 42};
	struct pk_thread th = {.tid = 43};
	struct pk_plan p = {.target = &t};

	for (size_t i = 0; i < t.n_new_id; i++) {
		const struct pk_obj o = {.id = id[i].obj, .data = &th};
		const struct pk_obj to = {.id = id[i].obj, .data = &had};

		cr_expect_eq(pk_plan_pid(&p, &to), id[i].id);
		cr_expect_eq(pk_plan_tid(&p, &o), id[i].id);
	}
	cr_expect_eq(pk_plan_pid(&p, &(struct pk_obj){.id = 1, .data = &had}), 42);
	cr_expect_eq(pk_plan_pid(&p, &(struct pk_obj){.id = 5, .data = &had}), 42);
	cr_expect_eq(pk_plan_pid(&p, &(struct pk_obj){.id = 8, .data = &had}), 42);
	t.n_new_id = 0;
	cr_expect_eq(pk_plan_pid(&p, &(struct pk_obj){.id = 2, .data = &had}), 42);
}

Test(kind_plan, sinks)
{
	struct pk_plan p = {0};

	cr_expect_null(pk_plan_find_sink(&p, 1));
	for (uint32_t i = 1; i < 40; i++)
		pk_plan_sink(&p, &(struct pk_sink){.obj = i, .base = 0x1000 * i, .len = i});
	cr_assert_not_null(pk_plan_find_sink(&p, 17));
	cr_expect_eq(pk_plan_find_sink(&p, 17)->base, 0x11000);
	cr_expect_null(pk_plan_find_sink(&p, 40));
	pk_plan_free(&p);
}

Test(kind_plan, scratch)
{
	struct pk_plan p = {.scratch = 0x100000, .scratch_end = 0x108000};

	cr_expect_eq(pk_plan_scratch(&p, 0x1000), 0x100000);
	cr_expect_eq(pk_plan_scratch(&p, 1), 0x101000);
	cr_expect_eq(pk_plan_scratch(&p, 0x1001), 0x102000, "whole pages");
	cr_expect_eq(pk_plan_scratch(&p, 0x4001), 0, "full");
	cr_expect_eq(pk_plan_scratch(&p, UINT64_MAX), 0);
	cr_expect_eq(pk_plan_scratch(&p, UINT64_MAX - 0x102000), 0);
	cr_expect_eq(pk_plan_scratch(&p, 0x4000), 0x104000, "to the last byte");
	cr_expect_eq(pk_plan_scratch(&p, 1), 0);
}

Test(kind_plan, patches_are_copies)
{
	struct pk_plan p = {0};
	char bytes[] = "abc";

	pk_plan_patch(&p, 0x1000, bytes, 3);
	bytes[0] = 'x';
	pk_plan_patch(&p, 0x2000, bytes, 1);
	pk_plan_patch(&p, 0x3000, NULL, 0);
	cr_assert(p.n_patch == 3 && !p.failed);
	cr_expect(p.patch[0].at == 0x1000 && p.patch[0].bytes.n == 3);
	cr_expect_eq(memcmp(p.patch[0].bytes.p, "abc", 3), 0);
	cr_expect_eq(memcmp(p.patch[1].bytes.p, "x", 1), 0);
	cr_expect_eq(p.patch[2].bytes.n, 0);
	pk_plan_free(&p);
}

/* Numbers on disk: each of one kind, none of the kind that refuses. */
Test(kind_table, record_types)
{
	for (size_t i = 0; pk_kinds[i] && pk_kinds[i] != &pk_kind_unsupported; i++) {
		const struct pk_kind *k = pk_kinds[i];

		cr_expect_not_null(k->summary);
		cr_assert_not_null(k->type);
		cr_expect_eq(pk_kind_of(k->type), k);
		cr_expect_eq(pk_kind_lookup(k->type->id), k->type, "%s", k->type->name);
		for (size_t j = 0; j < i; j++)
			cr_expect_neq(k->type->id, pk_kinds[j]->type->id, "%s and %s",
				k->type->name, pk_kinds[j]->type->name);
	}
	cr_expect_null(pk_kind_lookup(0));
	cr_expect_null(pk_kind_lookup(pk_kind_unsupported.type->id));
}
