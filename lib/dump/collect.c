/* SPDX-License-Identifier: Apache-2.0 */
/* Filling the model from a frozen process: the host, threads, and attributes of both levels. */
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump_internal.h"
#include "kind/fileid.h"
#include "kind/ghost.h"
#include "proc/cpu.h"

#define GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211 /* linux/ptrace.h, 6.4 */
#define ARCH_GET_XCOMP_PERMISSION        0x1022

enum { CPU_BYTES = 1024 };

int pk_collect_object(const struct pk_kind *k, struct pk_view *v, struct pk_model *m,
	uint32_t *ret_id, struct pk_error *err)
{
	void *obj = pk_model_add(m, k->type, v->owner, &v->id);
	int r;

	*ret_id = 0;
	if (!obj)
		return pk_fail_errno(err, "%s", k->type->name);
	r = k->collect(v, obj, err);
	if (r < 0 && err && !err->class)
		pk_fail(err, PK_E_ERROR, "%s", k->type->name);
	if (r == PK_SKIP)
		pk_model_drop(m, v->id);
	else if (r == 0)
		*ret_id = v->id;
	return r < 0 ? r : 0;
}

/* The engine's own questions to each thread come first in its script. */
enum { OP_TID, OP_NAME, OP_PERM, N_OWN_OPS };
struct own_answers {
	char name[16];
	uint64_t perm;
};

static void ask_own(struct pk_script *s)
{
	size_t at = pk_script_data(s, NULL, sizeof(struct own_answers));

	pk_script_call(s, &(struct pk_call){.nr = SYS_gettid, .check = PK_CHECK_OK});
	pk_script_call(s, &(struct pk_call){.nr = SYS_prctl,
				  .a = {pk_num(PR_GET_NAME),
					  pk_addr(at + offsetof(struct own_answers, name))}});
	pk_script_call(s, &(struct pk_call){.nr = SYS_arch_prctl,
				  .a = {pk_num(ARCH_GET_XCOMP_PERMISSION),
					  pk_addr(at + offsetof(struct own_answers, perm))}});
}

/* Where each kind's part of a common script begins. */
struct parts {
	struct pk_script script;
	size_t op[64], data[64];
};

static void ask_level(struct parts *p, struct pk_view *v, enum pk_level level)
{
	v->script = &p->script;
	for (size_t i = 0; pk_kinds[i]; i++) {
		if (pk_kinds[i]->level != level)
			continue;
		pk_buf_align(&p->script.data, 8);
		p->op[i] = p->script.n;
		p->data[i] = p->script.data.len;
		if (pk_kinds[i]->ask)
			pk_kinds[i]->ask(v);
	}
}

static int collect_level(struct pk_proc *proc, struct parts *p, struct pk_view *v,
	enum pk_level level, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; pk_kinds[i] && r == 0; i++) {
		uint32_t id;

		if (pk_kinds[i]->level != level || (proc->shares_vm && pk_kinds[i] == &pk_kind_mm))
			continue;
		v->op = p->op[i];
		v->data = p->data[i];
		r = pk_collect_object(pk_kinds[i], v, &proc->d->model, &id, err);
		if (r == 0 && pk_kinds[i] == &pk_kind_mm)
			proc->src.mm = id;
	}
	return r;
}

/* The vector state without the zeros at its end. */
static int set_xstate(struct pk_thread *th, const uint8_t *xstate, size_t n, struct pk_error *err)
{
	enum { LEGACY_AND_HEADER = 576 };

	while (n > LEGACY_AND_HEADER && !xstate[n - 1])
		n--;
	return pk_bytes_set(&th->xstate, xstate, n) < 0 ? pk_fail_errno(err, "registers") : 0;
}

static void get_user_dispatch(const struct pk_tracee *t, struct pk_thread *th)
{
	uint64_t c[4];

	if (ptrace(GET_SYSCALL_USER_DISPATCH_CONFIG, t->tid, sizeof(c), c) < 0 || !c[0])
		return;
	th->sud_mode = c[0];
	th->sud_selector = c[1];
	th->sud_offset = c[2];
	th->sud_len = c[3];
}

static int fill_thread(struct pk_proc *proc, const struct pk_tracee *t, const struct pk_script *s,
	struct pk_thread *th, struct pk_error *err)
{
	const struct own_answers *own = pk_script_at(s, 0);
	uint8_t xstate[PK_FRAME_MAX];
	size_t n = sizeof(xstate);
	int r = pk_tracee_get_regset(t, NT_X86_XSTATE, xstate, &n, err);

