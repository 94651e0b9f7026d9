/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads. All are made at the beginning, by the first one, and stop at their birth; each then runs
 * its part of the plan when its turn comes. In the end they get the registers that were recorded.
 */
#include <asm/prctl.h>
#include <elf.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "ptrace/mem.h"
#include "restore/restore_internal.h"

#define SET_SYSCALL_USER_DISPATCH_CONFIG 0x4210 /* linux/ptrace.h, 6.4 */
#define ARCH_REQ_XCOMP_PERMISSION        0x1023
#define DYNAMIC_COMPONENTS               (UINT64_C(3) << 17) /* AMX: configuration, data */
#define XSTATE_BV                        512

enum { BATCH = 256 }; /* threads made by one script */

void pk_threads_free(struct pk_proc *proc)
{
	for (size_t i = 0; i < proc->n_threads; i++)
		free(proc->thread[i]);
	free(proc->thread);
	free(proc->thread_id);
	proc->thread = NULL;
	proc->thread_id = NULL;
	proc->n_threads = 0;
}

static int add_thread(
	struct pk_proc *proc, pid_t outer, const struct pk_obj *o, pid_t own, struct pk_error *err)
{
	struct pk_target *t = &proc->r->target;
	void *threads = pk_array_more(proc->thread, proc->n_threads, sizeof(*proc->thread)), *ids;
	struct pk_tracee *tr;

	if (threads)
		proc->thread = threads;
	ids = threads ? pk_array_more(proc->thread_id, proc->n_threads, sizeof(*proc->thread_id))
		      : NULL;
	if (ids)
		proc->thread_id = ids;
	tr = ids ? calloc(1, sizeof(*tr)) : NULL;
	if (!tr)
		return pk_fail_errno(err, "threads");
	*tr = (struct pk_tracee){.pid = proc->pid, .tid = outer, .state = PK_T_RUNNING};
	proc->thread[proc->n_threads] = tr;
	proc->thread_id[proc->n_threads++] = o->id;
	return pk_target_set_id(t, o->id, own, err);
}

/* The first thread is the process itself. Its record, and the task's, now have their number. */
int pk_threads_add_leader(struct pk_proc *proc, pid_t pid, struct pk_error *err)
{
	struct pk_restore *r = proc->r;
	const struct pk_obj *first =
		pk_model_next(&r->image.model, NULL, &pk_thread_type, proc->obj->id);
	pid_t own = r->target.pids == PK_PID_ANY ? pid : proc->task->pid;
	int e = pk_target_set_id(&r->target, proc->obj->id, own, err);

	proc->pid = pid;
	return e < 0 ? e : add_thread(proc, pid, first ? first : proc->obj, own, err);
}

/* The struct of clone3(2) holds an address of its own data, so that must be known: see address_of.
 */
struct request {
	struct clone_args args;
	pid_t tid;
};

static uint64_t make_script(
	struct pk_proc *proc, struct pk_script *s, const struct pk_obj **o, size_t n)
{
	size_t at = pk_script_data(s, NULL, n * sizeof(struct request));
	struct request *q;

	for (size_t i = 0; i < n; i++)
		pk_script_call(
			s, &(struct pk_call){
				   .nr = SYS_clone3,
				   .a = {pk_addr(at + i * sizeof(*q)), pk_num(sizeof(q->args))},
				   .check = PK_CHECK_OK,
			   });
	q = (struct request *)(s->data.p + at);
	for (size_t i = 0; i < n; i++) {
		const struct pk_thread *th = o[i]->data;

		q[i].tid = th->tid;
		q[i].args.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_SYSVSEM;
		if (proc->r->target.pids == PK_PID_ANY)
			continue;
		q[i].args.set_tid = pk_remote_address(&proc->remote, s, at) + i * sizeof(*q) +
				    offsetof(struct request, tid);
		q[i].args.set_tid_size = 1;
	}
	return at;
}

static int make_batch(struct pk_proc *proc, const struct pk_obj **o, size_t n, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t born = proc->remote.n_born;
	int e;

	make_script(proc, &s, o, n);
	e = pk_remote_run(&proc->remote, proc->thread[0], &s, NULL, err);
	if (e == 0 && proc->remote.n_born != born + n)
		e = pk_fail(err, PK_E_INTERNAL, "threads: %zu asked for, %zu seen", n,
			proc->remote.n_born - born);
	for (size_t i = 0; i < n && e == 0; i++)
		e = add_thread(
			proc, proc->remote.born[born + i], o[i], (pid_t)pk_script_ret(&s, i), err);
	pk_script_free(&s);
	return e;
}

