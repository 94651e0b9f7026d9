/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the seed to the job, on the tracer's thread: threads, mappings and open files of the first
 * process, the others forked from it, pages, then all else by phases, and the registers last. When
 * this thread ends, the job runs.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "kind/trace.h"
#include "ptrace/mem.h"
#include "ptrace/rseq.h"
#include "restore/restore_internal.h"

#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |  \
		PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)

/* Where the program file cannot be set later, the seed has to become it by execve(2). */
static int let_it_exec(struct pk_proc *proc, struct pk_tracee *t, struct pk_error *err)
{
	struct pk_restore *r = proc->r;
	int e;

	if (write(r->channel, "", 1) != 1)
		return pk_fail_errno(err, "the new process");
	e = pk_tracee_wait_exec(t, &proc->remote.deadline, err);
	if (e == 0 && t->state == PK_T_GONE) {
		pk_fail(err, PK_E_MISSING, "the program file %s", r->task->exe);
		pk_why(err, "it cannot be executed here");
		return pk_try(err, "put the file back where it was");
	}
	return e;
}

static int take_seed(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_restore *r = proc->r;
	struct pk_tracee *t;
	int e = pk_threads_add_leader(proc, r->seed, err);

	if (e < 0)
		return e;
	t = proc->thread[0];
	e = pk_tracee_seize(t, OPTIONS, err);
	if (e == 0)
		e = r->target.may_set_exe ? pk_tracee_interrupt(t, err) : let_it_exec(proc, t, err);
	while (e == 0 && t->state == PK_T_RUNNING)
		e = pk_tracee_wait(t, &proc->remote.deadline, err);
	if (e == 0 && t->state == PK_T_GONE)
		e = pk_fail(err, PK_E_ERROR, "the new process ended");
	if (e == 0)
		e = pk_tracee_read_regs(t, err);
	t->sigmask = ~UINT64_C(0);
	return e;
}

/* Signals by which scripts report their end: any that the job has not pending. */
static uint32_t unused_signal(const struct pk_restore *r)
{
	static const char *const queues[] = {"sigqueue", "sigpriv"};
	uint64_t used = 0;

	for (size_t q = 0; q < 2; q++) {
		const struct pk_obj *o = NULL;

		while ((o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER))) {
			const struct pk_bytes *b = o->data;

			if (strcmp(o->type->name, queues[q]) != 0)
				continue;
			for (size_t i = 0; (i + 1) * sizeof(siginfo_t) <= b->n; i++) {
				int sig = ((const siginfo_t *)b->p)[i].si_signo;

				if (sig > 0 && sig <= 64)
					used |= UINT64_C(1) << (sig - 1);
			}
		}
	}
	for (uint32_t sig = 64; sig >= 34; sig--)
		if (!(used >> (sig - 1) & 1))
			return sig;
	return 0;
}

/*
 * What the seed still has of us: its end of the channel, unless execve(2) closed it, the rseq area
 * of our libc, which is about to be unmapped under the kernel's feet, and an alternate signal stack
 * of whoever called us.
 */
static int forget_us(struct pk_proc *proc, struct pk_error *err)
{
	enum { UNREGISTER = 1 };
	const stack_t none = {.ss_flags = SS_DISABLE};
	struct pk_script s = {0};
	struct pk_rseq rs;
	int e = pk_rseq_get(proc->thread[0], &rs, err);

	if (e < 0)
		return e;
	if (proc->r->target.may_set_exe)
		pk_script_call(&s, &(struct pk_call){.nr = SYS_close,
					   .a = {pk_num((uint64_t)proc->r->seed_channel)},
					   .check = PK_CHECK_OK});
	if (rs.address)
		pk_script_call(&s, &(struct pk_call){.nr = SYS_rseq,
					   .a = {pk_num(rs.address), pk_num(rs.size),
						   pk_num(UNREGISTER), pk_num(rs.signature)},
					   .check = PK_CHECK_OK});
	pk_script_call(&s, &(struct pk_call){.nr = SYS_sigaltstack,
				   .a = {pk_addr(pk_script_data(&s, &none, sizeof(none)))},
				   .check = PK_CHECK_OK});
	e = pk_remote_run(&proc->remote, proc->thread[0], &s, NULL, err);
	pk_script_free(&s);
	return e;
}