	if (r < 0)
		return r;
	th->tid = (int32_t)pk_script_ret(s, OP_TID);
	th->comm = strndup(own->name, sizeof(own->name));
	if (!th->comm || pk_bytes_set(&th->regs, &t->regs.r, sizeof(t->regs.r)) < 0)
		return pk_fail_errno(err, "thread %d", t->tid);
	th->sigmask = t->sigmask;
	th->xcomp_perm = pk_script_ret(s, OP_PERM) == 0 ? own->perm : 0;
	get_user_dispatch(t, th);
	pk_waits_record(&proc->waits, t, proc->stopped_mono, th);
	return set_xstate(th, xstate, n, err);
}

static int collect_thread(struct pk_proc *proc, size_t i, struct parts *p, struct pk_error *err)
{
	struct pk_tracee *t = proc->freeze.v[i];
	struct pk_view v = {.src = &proc->src, .thread = t};
	struct pk_thread *th;
	int r;

	pk_script_clear(&p->script);
	ask_own(&p->script);
	ask_level(p, &v, PK_LV_THREAD);
	r = pk_remote_run(&proc->remote, t, &p->script, NULL, err);
	if (r < 0)
		return r;
	th = pk_model_add(&proc->d->model, &pk_thread_type, proc->src.task, &v.owner);
	if (!th)
		return pk_fail_errno(err, "thread %d", t->tid);
	r = fill_thread(proc, t, &p->script, th, err);
	proc->src.inner[i] = th->tid;
	return r < 0 ? r : collect_level(proc, p, &v, PK_LV_THREAD, err);
}

static int collect_threads(struct pk_proc *proc, struct parts *p, struct pk_error *err)
{
	int r = 0;

	proc->src.inner = calloc(proc->freeze.n, sizeof(*proc->src.inner));
	if (!proc->src.inner)
		return pk_fail_errno(err, "threads");
	for (size_t i = 0; i < proc->freeze.n && r == 0; i++) {
		if (pk_deadline_passed(&proc->d->deadline))
			return pk_dump_late(proc->d, err);
		r = collect_thread(proc, i, p, err);
	}
	return r;
}

/*
 * The clocks as the program sees them: it may live in a time namespace. Asked next to the timers,
 * so that all times are of one moment, the one from which they go on.
 */
static const clockid_t clocks[3] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

static void ask_clocks(struct pk_script *s)
{
	size_t at = pk_script_data(s, NULL, sizeof(struct timespec) * 3);

	for (size_t i = 0; i < 3; i++)
		pk_script_call(s, &(struct pk_call){.nr = SYS_clock_gettime,
					  .a = {pk_num((uint64_t)clocks[i]),
						  pk_addr(at + i * sizeof(struct timespec))},
					  .check = PK_CHECK_OK});
}

/* The job's clocks are those of its first process. */
static void take_clocks(struct pk_proc *proc, const struct pk_script *s)
{
	struct pk_host *h = proc->d->host;
	int64_t *to[3] = {&h->realtime, &h->monotonic, &h->boottime}, now[3];

	for (size_t i = 0; i < 3; i++) {
		now[i] = pk_ns((const struct timespec *)pk_script_at(s, 0) + i);
		if (!proc->parent)
			*to[i] = now[i];
	}
	proc->stopped_mono = now[1] - (pk_now() - proc->stopped_at);
}

/* The CPUs of the job: what we may use, and what any of its threads may. */
static void add_cpus(uint8_t all[CPU_BYTES], pid_t tid)
{
	uint8_t one[CPU_BYTES];
	long n = syscall(SYS_sched_getaffinity, tid, sizeof(one), one);

	for (long k = 0; k < n; k++)
		all[k] |= one[k];
}

static int collect_cpus(struct pk_dump *d, struct pk_error *err)
{
	uint8_t all[CPU_BYTES] = {0};

	add_cpus(all, 0);
	for (size_t i = 0; i < d->n_procs; i++)
		for (size_t k = 0; k < d->proc[i]->freeze.n; k++)
			add_cpus(all, d->proc[i]->freeze.v[k]->tid);
	return pk_bytes_set(&d->host->cpus, all, sizeof(all)) < 0 ? pk_fail_errno(err, "CPUs") : 0;
}