/* Born under our eyes, they stop before their first instruction. All signals are kept away. */
static int wait_stopped(struct pk_proc *proc, struct pk_error *err)
{
	for (size_t i = 0; i < proc->n_threads; i++) {
		struct pk_tracee *t = proc->thread[i];
		int e = 0;

		while (e == 0 && t->state == PK_T_RUNNING)
			e = pk_tracee_wait(t, &proc->remote.deadline, err);
		if (e == 0 && t->state == PK_T_GONE)
			e = pk_fail(err, PK_E_ERROR, "a new thread ended at once");
		if (e == 0)
			e = pk_tracee_read_regs(t, err);
		t->sigmask = ~UINT64_C(0);
		if (e < 0)
			return e;
	}
	return 0;
}

int pk_threads_make(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_obj *batch[BATCH], *o = NULL;
	size_t n = 0;
	int e = 0;

	while (e == 0 &&
		(o = pk_model_next(&proc->r->image.model, o, &pk_thread_type, proc->obj->id))) {
		if (((const struct pk_thread *)o->data)->tid == proc->task->pid)
			continue; /* the seed */
		batch[n++] = o;
		if (n == BATCH) {
			e = make_batch(proc, batch, n, err);
			n = 0;
		}
	}
	if (e == 0 && n)
		e = make_batch(proc, batch, n, err);
	return e < 0 ? e : wait_stopped(proc, err);
}

static const struct pk_thread *record(const struct pk_proc *proc, size_t i)
{
	return pk_model_find(&proc->r->image.model, proc->thread_id[i], &pk_thread_type)->data;
}

static uint64_t used_components(const struct pk_thread *th)
{
	uint64_t bv = 0;

	if (th->xstate.n >= XSTATE_BV + sizeof(bv))
		memcpy(&bv, (const char *)th->xstate.p + XSTATE_BV, sizeof(bv));
	return bv;
}

/* The recorded vector state in this CPU's layout: start from what the thread has here. */
static int set_xstate(
	struct pk_proc *proc, struct pk_tracee *t, const struct pk_thread *th, struct pk_error *err)
{
	enum { LEGACY = 512, SW_RESERVED = 464 };
	const struct pk_xcomp *was = proc->r->host->xcomp.p;
	size_t n_was = proc->r->host->xcomp.n / sizeof(*was);
	uint8_t here[PK_FRAME_MAX], then[PK_FRAME_MAX] = {0};
	uint64_t bv = used_components(th);
	size_t n = sizeof(here);
	int e = pk_tracee_get_regset(t, NT_X86_XSTATE, here, &n, err);

	if (e < 0)
		return e;
	if (th->xstate.n > sizeof(then) || n < XSTATE_BV + 64)
		return pk_fail(err, PK_E_IMAGE, "thread %d: vector state", th->tid);
	memcpy(then, th->xstate.p, th->xstate.n);
	memcpy(here, then, SW_RESERVED); /* x87 and SSE; behind them the kernel's own words */
	memset(here + XSTATE_BV, 0, 64);
	memcpy(here + XSTATE_BV, &bv, sizeof(bv));
	for (size_t i = 2; i < PK_XFEATURES && i < n_was; i++) {
		const struct pk_xcomp *now = &proc->r->target.cpu.xcomp[i];

		if (!(bv >> i & 1))
			continue;
		if (was[i].size != now->size || now->offset + now->size > n ||
			was[i].offset > sizeof(then) - now->size)
			return pk_fail(err, PK_E_HOST, "thread %d: vector state component %zu",
				th->tid, i);
		memcpy(here + now->offset, then + was[i].offset, now->size);
	}
	return pk_tracee_set_regset(t, NT_X86_XSTATE, here, n, err);
}

/* AMX needs permission for the process, then room in each thread that uses it. */
static int allow_components(struct pk_proc *proc, struct pk_error *err)
{
	uint64_t perm = record(proc, 0)->xcomp_perm & DYNAMIC_COMPONENTS;
	struct pk_script s = {0};
	int e = 0;

	if (perm) {
		pk_script_call(&s, &(struct pk_call){.nr = SYS_arch_prctl,
					   .a = {pk_num(ARCH_REQ_XCOMP_PERMISSION), pk_num(18)},
					   .check = PK_CHECK_OK});
		e = pk_remote_run(&proc->remote, proc->thread[0], &s, NULL, err);
	}
	pk_script_clear(&s);
	pk_script_op(&s, &(struct pk_op){.code = PK_OP_TILES});
	for (size_t i = 0; i < proc->n_threads && e == 0; i++)
		if (used_components(record(proc, i)) & DYNAMIC_COMPONENTS)
			e = pk_remote_run(&proc->remote, proc->thread[i], &s, NULL, err);
	pk_script_free(&s);
	return e;
}

