/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits: getrlimit(2). Set late, because rebuilding needs room. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "kind/kind.h"

struct rlimits {
	struct pk_bytes limits; /* struct rlimit[RLIM_NLIMITS] */
};

static const char *const names[] = {
	[RLIMIT_CPU] = "CPU time (-t)",
	[RLIMIT_FSIZE] = "file size (-f)",
	[RLIMIT_DATA] = "data (-d)",
	[RLIMIT_STACK] = "stack (-s)",
	[RLIMIT_CORE] = "core file (-c)",
	[RLIMIT_RSS] = "resident set (-m)",
	[RLIMIT_NPROC] = "processes (-u)",
	[RLIMIT_NOFILE] = "open files (-n)",
	[RLIMIT_MEMLOCK] = "locked memory (-l)",
	[RLIMIT_AS] = "address space (-v)",
	[RLIMIT_LOCKS] = "file locks (-x)",
	[RLIMIT_SIGPENDING] = "pending signals (-i)",
	[RLIMIT_MSGQUEUE] = "message queues (-q)",
	[RLIMIT_NICE] = "nice (-e)",
	[RLIMIT_RTPRIO] = "real-time priority (-r)",
	[RLIMIT_RTTIME] = "real-time CPU time (-R)",
};

/* Asked inside: the limits of another user's process take CAP_SYS_RESOURCE. */
static int ask(struct pk_view *v)
{
	size_t at = pk_script_data(v->script, NULL, sizeof(struct rlimit) * RLIM_NLIMITS);

	for (size_t i = 0; i < RLIM_NLIMITS; i++)
		pk_script_call(v->script, &(struct pk_call){
						  .nr = SYS_prlimit64,
						  .a = {pk_num(0), pk_num(i), pk_num(0),
							  pk_addr(at + i * sizeof(struct rlimit))},
						  .check = PK_CHECK_OK,
					  });
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct rlimits *r = obj;

	if (pk_bytes_set(&r->limits, pk_answer_data(v), sizeof(struct rlimit) * RLIM_NLIMITS) < 0)
		return pk_fail_errno(err, "limits");
	return 0;
}

/* A hard limit can only go down without privilege: what is not allowed here any more is cut. */
static struct rlimit clamp(int i, const struct rlimit *want, const struct pk_target *t)
{
	const uint64_t may_raise = UINT64_C(1) << 24; /* CAP_SYS_RESOURCE */
	struct rlimit now, set = *want;

	if ((t->caps & may_raise && !t->user_ns) || getrlimit((__rlimit_resource_t)i, &now) < 0 ||
		want->rlim_max <= now.rlim_max)
		return set;
	set.rlim_max = now.rlim_max;
	if (want->rlim_cur > now.rlim_max) {
		set.rlim_cur = now.rlim_max;
		pk_log(PK_LOG_WARN, "limit on %s: %ld at the dump, but only %ld is allowed here",
			names[i], (long)want->rlim_cur, (long)now.rlim_max);
	}
	return set;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct rlimits *r = o->data;
	const struct rlimit *limits = r->limits.p;
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);

	(void)err;
	for (int i = 0; i < RLIM_NLIMITS && (i + 1u) * sizeof(*limits) <= r->limits.n; i++) {
		struct rlimit set = clamp(i, &limits[i], p->target);

		pk_plan_try(p, PK_PH_LATE, 0,
			&(struct pk_call){
				.nr = SYS_prlimit64,
				.a = {pk_num(0), pk_num((uint64_t)i),
					pk_addr(pk_script_data(s, &set, sizeof(set)))},
			},
			"limit on %s could not be set", names[i]);
	}
	return 0;
}

#define R struct rlimits
static const struct pk_type type = {
	.name = "rlimit",
	.id = 54,
	.size = sizeof(R),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(R, 1, PK_F_BYTES, limits,
				"u64 soft, u64 hard of RLIMIT_CPU (0) to RLIMIT_RTTIME (15)"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_rlimit = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "resource limits, as far as they may be raised again",
	.ask = ask,
	.collect = collect,
	.plan = plan,
};
