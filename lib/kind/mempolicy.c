/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA policy of each thread: get_mempolicy(2). (That of a mapping is part of the vma.) */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "kind/kind.h"

enum { NODE_BITS = 1024 };

struct answer {
	int32_t mode, pad;
	uint8_t nodes[NODE_BITS / 8];
};

struct mempolicy {
	uint32_t mode; /* MPOL_*, with its flags */
	struct pk_bytes nodes;
};

static int ask(struct pk_view *v)
{
	size_t at = pk_script_data(v->script, NULL, sizeof(struct answer));

	pk_script_call(v->script,
		&(struct pk_call){
			.nr = SYS_get_mempolicy,
			.a = {pk_addr(at + offsetof(struct answer, mode)),
				pk_addr(at + offsetof(struct answer, nodes)), pk_num(NODE_BITS)},
		});
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct answer *a = pk_answer_data(v);
	struct mempolicy *m = obj;

	/* ENOSYS: a kernel without NUMA. */
	if (pk_answer_ret(v, 0) < 0 || !a->mode)
		return PK_SKIP;
	m->mode = (uint32_t)a->mode;
	if (pk_bytes_set(&m->nodes, a->nodes, sizeof(a->nodes)) < 0)
		return pk_fail_errno(err, "NUMA policy");
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct mempolicy *m = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_THREAD, o->owner);

	(void)err;
	pk_plan_try(p, PK_PH_THREAD, o->owner,
		&(struct pk_call){
			.nr = SYS_set_mempolicy,
			.a = {pk_num(m->mode), pk_addr(pk_script_data(s, m->nodes.p, m->nodes.n)),
				pk_num(m->nodes.n * 8 + 1)},
		},
		"NUMA policy 0x%x could not be set: its nodes may not exist here", m->mode);
	return 0;
}

#define M struct mempolicy
static const struct pk_type type = {
	.name = "mempolicy",
	.id = 70,
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_U32, mode, "set_mempolicy(2) mode and flags"),
			PK_FIELD(M, 2, PK_F_BYTES, nodes, "node mask"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_mempolicy = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "NUMA policy of threads and mappings",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