/* Where the timeout is in the arguments of a call that was being waited in, and in which form. */
static void set_timeout(struct pk_regs *regs, int32_t nr, uint64_t at, int64_t left)
{
	switch (nr) {
	case SYS_poll:
		pk_regs_set_arg(regs, 2, (uint64_t)((left + PK_MSEC - 1) / PK_MSEC));
		break;
	case SYS_nanosleep:
		pk_regs_set_arg(regs, 0, at);
		break;
	case SYS_clock_nanosleep:
		pk_regs_set_arg(regs, 2, at);
		break;
	default: /* futex */
		pk_regs_set_arg(regs, 3, at);
		break;
	}
}

/*
 * A timed wait: the call is made again, with the time that was left. The timespec goes below the
 * stack pointer and the red zone, where nothing lives: the kernel reads it as soon as the call is
 * made, and the next dump finds it there, too. (Without room for it the wait begins anew.)
 */
static void resume_wait(struct pk_proc *proc, const struct pk_thread *th, struct pk_regs *regs)
{
	int64_t left = th->wait_end - proc->r->host->monotonic;
	struct timespec ts = pk_timespec(left > 0 ? left : 0);
	uint64_t at = (pk_regs_sp(regs) - 256) & ~UINT64_C(15);

	pk_regs_rewind(regs, (uint64_t)th->wait_nr);
	if (th->wait_end >= 0 && pk_mem_write(proc->pid, at, &ts, sizeof(ts), NULL) == 0)
		set_timeout(regs, th->wait_nr, at, pk_ns(&ts));
}

static int final_regs(struct pk_proc *proc, size_t i, struct pk_regs *regs, struct pk_error *err)
{
	const struct pk_thread *th = record(proc, i);

	if (th->regs.n != sizeof(regs->r))
		return pk_fail(err, PK_E_IMAGE, "thread %d: registers", th->tid);
	memcpy(&regs->r, th->regs.p, sizeof(regs->r));
	if (pk_regs_restart(regs) != PK_RESTART_BLOCK)
		return 0;
	if (th->wait_nr < 0)
		pk_regs_finish(regs, -EINTR);
	else
		resume_wait(proc, th, regs);
	return 0;
}

static int set_user_dispatch(struct pk_tracee *t, const struct pk_thread *th, struct pk_error *err)
{
	uint64_t c[4] = {th->sud_mode, th->sud_selector, th->sud_offset, th->sud_len};

	if (!th->sud_mode || ptrace(SET_SYSCALL_USER_DISPATCH_CONFIG, t->tid, sizeof(c), c) == 0)
		return 0;
	return pk_fail_errno(err, "thread %d: syscall user dispatch", th->tid);
}

static int set_thread(struct pk_proc *proc, size_t i, struct pk_error *err)
{
	const struct pk_thread *th = record(proc, i);
	struct pk_tracee *t = proc->thread[i];
	int e = set_xstate(proc, t, th, err);

	if (e == 0)
		e = set_user_dispatch(t, th, err);
	if (e == 0)
		e = pk_tracee_write_regs(t, err);
	t->sigmask = th->sigmask;
	return e < 0 ? e : pk_tracee_set_mask(t, th->sigmask, err);
}

int pk_threads_finish(struct pk_proc *proc, struct pk_error *err)
{
	PK_FREE struct pk_regs *regs = calloc(proc->n_threads, sizeof(*regs));
	int e = regs ? allow_components(proc, err) : pk_fail_errno(err, "threads");

	for (size_t i = 0; i < proc->n_threads && e == 0; i++)
		e = final_regs(proc, i, &regs[i], err);
	/* The last use of the scratch area was the waits'. */
	if (e == 0 && !proc->task->vm_of)
		e = pk_remote_close(&proc->remote, proc->thread[0], err);
	for (size_t i = 0; i < proc->n_threads && e == 0; i++) {
		proc->thread[i]->regs = regs[i];
		e = set_thread(proc, i, err);
	}
	return e;
}
