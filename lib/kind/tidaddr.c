/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address where the kernel clears a thread's number when it ends (set_tid_address(2)): libc's
 * pthread_join waits there. Where the thread gets a new number (--pid=any) and libc keeps the old
 * one at this address, it is written there too: glibc signals threads by it.
 */
#include <errno.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

#include "kind/kind.h"

struct tidaddr {
	uint64_t address;
};

static int ask(struct pk_view *v)
{
	size_t at = pk_script_data(v->script, NULL, 8);

	pk_script_call(v->script,
		&(struct pk_call){.nr = SYS_prctl, .a = {pk_num(PR_GET_TID_ADDRESS), pk_addr(at)}});
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct tidaddr *t = obj;

	if (pk_answer_ret(v, 0) < 0) {
		pk_fail(err, PK_E_HOST, "address of the thread's number");
		pk_why(err, "this kernel is built without CONFIG_CHECKPOINT_RESTORE");
		return pk_try(err, "use a node with a distribution's own kernel");
	}
	t->address = *(const uint64_t *)pk_answer_data(v);
	return t->address ? 0 : PK_SKIP;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct tidaddr *t = o->data;
	const struct pk_obj *thread = pk_model_find(p->model, o->owner, &pk_thread_type);

	(void)err;
	if (thread && p->target->pids == PK_PID_ANY)
		pk_plan_replace(
			p, &(struct pk_replace){
				   .at = t->address,
				   .was = (uint32_t)((const struct pk_thread *)thread->data)->tid,
				   .now = (uint32_t)pk_plan_tid(p, thread),
			   });
	pk_plan_call(p, PK_PH_THREAD, o->owner,
		&(struct pk_call){.nr = SYS_set_tid_address, .a = {pk_num(t->address)}});
	return 0;
}

#define T struct tidaddr
static const struct pk_type type = {
	.name = "tidaddr",
	.id = 66,
	.size = sizeof(T),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(T, 1, PK_F_U64, address, "set_tid_address(2)"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_tidaddr = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "clear_child_tid, on which pthread_join waits",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