static int open_area(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_restore *r = proc->r;
	int e = pk_layout_choose(r, err);

	if (e == 0)
		e = pk_layout_find_syscall(proc, err);
	if (e < 0)
		return e;
	proc->remote.end_signal = unused_signal(r);
	proc->remote.namer = pk_trace_name;
	proc->remote.trace = r->o->trace;
	e = pk_remote_open(&proc->remote, proc->thread[0], r->stub_at, r->prog_size, err);
	return e < 0 ? e : forget_us(proc, err);
}

/* Ops that were only worth a try. */
static void warn(const struct pk_plan_part *part)
{
	for (size_t i = 0; i < part->n_note; i++) {
		int64_t ret = pk_script_ret(&part->script, part->note[i].op);

		if (ret < 0)
			pk_log(PK_LOG_WARN, "%s: %s", part->note[i].text, strerror((int)-ret));
	}
}

static struct pk_tracee *thread_of(const struct pk_proc *proc, uint32_t record)
{
	for (size_t i = 0; i < proc->n_threads; i++)
		if (proc->thread_id[i] == record)
			return proc->thread[i];
	return record ? NULL : proc->thread[0];
}

static int run_part(struct pk_proc *proc, struct pk_plan_part *part, struct pk_error *err)
{
	struct pk_tracee *t = thread_of(proc, part->thread);
	int e;

	if (!t) {
		pk_fail(err, PK_E_IMAGE, "record %u", part->thread);
		return pk_why(err, "attributes of a thread that does not exist");
	}
	if (!part->script.n)
		return 0;
	e = pk_remote_run(&proc->remote, t, &part->script, NULL, err);
	if (e == 0)
		warn(part);
	return e;
}

static int run_phase(struct pk_proc *proc, enum pk_phase phase, struct pk_error *err)
{
	int e = 0;

	for (size_t i = 0; i < proc->plan.n_part && e == 0; i++)
		if (proc->plan.part[i].phase == phase)
			e = run_part(proc, &proc->plan.part[i], err);
	return e;
}

static int write_patches(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_plan *p = &proc->plan;
	int e = 0;

	for (size_t i = 0; i < p->n_patch && e == 0; i++)
		e = pk_mem_write(
			proc->pid, p->patch[i].at, p->patch[i].bytes.p, p->patch[i].bytes.n, err);
	return e;
}

/* The places of objects that were only mapped in passing. */
static int drop_passing(struct pk_proc *proc, struct pk_error *err)
{
	uint64_t start = proc->r->passing;
	struct pk_script s = {0};
	int e;

	if (start == proc->plan.scratch)
		return 0;
	pk_script_call(&s, &(struct pk_call){.nr = SYS_munmap,
				   .a = {pk_num(start), pk_num(proc->plan.scratch - start)},
				   .check = PK_CHECK_OK});
	e = pk_remote_run(&proc->remote, proc->thread[0], &s, NULL, err);
	pk_script_free(&s);
	return e;
}

int pk_build_memory(struct pk_proc *proc, struct pk_error *err)
{
	int e = pk_threads_make(proc, err);

	if (e == 0)
		e = pk_plan_all(proc, err);
	if (e == 0)
		e = run_phase(proc, PK_PH_MAP, err);
	if (e == 0)
		e = pk_layout_find_syscall(proc, err);
	if (e == 0)
		e = write_patches(proc, err);
	if (e == 0 && proc->heirs)
		e = pk_pagein(proc->r, proc, err);
	return e < 0 ? e : run_phase(proc, PK_PH_FILES, err);
}

