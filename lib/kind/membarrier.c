/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations of membarrier(2): without them JITs and liburcu get EPERM where they expect none.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "kind/kind.h"

#define CMD_GET_REGISTRATIONS (1 << 9) /* 6.3 */

struct membarrier {
	uint32_t registrations; /* MEMBARRIER_CMD_REGISTER_* */
};

static const struct {
	int use, registration;
} commands[] = {
	{MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED},
	{MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE},
	{MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ},
	{MEMBARRIER_CMD_GLOBAL_EXPEDITED, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED},
};
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static size_t call(struct pk_script *s, int cmd)
{
	return pk_script_call(
		s, &(struct pk_call){.nr = SYS_membarrier, .a = {pk_num((uint64_t)cmd)}});
}

static int ask(struct pk_view *v)
{
	call(v->script, CMD_GET_REGISTRATIONS);
	return 0;
}

/*
 * Older kernels: a barrier of a sort that is not registered fails with EPERM, one that is does no
 * harm. The global one needs no registration to be used, and cannot be told.
 */
static int probe(struct pk_view *v, struct membarrier *m, struct pk_error *err)
{
	struct pk_script s = {0};
	int r;

	for (size_t i = 0; i + 1 < N_COMMANDS; i++)
		call(&s, commands[i].use);
	r = pk_source_run(v->src, &s, err);
	for (size_t i = 0; r == 0 && i < s.n; i++)
		if (pk_script_ret(&s, i) == 0)
			m->registrations |= (uint32_t)commands[i].registration;
	pk_script_free(&s);
	return r;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct membarrier *m = obj;
	int64_t r = pk_answer_ret(v, 0);
	int e = 0;

	if (r >= 0)
		m->registrations = (uint32_t)r;
	else
		e = probe(v, m, err);
	return e < 0 ? e : m->registrations ? 0 : PK_SKIP;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct membarrier *m = o->data;

	(void)err;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		uint32_t cmd = (uint32_t)commands[i].registration;

		if (m->registrations & cmd)
			pk_plan_call(p, PK_PH_TASK, 0,
				&(struct pk_call){.nr = SYS_membarrier,
					.a = {pk_num(cmd)},
					.check = PK_CHECK_OK});
	}
	return 0;
}

#define M struct membarrier
static const struct pk_type type = {
	.name = "membarrier",
	.id = 51,
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_U32, registrations, "MEMBARRIER_CMD_REGISTER_* bits"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_membarrier = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "membarrier registrations",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
