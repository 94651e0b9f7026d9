/* SPDX-License-Identifier: Apache-2.0 */
/* Signal actions, all 64, with flags, masks and restorers: rt_sigaction(2). */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "kind/kind.h"

/* The kernel's struct sigaction: not libc's. */
struct ksigaction {
	uint64_t handler, flags, restorer, mask;
};
enum { N_SIGNALS = 64 };

struct sigact {
	struct pk_bytes actions; /* struct ksigaction[64], of signals 1 .. 64 */
};

static bool settable(int sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

static int ask(struct pk_view *v)
{
	size_t at = pk_script_data(v->script, NULL, N_SIGNALS * sizeof(struct ksigaction));

	for (int sig = 1; sig <= N_SIGNALS; sig++)
		pk_script_call(v->script,
			&(struct pk_call){
				.nr = SYS_rt_sigaction,
				.a = {pk_num((uint64_t)sig), pk_num(0),
					pk_addr(at + (size_t)(sig - 1) * sizeof(struct ksigaction)),
					pk_num(8)},
				.check = PK_CHECK_OK,
			});
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct sigact *a = obj;

	if (pk_bytes_set(&a->actions, pk_answer_data(v), N_SIGNALS * sizeof(struct ksigaction)) < 0)
		return pk_fail_errno(err, "signal actions");
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct sigact *a = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
	size_t at;

	if (a->actions.n != N_SIGNALS * sizeof(struct ksigaction)) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "it does not hold 64 signal actions");
	}
	at = pk_script_data(s, a->actions.p, a->actions.n);
	for (int sig = 1; sig <= N_SIGNALS; sig++)
		if (settable(sig))
			pk_script_call(
				s, &(struct pk_call){
					   .nr = SYS_rt_sigaction,
					   .a = {pk_num((uint64_t)sig),
						   pk_addr(at + (size_t)(sig - 1) *
									sizeof(struct ksigaction)),
						   pk_num(0), pk_num(8)},
					   .check = PK_CHECK_OK,
				   });
	return 0;
}

#define A struct sigact
static const struct pk_type type = {
	.name = "sigact",
	.id = 52,
	.size = sizeof(A),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(A, 1, PK_F_BYTES, actions,
				"u64 handler, flags, restorer, mask of signals 1 to 64"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_sigact = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "actions of all signals",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