/* A phase of every process before the next phase of any: they look for each other. */
static int run_plans(struct pk_restore *r, struct pk_error *err)
{
	int e = 0;

	for (enum pk_phase p = PK_PH_PROTECT; p < PK_PH_COUNT && e == 0; p++)
		for (size_t i = 0; i < r->n_procs && e == 0; i++) {
			struct pk_proc *proc = &r->proc[i];

			if (proc->task->zombie)
				continue;
			e = run_phase(proc, p, err);
			if (p == PK_PH_MM && e == 0)
				e = drop_passing(proc, err);
		}
	return e;
}

static int replace_words(struct pk_proc *proc, struct pk_error *err)
{
	int e = 0;

	for (size_t i = 0; i < proc->plan.n_replace && e == 0; i++) {
		const struct pk_replace *x = &proc->plan.replace[i];
		uint32_t is;

		if (pk_mem_read(proc->pid, x->at, &is, sizeof(is), NULL) == 0 && is == x->was)
			e = pk_mem_write(proc->pid, x->at, &x->now, sizeof(x->now), err);
	}
	return e;
}

static int finish_threads(struct pk_restore *r, struct pk_error *err)
{
	int e = 0;

	/* Those that share memory, and the scratch area in it, before the one that it belongs to.
	 */
	for (size_t i = r->n_procs; i-- > 0 && e == 0;) {
		if (r->proc[i].task->zombie)
			continue;
		e = replace_words(&r->proc[i], err);
		if (e == 0)
			e = pk_threads_finish(&r->proc[i], err);
	}
	return e;
}

static int finish_file(
	struct pk_restore *r, const struct pk_obj *o, bool secure, struct pk_error *err)
{
	const struct pk_kind *k = pk_kind_of(o->type);

	/* What is cut back is the file that it was. */
	if (!k || (k != &pk_kind_regfile && pk_file_overridden(&r->target, o->id)))
		return 0;
	if (secure)
		return k->secure ? k->secure(&r->target, o, err) : 0;
	return k->finish ? k->finish(&r->target, o, err) : 0;
}

/* All files, or none: first what may fail for each of them, then what cannot be undone. */
static int finish_files(struct pk_restore *r, struct pk_error *err)
{
	int e = 0;

	for (int secure = 1; secure >= 0; secure--) {
		const struct pk_obj *o = NULL;

		while (e == 0 && (o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER)))
			e = finish_file(r, o, secure, err);
	}
	return e;
}

/* From here on our end is not the program's end any more. */
static int let_go(struct pk_restore *r, struct pk_error *err)
{
	for (size_t i = 0; i < r->n_procs; i++) {
		struct pk_proc *proc = &r->proc[i];

		if (proc->task->zombie)
			continue;
		if (i == 0 && proc->task->stop_signal && kill(proc->pid, SIGSTOP) < 0)
			return pk_fail_errno(err, "cannot stop pid %d again", proc->pid);
		for (size_t k = 0; k < proc->n_threads; k++)
			if (ptrace(PTRACE_SETOPTIONS, proc->thread[k]->tid, NULL, 0) < 0)
				return pk_fail_errno(err, "cannot let thread %zu go", k);
	}
	return 0;
}

int pk_build(void *restore, struct pk_error *err)
{
	struct pk_restore *r = restore;
	struct pk_proc *first = &r->proc[0];
	int e = take_seed(first, err);

	if (e == 0)
		e = open_area(first, err);
	if (e == 0)
		e = pk_build_memory(first, err);
	if (e == 0)
		e = pk_tree_grow(first, err);
	if (e == 0)
		e = pk_tree_groups(r, err);
	if (e == 0)
		e = pk_pagein(r, NULL, err);
	pk_fault("restore.pages");
	if (e == 0)
		pk_target_flush(&r->target);
	if (e == 0)
		e = pk_tree_bury(r, err);
	if (e == 0)
		e = run_plans(r, err);
	if (e == 0)
		e = finish_threads(r, err);
	if (e == 0)
		e = pk_supervise_interrupted(err);
	if (e == 0)
		e = finish_files(r, err);
	return e < 0 ? e : let_go(r, err);
}
