/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling of each thread: policy, nice, real-time priority (sched_setattr(2)), I/O priority, and
 * CPU affinity.
 *
 * A job that comes back on other CPUs must not be bound to the numbers of the old ones. A thread
 * that could use all CPUs of its job then may use all of them now; a narrower mask is kept where
 * those CPUs are allowed here, else each CPU becomes the one of the same rank in the new
 * allocation.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kind/kind.h"

#define CPU_BYTES          1024 /* 8192 CPUs */
#define IOPRIO_WHO_PROCESS 1

/* The kernel's struct sched_attr, with utilisation clamps. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

struct sched {
	uint32_t policy, priority, ioprio, util_min, util_max;
	uint64_t flags, runtime, deadline, period;
	int32_t nice;
	struct pk_bytes cpus;
};

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	pid_t tid = v->thread->tid;
	struct attr a = {0};
	struct sched *s = obj;
	uint8_t cpus[CPU_BYTES];
	long n = syscall(SYS_sched_getaffinity, tid, sizeof(cpus), cpus);

	if (n < 0 || syscall(SYS_sched_getattr, tid, &a, sizeof(a), 0) < 0)
		return pk_fail_errno(err, "thread %d: scheduling", tid);
	s->policy = a.policy;
	s->flags = a.flags;
	s->nice = a.nice;
	s->priority = a.priority;
	s->runtime = a.runtime;
	s->deadline = a.deadline;
	s->period = a.period;
	s->util_min = a.util_min;
	s->util_max = a.util_max;
	s->ioprio = (uint32_t)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
	if (pk_bytes_set(&s->cpus, cpus, (size_t)n) < 0)
		return pk_fail_errno(err, "thread %d: scheduling", tid);
	return 0;
}

static bool has(const struct pk_bytes *b, size_t cpu)
{
	return cpu / 8 < b->n && ((const uint8_t *)b->p)[cpu / 8] >> cpu % 8 & 1;
}

static bool same_set(const struct pk_bytes *a, const struct pk_bytes *b)
{
	for (size_t i = 0; i < CPU_BYTES * 8; i++)
		if (has(a, i) != has(b, i))
			return false;
	return true;
}

static bool inside(const struct pk_bytes *a, const struct pk_bytes *b)
{
	for (size_t i = 0; i < a->n * 8; i++)
		if (has(a, i) && !has(b, i))
			return false;
	return true;
}

static size_t nth(const struct pk_bytes *set, size_t rank)
{
	for (size_t i = 0; i < set->n * 8; i++)
		if (has(set, i) && rank-- == 0)
			return i;
	return 0;
}

static size_t count(const struct pk_bytes *set, size_t below)
{
	size_t n = 0;

	for (size_t i = 0; i < below; i++)
		n += has(set, i);
	return n;
}

static void translate(const struct pk_bytes *mask, const struct pk_bytes *old,
	const struct pk_bytes *now, uint8_t out[CPU_BYTES])
{
	size_t n = count(now, now->n * 8);

	memset(out, 0, CPU_BYTES);
	for (size_t i = 0; n && i < mask->n * 8; i++) {
		size_t cpu;

		if (!has(mask, i))
			continue;
		cpu = nth(now, count(old, i) % n);
		out[cpu / 8] |= (uint8_t)(1u << cpu % 8);
	}
}

static void plan_affinity(struct pk_plan *p, const struct sched *s, uint32_t thread)
{
	const struct pk_obj *host = pk_model_next(p->model, NULL, &pk_host_type, PK_ANY_OWNER);
	const struct pk_bytes *old = host ? &((const struct pk_host *)host->data)->cpus : &s->cpus;
	const struct pk_bytes *now = &p->target->cpus;
	uint8_t mask[CPU_BYTES] = {0};

	if (same_set(&s->cpus, old))
		memcpy(mask, now->p, now->n < sizeof(mask) ? now->n : sizeof(mask));
	else if (inside(&s->cpus, now))
		memcpy(mask, s->cpus.p, s->cpus.n < sizeof(mask) ? s->cpus.n : sizeof(mask));
	else
		translate(&s->cpus, old, now, mask);
	pk_plan_try(p, PK_PH_LAST, thread,
		&(struct pk_call){
			.nr = SYS_sched_setaffinity,
			.a = {pk_num(0), pk_num(sizeof(mask)),
				pk_addr(pk_script_data(pk_plan_script(p, PK_PH_LAST, thread), mask,
					sizeof(mask)))},
		},
		"CPU affinity could not be set");
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct sched *s = o->data;
	struct pk_script *script = pk_plan_script(p, PK_PH_LAST, o->owner);
	struct attr a = {
		.size = sizeof(a),
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = s->priority,
		.runtime = s->runtime,
		.deadline = s->deadline,
		.period = s->period,
		.util_min = s->util_min,
		.util_max = s->util_max,
	};

	(void)err;
	if (s->ioprio)
		pk_plan_try(p, PK_PH_LAST, o->owner,
			&(struct pk_call){
				.nr = SYS_ioprio_set,
				.a = {pk_num(IOPRIO_WHO_PROCESS), pk_num(0), pk_num(s->ioprio)},
			},
			"I/O priority 0x%x could not be set", s->ioprio);
	plan_affinity(p, s, o->owner);
	pk_plan_try(p, PK_PH_LAST, o->owner,
		&(struct pk_call){
			.nr = SYS_sched_setattr,
			.a = {pk_num(0), pk_addr(pk_script_data(script, &a, sizeof(a))), pk_num(0)},
		},
		"scheduling policy %u, nice %d could not be set", s->policy, s->nice);
	return 0;
}

#define S struct sched
static const struct pk_type type = {
	.name = "sched",
	.id = 69,
	.size = sizeof(S),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(S, 1, PK_F_U32, policy, "SCHED_*"),
			PK_FIELD(S, 2, PK_F_U32, priority, "real-time priority"),
			PK_FIELD(S, 3, PK_F_U32, ioprio, "ioprio_get(2)"),
			PK_FIELD(S, 4, PK_F_U32, util_min, "sched_setattr(2)"),
			PK_FIELD(S, 5, PK_F_U32, util_max, "sched_setattr(2)"),
			PK_FIELD(S, 6, PK_F_U64, flags, "SCHED_FLAG_*"),
			PK_FIELD(S, 7, PK_F_U64, runtime, "SCHED_DEADLINE, ns"),
			PK_FIELD(S, 8, PK_F_U64, deadline, "SCHED_DEADLINE, ns"),
			PK_FIELD(S, 9, PK_F_U64, period, "SCHED_DEADLINE, ns"),
			PK_FIELD(S, 10, PK_F_I32, nice, "nice value"),
			PK_FIELD(S, 11, PK_F_BYTES, cpus, "bit mask, sched_getaffinity(2)"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_sched = {
	.type = &type,
	.level = PK_LV_THREAD,
	.summary = "CPU affinity, nice, scheduling policy, I/O priority",
	.collect = collect,
	.plan = plan,
};
