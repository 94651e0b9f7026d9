/* SPDX-License-Identifier: Apache-2.0 */
/* The list of robust mutexes that a thread holds: get_robust_list(2). */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kind/kind.h"

struct robust {
	uint64_t head, len;
};

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct robust *r = obj;
	size_t len;

	if (syscall(SYS_get_robust_list, v->thread->tid, &r->head, &len) < 0)
		return pk_fail_errno(err, "robust futex list");
	r->len = len;
	return r->head ? 0 : PK_SKIP;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct robust *r = o->data;

	(void)err;
	pk_plan_call(p, PK_PH_THREAD, o->owner,
		&(struct pk_call){
			.nr = SYS_set_robust_list,
			.a = {pk_num(r->head), pk_num(r->len)},
			.check = PK_CHECK_OK,
		});
	return 0;
}

#define R struct robust
static const struct pk_type type = {
	.name = "robust",
	.id = 67,
	.size = sizeof(R),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(R, 1, PK_F_U64, head, "set_robust_list(2)"),
			PK_FIELD(R, 2, PK_F_U64, len, "size of the head, bytes"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_robust = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "robust futex lists",
	.collect = collect,
	.plan = plan,
};
