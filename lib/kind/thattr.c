/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of a thread that prctl(2), arch_prctl(2) and personality(2) know. A table: how each is
 * asked, what it is by default, how it is set.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "kind/kind.h"

#define SPEC_SETTABLE (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC)

struct thattr {
	uint64_t timerslack;
	uint32_t pdeathsig, tsc, mce_kill, io_flusher, personality;
	uint32_t spec[3]; /* PR_SPEC_STORE_BYPASS, INDIRECT_BRANCH, L1D_FLUSH */
	uint32_t cpuid_faults;
};

/* The answers that come through a pointer. */
struct words {
	uint32_t pdeathsig, tsc;
};

enum {
	OP_PDEATHSIG,
	OP_TSC,
	OP_SLACK,
	OP_MCE,
	OP_FLUSHER,
	OP_PERSONALITY,
	OP_SPEC,
	OP_CPUID = OP_SPEC + 3,
	OP_LDT
};

static void ask_one(struct pk_view *v, uint32_t nr, uint64_t option, struct pk_arg a)
{
	pk_script_call(v->script, &(struct pk_call){.nr = nr, .a = {pk_num(option), a}});
}

static int ask(struct pk_view *v)
{
	size_t w = pk_script_data(v->script, NULL, sizeof(struct words)), ldt;

	ask_one(v, SYS_prctl, PR_GET_PDEATHSIG, pk_addr(w + offsetof(struct words, pdeathsig)));
	ask_one(v, SYS_prctl, PR_GET_TSC, pk_addr(w + offsetof(struct words, tsc)));
	ask_one(v, SYS_prctl, PR_GET_TIMERSLACK, pk_num(0));
	ask_one(v, SYS_prctl, PR_MCE_KILL_GET, pk_num(0));
	ask_one(v, SYS_prctl, PR_GET_IO_FLUSHER, pk_num(0));
	ask_one(v, SYS_personality, 0xffffffff, pk_num(0));
	for (uint64_t i = 0; i < 3; i++)
		ask_one(v, SYS_prctl, PR_GET_SPECULATION_CTRL, pk_num(i));
	ask_one(v, SYS_arch_prctl, ARCH_GET_CPUID, pk_num(0));
	/* modify_ldt(0, buf, 16): how many bytes of a local descriptor table there are */
	ldt = pk_script_data(v->script, NULL, 16);
	pk_script_call(v->script, &(struct pk_call){.nr = SYS_modify_ldt,
					  .a = {pk_num(0), pk_addr(ldt), pk_num(16)}});
	return 0;
}

static uint32_t positive(const struct pk_view *v, size_t op)
{
	int64_t r = pk_answer_ret(v, op);

	return r > 0 ? (uint32_t)r : 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct words *w = pk_answer_data(v);
	struct thattr *a = obj;

	if (pk_answer_ret(v, OP_LDT) > 0) {
		pk_fail(err, PK_E_UNSUPPORTED, "thread %d: local descriptor table", v->thread->tid);
		pk_why(err, "it runs code for 16 or 32 bits (modify_ldt)");
		return pk_try(err, "use a 64-bit version of the program");
	}
	a->pdeathsig = w->pdeathsig;
	a->tsc = pk_answer_ret(v, OP_TSC) == 0 ? w->tsc : 0;
	a->timerslack = (uint64_t)pk_answer_ret(v, OP_SLACK);
	a->mce_kill = positive(v, OP_MCE);
	a->io_flusher = positive(v, OP_FLUSHER);
	a->personality = (uint32_t)pk_answer_ret(v, OP_PERSONALITY);
	for (size_t i = 0; i < 3; i++)
		a->spec[i] = positive(v, OP_SPEC + i);
	a->cpuid_faults = pk_answer_ret(v, OP_CPUID) == 0;
	return 0;
}

static void set(
	struct pk_plan *p, uint32_t thread, uint32_t nr, const uint64_t a[3], const char *name)
{
	pk_plan_try(p, PK_PH_THREAD, thread,
		&(struct pk_call){.nr = nr, .a = {pk_num(a[0]), pk_num(a[1]), pk_num(a[2])}},
		"%s could not be set", name);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct thattr *a = o->data;
	uint32_t t = o->owner;

	(void)err;
	set(p, t, SYS_personality, (uint64_t[3]){a->personality}, "personality");
	set(p, t, SYS_prctl, (uint64_t[3]){PR_SET_TIMERSLACK, a->timerslack}, "timer slack");
	if (a->tsc)
		set(p, t, SYS_prctl, (uint64_t[3]){PR_SET_TSC, a->tsc}, "PR_SET_TSC");
	if (a->mce_kill != PR_MCE_KILL_DEFAULT)
		set(p, t, SYS_prctl, (uint64_t[3]){PR_MCE_KILL, PR_MCE_KILL_SET, a->mce_kill},
			"PR_MCE_KILL");
	if (a->io_flusher)
		set(p, t, SYS_prctl, (uint64_t[3]){PR_SET_IO_FLUSHER, 1}, "PR_SET_IO_FLUSHER");
	for (uint64_t i = 0; i < 3; i++)
		if (a->spec[i] & PR_SPEC_PRCTL && a->spec[i] & SPEC_SETTABLE)
			set(p, t, SYS_prctl,
				(uint64_t[3]){
					PR_SET_SPECULATION_CTRL, i, a->spec[i] & SPEC_SETTABLE},
				"speculation control");
	if (a->cpuid_faults)
		set(p, t, SYS_arch_prctl, (uint64_t[3]){ARCH_SET_CPUID, 0}, "CPUID faulting");
	/* After credentials, whose change clears it. */
	pk_plan_call(p, PK_PH_LAST, t,
		&(struct pk_call){
			.nr = SYS_prctl, .a = {pk_num(PR_SET_PDEATHSIG), pk_num(a->pdeathsig)}});
	return 0;
}

#define A struct thattr
static const struct pk_type type = {
	.name = "thattr",
	.id = 71,
	.size = sizeof(A),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(A, 1, PK_F_U64, timerslack, "PR_GET_TIMERSLACK, ns"),
			PK_FIELD(A, 2, PK_F_U32, pdeathsig, "PR_GET_PDEATHSIG"),
			PK_FIELD(A, 3, PK_F_U32, tsc, "PR_GET_TSC"),
			PK_FIELD(A, 4, PK_F_U32, mce_kill, "PR_MCE_KILL_GET"),
			PK_FIELD(A, 5, PK_F_U32, io_flusher, "PR_GET_IO_FLUSHER"),
			PK_FIELD(A, 6, PK_F_U32, personality, "personality(2)"),
			PK_FIELD(A, 7, PK_F_U32, spec[0], "PR_GET_SPECULATION_CTRL, store bypass"),
			PK_FIELD(A, 8, PK_F_U32, spec[1],
				"PR_GET_SPECULATION_CTRL, indirect branch"),
			PK_FIELD(A, 9, PK_F_U32, spec[2], "PR_GET_SPECULATION_CTRL, L1D flush"),
			PK_FIELD(A, 10, PK_F_U32, cpuid_faults, "1: ARCH_SET_CPUID 0"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_thattr = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "timer slack, personality, parent-death signal, speculation control, TSC, CPUID",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
