/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group ids, capabilities, no_new_privs, securebits: credentials(7), capabilities(7). Set
 * last on each thread, because rebuilding needs the privileges that they take away.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "kind/kind.h"

enum { LAST_CAP = 63 };
#define KEEP_CAPS (1u << 4) /* SECBIT_KEEP_CAPS, which has a prctl of its own */

struct creds {
	uint32_t uid[4], gid[4]; /* real, effective, saved, file system */
	struct pk_bytes groups;  /* uint32_t each */
	uint64_t inh, prm, eff, bnd, amb;
	uint32_t no_new_privs, securebits;
};

static int ask(struct pk_view *v)
{
	pk_script_call(
		v->script, &(struct pk_call){.nr = SYS_prctl, .a = {pk_num(PR_GET_SECUREBITS)}});
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_status *s = &v->src->status;
	struct creds *c = obj;

	memcpy(c->uid, s->uid, sizeof(c->uid));
	memcpy(c->gid, s->gid, sizeof(c->gid));
	c->inh = s->cap_inh;
	c->prm = s->cap_prm;
	c->eff = s->cap_eff;
	c->bnd = s->cap_bnd;
	c->amb = s->cap_amb;
	c->no_new_privs = s->no_new_privs;
	c->securebits = (uint32_t)pk_answer_ret(v, 0);
	if (pk_bytes_set(&c->groups, s->groups, s->n_groups * sizeof(uint32_t)) < 0)
		return pk_fail_errno(err, "groups");
	return 0;
}

static bool all_are(const uint32_t id[4], uint32_t want)
{
	return id[0] == want && id[1] == want && id[2] == want && id[3] == want;
}

static void refuse_ids(struct pk_target *t, const struct creds *c)
{
	struct pk_error err;

	pk_fail(&err, PK_E_NOPERM, "the program ran as user %u, group %u", c->uid[1], c->gid[1]);
	pk_why(&err, "pckpt runs as user %u, group %u, and may not become another", t->uid, t->gid);
	pk_try(&err, "restore as the user and group that the program had (newgrp, sg)");
	pk_report_add(&t->report, &err);
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const uint64_t setid = UINT64_C(3) << 6; /* CAP_SETGID, CAP_SETUID */
	const struct creds *c = o->data;

	if ((t->caps & setid) == setid && !t->user_ns)
		return;
	if (!all_are(c->uid, t->uid) || !all_are(c->gid, t->gid))
		refuse_ids(t, c);
}

static void call(
	struct pk_plan *p, uint32_t thread, uint32_t nr, uint64_t a, uint64_t b, uint64_t d)
{
	pk_plan_call(p, PK_PH_LAST, thread,
		&(struct pk_call){
			.nr = nr, .a = {pk_num(a), pk_num(b), pk_num(d)}, .check = PK_CHECK_OK});
}

/* Become the recorded user: only where the caller may, and is another. */
static void plan_ids(struct pk_plan *p, uint32_t thread, const struct creds *c)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_LAST, thread);

	call(p, thread, SYS_prctl, PR_SET_KEEPCAPS, 1, 0);
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_setgroups,
				  .a = {pk_num(c->groups.n / 4),
					  pk_addr(pk_script_data(s, c->groups.p, c->groups.n))},
				  .check = PK_CHECK_OK,
			  });
	call(p, thread, SYS_setresgid, c->gid[0], c->gid[1], c->gid[2]);
	call(p, thread, SYS_setresuid, c->uid[0], c->uid[1], c->uid[2]);
	if (c->gid[3] != c->gid[1])
		pk_plan_call(p, PK_PH_LAST, thread,
			&(struct pk_call){.nr = SYS_setfsgid, .a = {pk_num(c->gid[3])}});
	if (c->uid[3] != c->uid[1])
		pk_plan_call(p, PK_PH_LAST, thread,
			&(struct pk_call){.nr = SYS_setfsuid, .a = {pk_num(c->uid[3])}});
	call(p, thread, SYS_prctl, PR_SET_KEEPCAPS, 0, 0);
}

static void plan_bounding(struct pk_plan *p, uint32_t thread, const struct creds *c, uint64_t have)
{
	for (uint64_t cap = 0; cap <= LAST_CAP; cap++)
		if (have >> cap & 1 && !(c->bnd >> cap & 1))
			pk_plan_call(p, PK_PH_LAST, thread,
				&(struct pk_call){.nr = SYS_prctl,
					.a = {pk_num(PR_CAPBSET_DROP), pk_num(cap)}});
}

