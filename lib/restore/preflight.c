/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before anything starts: what this host and this user can do, how the program gets its numbers,
 * and every obstacle that the kinds can see, all at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "restore/restore_internal.h"

#define CAP_BIT(c) (UINT64_C(1) << (c))

static uint64_t bounding_set(void)
{
	uint64_t set = 0;

	for (int c = 0; c < cap_max_bits(); c++)
		if (cap_get_bound(c) == 1)
			set |= CAP_BIT(c);
	return set;
}

static uint64_t effective_caps(void)
{
	cap_t caps = cap_get_proc();
	uint64_t set = 0;

	for (int c = 0; caps && c < cap_max_bits(); c++) {
		cap_flag_value_t v;

		if (cap_get_flag(caps, c, CAP_EFFECTIVE, &v) == 0 && v == CAP_SET)
			set |= CAP_BIT(c);
	}
	cap_free(caps);
	return set;
}

static int no_task(const struct pk_restore *r, struct pk_error *err)
{
	pk_fail(err, PK_E_IMAGE, "%s", r->image.path);
	return pk_why(err, "it has no complete task in it");
}

static struct pk_proc *proc_of_pid(struct pk_restore *r, int32_t pid)
{
	for (size_t i = 0; i < r->n_procs; i++)
		if (r->proc[i].task->pid == pid)
			return &r->proc[i];
	return NULL;
}

/* Tasks come parents first; all but the first have their parent in the job. */
static int add_proc(struct pk_restore *r, const struct pk_obj *task, struct pk_error *err)
{
	const struct pk_model *m = &r->image.model;
	struct pk_proc *p = &r->proc[r->n_procs];
	const struct pk_obj *mm = pk_model_next(m, NULL, &pk_mm_type, task->id), *vma = NULL;

	*p = (struct pk_proc){.r = r, .obj = task, .task = task->data};
	if (r->n_procs && !(p->parent = proc_of_pid(r, p->task->ppid)))
		return no_task(r, err);
	if (p->task->vm_of && (!p->parent || p->parent->obj->id != p->task->vm_of || mm))
		return no_task(r, err);
	if (!p->task->zombie &&
		((!mm && !p->task->vm_of) || !pk_model_next(m, NULL, &pk_thread_type, task->id)))
		return no_task(r, err);
	p->mm = mm ? mm->data : NULL;
	p->mm_id = mm ? mm->id : 0;
	while (p->parent && (vma = pk_model_next(m, vma, &pk_vma_type, task->id)))
		if (((const struct pk_vma *)vma->data)->inherited)
			p->parent->heirs = true;
	r->n_procs++;
	return 0;
}

int pk_preflight_job(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_model *m = &r->image.model;
	const struct pk_obj *host = pk_model_next(m, NULL, &pk_host_type, PK_ANY_OWNER);
	const struct pk_obj *task = NULL;
	size_t n = 0;
	int e = 0;

	for (struct pk_obj *o = NULL; (o = pk_model_next(m, o, NULL, PK_ANY_OWNER));)
		if (pk_type_complete(o->type, o->data) < 0)
			return pk_fail_errno(err, "%s", r->image.path);
	while ((task = pk_model_next(m, task, &pk_task_type, PK_ANY_OWNER)))
		n++;
	r->proc = calloc(n + 1, sizeof(*r->proc));
	if (!r->proc)
		return pk_fail_errno(err, "processes");
	while (e == 0 && (task = pk_model_next(m, task, &pk_task_type, PK_ANY_OWNER)))
		e = add_proc(r, task, err);
	if (e == 0 && (!host || !n || r->proc[0].task->zombie))
		e = no_task(r, err);
	if (e < 0)
		return e;
	r->host = host->data;
	r->task = r->proc[0].task;
	return 0;
}

static int fill_target(struct pk_restore *r, struct pk_error *err)
{
	struct pk_target *t = &r->target;
	uint8_t cpus[1024];
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus);

	t->model = &r->image.model;
	t->uid = geteuid();
	t->gid = getegid();
	t->caps = effective_caps();
	t->bounding = bounding_set();
	t->known_caps = cap_max_bits() >= 64 ? ~UINT64_C(0) : CAP_BIT(cap_max_bits()) - 1;
	t->store = r->image.store_path;
	t->inherit_std = r->o->inherit_stdio;
	t->supervised = r->o->supervised;
	t->redirect_vdso = r->o->redirect_vdso;
	pk_cpu_probe(&t->cpu);
	for (int i = 0; i < 3; i++)
		t->std[i] = fcntl(i, F_GETFD) < 0 ? -1 : i;
	if (n < 0 || pk_bytes_set(&t->cpus, cpus, (size_t)n) < 0)
		return pk_fail_errno(err, "CPUs");
	return 0;
}

