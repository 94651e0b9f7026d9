/* SPDX-License-Identifier: Apache-2.0 */
/* Alternate signal stack of each thread: sigaltstack(2). */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "kind/kind.h"

struct altstack {
	uint64_t sp, size;
	uint32_t flags;
};

static int ask(struct pk_view *v)
{
	size_t at = pk_script_data(v->script, NULL, sizeof(stack_t));

	pk_script_call(v->script, &(struct pk_call){.nr = SYS_sigaltstack,
					  .a = {pk_num(0), pk_addr(at)},
					  .check = PK_CHECK_OK});
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const stack_t *ss = pk_answer_data(v);
	struct altstack *a = obj;

	(void)err;
	if (ss->ss_flags & SS_DISABLE)
		return PK_SKIP;
	/* SS_ONSTACK only says where the thread runs; asked on our stack it cannot be set. */
	*a = (struct altstack){
		(uint64_t)ss->ss_sp, ss->ss_size, (uint32_t)ss->ss_flags & ~(uint32_t)SS_ONSTACK};
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct altstack *a = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_THREAD, o->owner);
	stack_t ss = {.ss_sp = (void *)a->sp, .ss_flags = (int)a->flags, .ss_size = a->size};

	(void)err;
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_sigaltstack,
				  .a = {pk_addr(pk_script_data(s, &ss, sizeof(ss)))},
				  .check = PK_CHECK_OK,
			  });
	return 0;
}

#define A struct altstack
static const struct pk_type type = {
	.name = "altstack",
	.id = 65,
	.size = sizeof(A),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(A, 1, PK_F_U64, sp, "address"),
			PK_FIELD(A, 2, PK_F_U64, size, "bytes"),
			PK_FIELD(A, 3, PK_F_U32, flags, "SS_* of sigaltstack(2)"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_altstack = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "alternate signal stacks",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