int pk_collect_host(struct pk_dump *d, struct pk_error *err)
{
	struct pk_host *h = pk_model_add(&d->model, &pk_host_type, 0, NULL);
	struct utsname u;
	struct pk_cpu cpu;

	if (!h || uname(&u) < 0)
		return pk_fail_errno(err, "host");
	pk_cpu_probe(&cpu);
	d->host = h;
	for (size_t i = 0; i < d->n_procs; i++)
		d->proc[i]->src.host = h;
	h->hostname = strdup(u.nodename);
	h->kernel = strdup(u.release);
	h->version = strdup(PCKPT_VERSION);
	h->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	h->cpu_vendor = strdup(cpu.vendor);
	h->cpu_model = strdup(cpu.model);
	h->xcr0 = cpu.xcr0;
	h->min_sigstksz = cpu.min_sigstksz;
	if (pk_bytes_set(&h->cpu_words, cpu.word, sizeof(cpu.word)) < 0 ||
		pk_bytes_set(&h->xcomp, cpu.xcomp, sizeof(cpu.xcomp)) < 0 || !h->hostname ||
		!h->kernel || !h->version || !h->cpu_vendor || !h->cpu_model)
		return pk_fail_errno(err, "host");
	return collect_cpus(d, err);
}

static pid_t inner(const struct pk_status *s, const pid_t *line, pid_t plain)
{
	return s->ns_depth ? line[s->ns_depth - 1] : plain;
}

/* The parent's number as the program sees it: getppid() goes through no file. */
static int inner_ppid(struct pk_proc *proc, int32_t *ret, struct pk_error *err)
{
	struct pk_script s = {0};
	int r;

	pk_script_call(&s, &(struct pk_call){.nr = SYS_getppid, .check = PK_CHECK_OK});
	r = pk_source_run(&proc->src, &s, err);
	*ret = (int32_t)pk_script_ret(&s, 0);
	pk_script_free(&s);
	return r;
}

/*
 * The program file must be there under its name at restore, or travel along: when it was deleted,
 * and when its name does not lead there for us, as in a directory that is closed to its user.
 */
static int collect_exe(struct pk_proc *proc, struct pk_task *t, struct pk_error *err)
{
	struct pk_source *s = &proc->src;
	struct stat st;

	t->exe = pk_read_link(s->procfd, "exe");
	if (!t->exe || fstatat(s->procfd, "exe", &st, 0) < 0)
		return pk_fail_errno(err, "pid %d: its program file", s->pid);
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct pk_map *m = &s->maps.v[i];

		if (m->ino != st.st_ino || m->path[0] != '/')
			continue;
		if (!m->deleted && pk_path_is(m->path, &st))
			return 0;
		t->exe_file = pk_ghost_of_map(s, m, err);
		return t->exe_file ? 0 : -PK_E_ERROR;
	}
	if (pk_path_is(t->exe, &st))
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "pid %d: program file %s", s->pid, t->exe);
	pk_why(err, "its name does not lead to it, and it is not mapped");
	return pk_try(err, "put it back, or make its directory accessible");
}

/*
 * The first process that has the same one of `what`, or NULL: then `proc` is remembered as the
 * first. kcmp(2) gives an order, so a thousand processes are not compared each with each.
 */
static int find_same(struct pk_sorted *s, struct pk_proc *proc, int what, struct pk_proc **ret,
	struct pk_error *err)
{
	size_t lo = 0, hi = s->n;
	void *v;

	*ret = NULL;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		long order = syscall(SYS_kcmp, s->v[mid]->src.pid, proc->src.pid, what, 0, 0);

		if (order < 0)
			return pk_fail_errno(err, "pid %d: what it shares (kcmp)", proc->src.pid);
		if (order == 0) {
			*ret = s->v[mid];
			return 0;
		}
		if (order == 1)
			lo = mid + 1;
		else
			hi = mid;
	}
	v = pk_array_more(s->v, s->n, sizeof(*s->v));
	if (!v)
		return pk_fail_errno(err, "processes");
	s->v = v;
	memmove(s->v + lo + 1, s->v + lo, (s->n - lo) * sizeof(*s->v));
	s->v[lo] = proc;
	s->n++;
	return 0;
}

static bool same_as_parent(const struct pk_proc *proc, int what)
{
	return proc->parent &&
	       syscall(SYS_kcmp, proc->parent->src.pid, proc->src.pid, what, 0, 0) == 0;
}

