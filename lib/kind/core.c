/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds whose objects lib/dump and lib/restore handle themselves: lib/model/job.h. */
#include <linux/prctl.h>
#include <sys/syscall.h>

#include "kind/kind.h"

const struct pk_kind pk_kind_task = {
	.type = &pk_task_type,
	.level = PK_LV_CORE,
	.summary = "pid, parent, group and session numbers, stopped state, program file",
};

static int plan_thread(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_thread *th = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_THREAD, o->id);

	(void)err;
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_prctl,
				  .a = {pk_num(PR_SET_NAME),
					  pk_addr(pk_script_str(s, th->comm ? th->comm : ""))},
				  .check = PK_CHECK_OK,
			  });
	return 0;
}

const struct pk_kind pk_kind_thread = {
	.type = &pk_thread_type,
	.level = PK_LV_CORE,
	.plan = plan_thread,
	.summary = "registers, vector state (AVX-512, AMX), signal mask, name, timed waits",
};

const struct pk_kind pk_kind_vma = {
	.type = &pk_vma_type,
	.level = PK_LV_CORE,
	.summary = "mappings: protection, advice, locks, NUMA policy, guard pages",
};

const struct pk_kind pk_kind_fds = {
	.type = &pk_fds_type,
	.level = PK_LV_CORE,
	.summary = "descriptor table: numbers, close-on-exec, which ones share a file",
};
