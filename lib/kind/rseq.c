/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration of restartable sequences. A thread stopped inside a section was sent to its abort
 * handler when it was frozen (lib/ptrace/rseq.h), so nothing but the registration is left to keep.
 */
#include "ptrace/rseq.h"

#include <errno.h>
#include <sys/syscall.h>

#include "kind/kind.h"

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct pk_rseq *rs = obj;
	int r = pk_rseq_get(v->thread, rs, err);

	return r < 0 ? r : rs->address ? 0 : PK_SKIP;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_rseq *rs = o->data;

	(void)err;
	pk_plan_call(p, PK_PH_THREAD, o->owner,
		&(struct pk_call){
			.nr = SYS_rseq,
			.a = {pk_num(rs->address), pk_num(rs->size), pk_num(0),
				pk_num(rs->signature)},
			.check = PK_CHECK_OK,
		});
	return 0;
}

#define R struct pk_rseq
static const struct pk_type type = {
	.name = "rseq",
	.id = 68,
	.size = sizeof(R),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(R, 1, PK_F_U64, address, "rseq(2): of the thread's struct rseq"),
			PK_FIELD(R, 2, PK_F_U32, size, "bytes registered"),
			PK_FIELD(R, 3, PK_F_U32, signature, "before each abort handler"),
			PK_FIELD(R, 4, PK_F_U32, flags, "of the registration"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_rseq = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "rseq registrations; a thread stopped inside a section aborts it",
	.collect = collect,
	.plan = plan,
};