static int refuse_shared(const struct pk_proc *a, const struct pk_proc *b, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "pid %d shares descriptors, its cwd, or memory with pid %d",
		a->src.pid, b->src.pid);
	pk_why(err, "neither is the other's parent (CLONE_FILES, CLONE_FS, CLONE_VM)");
	return pk_try(err, "dump again when one of them has ended");
}

/* What it shares with an earlier process: clone(2) without CLONE_THREAD. */
static int find_shared(struct pk_proc *proc, struct pk_task *t, struct pk_error *err)
{
	static const int what[PK_SHARED] = {KCMP_FILES, KCMP_FS, KCMP_VM, KCMP_SIGHAND};
	uint32_t *of[PK_SHARED] = {&t->files_of, &t->fs_of, &t->vm_of, &t->sighand_of};

	for (size_t k = 0; k < PK_SHARED; k++) {
		struct pk_proc *p;
		int r = find_same(&proc->d->shared[k], proc, what[k], &p, err);

		if (r < 0)
			return r;
		/* The first may be its grandparent: what matters is the parent's. */
		if (p && p != proc->parent && !(same_as_parent(proc, what[k])))
			return refuse_shared(proc, p, err);
		if (p)
			*of[k] = proc->parent->src.task;
	}
	proc->shares_vm = t->vm_of != 0;
	return 0;
}

static int fill_task(struct pk_proc *proc, struct pk_task *t, struct pk_error *err)
{
	const struct pk_status *s = &proc->src.status;

	t->comm = strdup(s->name);
	if (!t->comm)
		return pk_fail_errno(err, "pid %d", proc->src.pid);
	t->pid = inner(s, s->nstgid, s->tgid);
	t->pgid = inner(s, s->nspgid, proc->src.stat.pgrp);
	t->sid = inner(s, s->nssid, proc->src.stat.session);
	t->start_time = proc->src.stat.start_time;
	t->exit_signal = proc->src.stat.exit_signal;
	t->tty = proc->src.stat.tty_nr;
	if (proc->parent) {
		const struct pk_status *up = &proc->parent->src.status;

		t->ppid = inner(up, up->nstgid, up->tgid);
	}
	return 0;
}

static int collect_task(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_task *t = pk_model_add(&proc->d->model, &pk_task_type, 0, &proc->src.task);
	int r = t ? fill_task(proc, t, err) : pk_fail_errno(err, "pid %d", proc->src.pid);

	if (r < 0)
		return r;
	t->stop_signal = proc->freeze.v[0]->stop_signal;
	if (!proc->parent)
		r = inner_ppid(proc, &t->ppid, err);
	if (r == 0)
		r = find_shared(proc, t, err);
	return r < 0 ? r : collect_exe(proc, t, err);
}

int pk_collect_zombie(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_task *t = pk_model_add(&proc->d->model, &pk_task_type, 0, &proc->src.task);

	if (!t)
		return pk_fail_errno(err, "pid %d", proc->src.pid);
	t->zombie = 1;
	t->exit_status = proc->src.stat.exit_code;
	return fill_task(proc, t, err);
}

/* Asked before the threads, whose time it would take; looked at after them, whose numbers it needs.
 */
static int ask_attributes(
	struct pk_proc *proc, struct parts *p, struct pk_view *v, struct pk_error *err)
{
	int r;

	ask_clocks(&p->script);
	ask_level(p, v, PK_LV_TASK);
	r = pk_source_run(&proc->src, &p->script, err);
	if (r == 0)
		take_clocks(proc, &p->script);
	return r;
}

static int collect_all(
	struct pk_proc *proc, struct parts *task, struct parts *thread, struct pk_error *err)
{
	struct pk_view v = {.src = &proc->src, .thread = proc->freeze.v[0]};
	int r = ask_attributes(proc, task, &v, err);

	if (r == 0)
		r = collect_task(proc, err);
	if (r == 0)
		r = collect_threads(proc, thread, err);
	v.owner = proc->src.task;
	if (r == 0)
		r = collect_level(proc, task, &v, PK_LV_TASK, err);
	return r;
}

int pk_collect(struct pk_proc *proc, struct pk_error *err)
{
	struct parts task = {0}, thread = {0};
	int r = collect_all(proc, &task, &thread, err);

	pk_script_free(&task.script);
	pk_script_free(&thread.script);
	if (proc->shares_vm)
		proc->src.mm = proc->parent->src.mm;
	if (r < 0 || proc->shares_vm)
		return r;
	r = pk_collect_maps(proc, err);
	return r < 0 ? r : pk_collect_inherited(proc, err);
}