static void plan_caps(struct pk_plan *p, uint32_t thread, const struct creds *c, uint64_t allowed)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_LAST, thread);
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint64_t prm = c->prm & allowed, eff = c->eff & allowed, inh = c->inh & allowed;
	struct pk_arg header = pk_addr(pk_script_data(s, &head, sizeof(head)));

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.permitted = (uint32_t)(prm >> 32 * i),
			.effective = (uint32_t)(eff >> 32 * i),
			.inheritable = (uint32_t)(inh >> 32 * i),
		};
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_capset,
				  .a = {header, pk_addr(pk_script_data(s, data, sizeof(data)))},
				  .check = PK_CHECK_OK,
			  });
	for (uint64_t cap = 0; cap <= LAST_CAP; cap++)
		if (c->amb & allowed & UINT64_C(1) << cap)
			call(p, thread, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap);
}

/* Capabilities that the new process has to give. In a user namespace of its own none may stay. */
static uint64_t allowed_caps(const struct pk_target *t, const struct creds *c)
{
	if (t->user_ns)
		return 0;
	if (c->prm & ~t->caps)
		pk_log(PK_LOG_WARN,
			"the program loses capabilities that pckpt does not have: 0x%lx",
			(unsigned long)(c->prm & ~t->caps));
	return t->caps;
}

static void plan_thread(struct pk_plan *p, uint32_t thread, const struct creds *c)
{
	const struct pk_target *t = p->target;
	/* A fresh user namespace begins with every capability in its bounding set. */
	uint64_t bounding = t->user_ns ? ~UINT64_C(0) >> (63 - LAST_CAP) : t->bounding;

	plan_bounding(p, thread, c, bounding & t->known_caps);
	if (c->securebits & ~KEEP_CAPS)
		pk_plan_try(p, PK_PH_LAST, thread,
			&(struct pk_call){.nr = SYS_prctl,
				.a = {pk_num(PR_SET_SECUREBITS),
					pk_num(c->securebits & ~KEEP_CAPS)}},
			"securebits 0x%x could not be set", c->securebits);
	if (!t->user_ns && t->caps >> 6 & 1 && t->caps >> 7 & 1)
		plan_ids(p, thread, c);
	if (c->no_new_privs)
		call(p, thread, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0);
	if (t->user_ns || t->caps)
		plan_caps(p, thread, c, allowed_caps(t, c));
	if (c->securebits & KEEP_CAPS)
		call(p, thread, SYS_prctl, PR_SET_KEEPCAPS, 1, 0);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct creds *c = o->data;
	const struct pk_obj *thread = NULL;

	(void)err;
	while ((thread = pk_model_next(p->model, thread, &pk_thread_type, o->owner)))
		plan_thread(p, thread->id, c);
	/* A change of ids makes a process undumpable for its own user. */
	thread = pk_model_next(p->model, NULL, &pk_thread_type, o->owner);
	if (thread)
		pk_plan_call(p, PK_PH_LAST, thread->id,
			&(struct pk_call){
				.nr = SYS_prctl, .a = {pk_num(PR_SET_DUMPABLE), pk_num(1)}});
	return 0;
}

#define C struct creds
static const struct pk_type type = {
	.name = "creds",
	.id = 57,
	.size = sizeof(C),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(C, 1, PK_F_U32, uid[0], "real user id"),
			PK_FIELD(C, 2, PK_F_U32, uid[1], "effective user id"),
			PK_FIELD(C, 3, PK_F_U32, uid[2], "saved user id"),
			PK_FIELD(C, 4, PK_F_U32, uid[3], "file system user id"),
			PK_FIELD(C, 5, PK_F_U32, gid[0], "real group id"),
			PK_FIELD(C, 6, PK_F_U32, gid[1], "effective group id"),
			PK_FIELD(C, 7, PK_F_U32, gid[2], "saved group id"),
			PK_FIELD(C, 8, PK_F_U32, gid[3], "file system group id"),
			PK_FIELD(C, 9, PK_F_BYTES, groups, "supplementary groups, u32 each"),
			PK_FIELD(C, 10, PK_F_U64, inh, "inheritable capabilities"),
			PK_FIELD(C, 11, PK_F_U64, prm, "permitted capabilities"),
			PK_FIELD(C, 12, PK_F_U64, eff, "effective capabilities"),
			PK_FIELD(C, 13, PK_F_U64, bnd, "bounding set"),
			PK_FIELD(C, 14, PK_F_U64, amb, "ambient capabilities"),
			PK_FIELD(C, 15, PK_F_U32, no_new_privs, "PR_GET_NO_NEW_PRIVS"),
			PK_FIELD(C, 16, PK_F_U32, securebits, "PR_GET_SECUREBITS"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_creds = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "user and group ids, capabilities, no_new_privs, securebits",
	.ask = ask,
	.collect = collect,
	.check = check,
	.plan = plan,
};
