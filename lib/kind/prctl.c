/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of a process that only prctl(2) knows. */
#include <errno.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

#include "kind/kind.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65 /* 6.3 */
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* 6.4 */
#define PR_GET_MEMORY_MERGE 68
#endif

struct attrs {
	uint32_t subreaper, thp_disable, mdwe, memory_merge, dumpable;
};

/* In the order of ask. A kernel that lacks one answers EINVAL, which counts as 0. */
static int ask(struct pk_view *v)
{
	size_t word = pk_script_data(v->script, NULL, 8);

	pk_script_call(v->script, &(struct pk_call){.nr = SYS_prctl,
					  .a = {pk_num(PR_GET_CHILD_SUBREAPER), pk_addr(word)}});
	pk_script_call(
		v->script, &(struct pk_call){.nr = SYS_prctl, .a = {pk_num(PR_GET_THP_DISABLE)}});
	pk_script_call(v->script, &(struct pk_call){.nr = SYS_prctl, .a = {pk_num(PR_GET_MDWE)}});
	pk_script_call(
		v->script, &(struct pk_call){.nr = SYS_prctl, .a = {pk_num(PR_GET_MEMORY_MERGE)}});
	pk_script_call(
		v->script, &(struct pk_call){.nr = SYS_prctl, .a = {pk_num(PR_GET_DUMPABLE)}});
	return 0;
}

static uint32_t answer(const struct pk_view *v, size_t i)
{
	int64_t r = pk_answer_ret(v, i);

	return r > 0 ? (uint32_t)r : 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct attrs *a = obj;

	(void)err;
	a->subreaper = *(const uint32_t *)pk_answer_data(v);
	a->thp_disable = answer(v, 1);
	a->mdwe = answer(v, 2);
	a->memory_merge = answer(v, 3);
	a->dumpable = answer(v, 4);
	return 0;
}

static void set(
	struct pk_plan *p, enum pk_phase phase, int option, uint32_t value, const char *name)
{
	pk_plan_try(p, phase, 0,
		&(struct pk_call){.nr = SYS_prctl, .a = {pk_num((uint64_t)option), pk_num(value)}},
		"prctl %s could not be set to %u", name, value);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct attrs *a = o->data;

	(void)err;
	set(p, PK_PH_TASK, PR_SET_CHILD_SUBREAPER, a->subreaper, "PR_SET_CHILD_SUBREAPER");
	set(p, PK_PH_TASK, PR_SET_THP_DISABLE, a->thp_disable, "PR_SET_THP_DISABLE");
	if (a->memory_merge)
		set(p, PK_PH_TASK, PR_SET_MEMORY_MERGE, 1, "PR_SET_MEMORY_MERGE");
	/* No way back from this one: after the last change of a mapping's protection. */
	if (a->mdwe)
		set(p, PK_PH_LATE, PR_SET_MDWE, a->mdwe, "PR_SET_MDWE");
	return 0;
}

#define A struct attrs
static const struct pk_type type = {
	.name = "prctl",
	.id = 50,
	.size = sizeof(A),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(A, 1, PK_F_U32, subreaper, "PR_GET_CHILD_SUBREAPER"),
			PK_FIELD(A, 2, PK_F_U32, thp_disable, "PR_GET_THP_DISABLE"),
			PK_FIELD(A, 3, PK_F_U32, mdwe, "PR_GET_MDWE"),
			PK_FIELD(A, 4, PK_F_U32, memory_merge, "PR_GET_MEMORY_MERGE"),
			PK_FIELD(A, 5, PK_F_U32, dumpable, "PR_GET_DUMPABLE"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_prctl = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "child subreaper, THP disable, memory-deny-write-execute, memory merge",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