/* Whether this user may have a user namespace with a pid namespace in it: by trying. */
static bool user_ns_works(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) < 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int refuse_pids(struct pk_error *err, const char *why, const char *try)
{
	pk_fail(err, PK_E_NOPERM, "the program cannot get its process numbers");
	pk_why(err, "%s", why);
	return pk_try(err, "%s", try);
}

/* --pid=same: every number must be free. */
static int check_free(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(&r->image.model, o, &pk_thread_type, PK_ANY_OWNER))) {
		pid_t tid = ((const struct pk_thread *)o->data)->tid;
		char name[64];
		PK_FREE char *comm = NULL;

		if (kill(tid, 0) < 0 && errno == ESRCH)
			continue;
		snprintf(name, sizeof(name), "/proc/%d/comm", tid);
		comm = pk_read_file(AT_FDCWD, name, 64, NULL);
		if (comm)
			comm[strcspn(comm, "\n")] = '\0';
		pk_fail(err, PK_E_TEMPFAIL, "process number %d is taken by %s", tid,
			comm ? comm : "a process that is just ending");
		pk_why(err, "--pid=same wants the original numbers in this namespace");
		return pk_try(err, "wait until it has ended, or use --pid=ns");
	}
	return 0;
}

static int choose_pids(struct pk_restore *r, struct pk_error *err)
{
	struct pk_target *t = &r->target;
	bool admin = t->caps & CAP_BIT(CAP_SYS_ADMIN);
	bool set_tid = t->caps & (CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_CHECKPOINT_RESTORE));
	bool ns = admin || user_ns_works();

	t->pids = (enum pk_pid_mode)r->o->pids;
	if (t->pids == PK_PID_AUTO)
		t->pids = ns ? PK_PID_NS : PK_PID_ANY;
	if (t->pids == PK_PID_ANY && r->n_procs > 1)
		return refuse_pids(err,
			r->o->pids == PCKPT_PIDS_AUTO ? "user namespaces are forbidden on this host"
						      : "--pid=any gives new ones, and this job "
							"has several processes that "
							"know each other's",
			"--pid=ns, or ask for user.max_user_namespaces > 0");
	if (t->pids == PK_PID_NS && !ns)
		return refuse_pids(err, "user namespaces are forbidden on this host",
			"--pid=any, or ask for user.max_user_namespaces > 0");
	if (t->pids == PK_PID_SAME && !set_tid)
		return refuse_pids(err, "--pid=same needs the capability cap_checkpoint_restore",
			"--pid=ns, or run as root");
	if (t->pids == PK_PID_ANY && r->o->pids == PCKPT_PIDS_AUTO)
		pk_log(PK_LOG_WARN,
			"user namespaces are forbidden here: the program gets new process numbers");
	t->user_ns = t->pids == PK_PID_NS && !admin;
	t->may_set_exe = t->user_ns || set_tid;
	r->has_close_range = syscall(SYS_close_range, ~0u, ~0u, 0) == 0;
	return t->pids == PK_PID_SAME ? check_free(r, err) : 0;
}

/* One obstacle is reported as the error; of several the others are printed before it. */
static int obstacles(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_report *rep = &r->target.report;

	if (!rep->n)
		return 0;
	for (size_t i = 1; i < rep->n; i++)
		pk_error_print(&rep->v[i], "restore");
	if (err)
		*err = rep->v[0];
	return -rep->v[0].class;
}

int pk_preflight(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	int e = pk_preflight_job(r, err);

	if (e == 0)
		e = fill_target(r, err);
	if (e == 0)
		e = choose_pids(r, err);
	if (e < 0)
		return e;
	while ((o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = pk_kind_of(o->type);

		if (k && k->check && !pk_file_overridden(&r->target, o->id))
			k->check(&r->target, o);
	}
	return obstacles(r, err);
}
