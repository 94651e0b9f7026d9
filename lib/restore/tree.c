/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other processes. Each is forked by its parent, which is ours to command, after the parent's
 * memory is there, so that what both have is one memory, copy on write.
 *
 * A session is joined by being born into it: children that were born before their parent made its
 * own session are forked before that. One whose session is neither its parent's nor the one its
 * parent was born into came to its parent when its own had died: a passing process, in that
 * session, forks it and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kind/pty.h"
#include "restore/restore_internal.h"

/* One system call of a process, on its first thread; its result, also if that is an error. */
static int do_call(
	struct pk_proc *proc, const struct pk_call *c, int64_t *ret, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t failed;
	int e;

	pk_script_call(&s, c);
	e = pk_remote_run(&proc->remote, proc->thread[0], &s, &failed, err);
	*ret = e < 0 ? -1 : pk_script_ret(&s, 0);
	pk_script_free(&s);
	return e;
}

static int must(
	struct pk_proc *proc, const char *what, const struct pk_call *c, struct pk_error *err)
{
	int64_t ret;
	int e = do_call(proc, c, &ret, err);

	if (e < 0 || ret >= 0)
		return e;
	errno = (int)-ret;
	return pk_fail_errno(err, "process %d: %s", proc->task->pid, what);
}

/* Whoever is born into the session from now on has its terminal too. */
static int take_terminal(struct pk_proc *proc, struct pk_error *err)
{
	int master = pk_ctty_master(&proc->r->target, proc->obj->id);
	const struct pk_call calls[] = {
		{.nr = SYS_ioctl,
			.a = {pk_num((uint64_t)master), pk_num(TIOCGPTPEER),
				pk_num(O_RDWR | O_NOCTTY | O_NONBLOCK)},
			.check = PK_CHECK_EQUAL,
			.want = 0},
		{.nr = SYS_ioctl, .a = {pk_num(0), pk_num(TIOCSCTTY)}, .check = PK_CHECK_OK},
		{.nr = SYS_close, .a = {pk_num(0)}},
	};
	struct pk_script s = {0};
	int e;

	if (master < 0)
		return 0;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		pk_script_call(&s, &calls[i]);
	e = pk_remote_run(&proc->remote, proc->thread[0], &s, NULL, err);
	pk_script_free(&s);
	return e;
}

static int make_session(struct pk_proc *proc, struct pk_error *err)
{
	int e;

	if (proc->led || proc->task->sid != proc->task->pid || !proc->pid)
		return 0;
	proc->led = true;
	e = must(proc, "setsid", &(struct pk_call){.nr = SYS_setsid}, err);
	return e < 0 ? e : take_terminal(proc, err);
}

struct request {
	struct clone_args args;
	pid_t tid;
};

static int fork_call(struct pk_proc *by, int32_t pid, uint64_t flags, uint64_t exit_signal,
	pid_t *ret_outer, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, sizeof(struct request)), born = by->remote.n_born;
	struct request *q;
	int e;

	pk_script_call(&s, &(struct pk_call){
				   .nr = SYS_clone3,
				   .a = {pk_addr(at), pk_num(sizeof(q->args))},
				   .check = PK_CHECK_OK,
			   });
	q = (struct request *)(s.data.p + at);
	q->tid = pid;
	q->args.flags = flags;
	q->args.exit_signal = exit_signal;
	q->args.set_tid = pk_remote_address(&by->remote, &s, at) + offsetof(struct request, tid);
	q->args.set_tid_size = 1;
	e = pk_remote_run(&by->remote, by->thread[0], &s, NULL, err);
	if (e == 0 && by->remote.n_born != born + 1)
		e = pk_fail(err, PK_E_INTERNAL, "process %d: forked, but not seen", pid);
	if (e == 0)
		*ret_outer = by->remote.born[born];
	pk_script_free(&s);
	return e < 0 ? pk_wrap(err, "process %d", pid) : 0;
}

static int wait_born(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_tracee *t = proc->thread[0];
	int e = 0;

	while (e == 0 && t->state == PK_T_RUNNING)
		e = pk_tracee_wait(t, &proc->remote.deadline, err);
	if (e == 0 && t->state == PK_T_GONE)
		e = pk_fail(err, PK_E_ERROR, "process %d ended at once", proc->task->pid);
	if (e == 0)
		e = pk_tracee_read_regs(t, err);
	t->sigmask = ~UINT64_C(0);
	return e;
}

/* Make the process by forking `by`: it has a copy of the scratch area at the same place. */
static int beget(struct pk_proc *by, struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_task *t = proc->task;
	uint64_t flags = 0;
	pid_t outer;
	int e;

	if (t->files_of && by == proc->parent)
		flags |= CLONE_FILES;
	if (t->fs_of && by == proc->parent)
		flags |= CLONE_FS;
	if (t->vm_of)
		flags |= CLONE_VM;
	if (t->sighand_of && t->vm_of)
		flags |= CLONE_SIGHAND;
	e = fork_call(by, t->pid, flags, (uint64_t)t->exit_signal, &outer, err);
	if (e == 0)
		e = pk_threads_add_leader(proc, outer, err);
	if (e < 0)
		return e;
	proc->remote = by->remote;
	proc->remote.pid = outer;
	proc->remote.born = NULL;
	proc->remote.n_born = 0;
	e = wait_born(proc, err);
	if (e < 0 || t->zombie)
		return e;
	e = pk_build_memory(proc, err);
	return e < 0 ? e : pk_tree_grow(proc, err);
}

static bool is_leader(const struct pk_task *t)
{
	return t->sid == t->pid;
}

enum birth { BEFORE_SESSION, AFTER_SESSION, ELSEWHERE };

/* When the parent forks it; `born_sid` is the session that the parent itself was born into. */
static enum birth birth_of(const struct pk_proc *proc)
{
	const struct pk_task *t = proc->task, *up = proc->parent->task;

	if (is_leader(t) || t->sid == up->sid)
		return AFTER_SESSION;
	if (!is_leader(up))
		return ELSEWHERE;
	if (!proc->parent->parent) /* the first one's: out of sight, or the restorer's */
		return BEFORE_SESSION;
	return t->sid == proc->parent->parent->task->sid ? BEFORE_SESSION : ELSEWHERE;
}

static int beget_all(struct pk_proc *by, enum birth birth, struct pk_error *err)
{
	struct pk_restore *r = by->r;
	int e = 0;

	for (size_t i = 1; i < r->n_procs && e == 0; i++)
		if (r->proc[i].parent == by && birth_of(&r->proc[i]) == birth)
			e = beget(by, &r->proc[i], err);
	return e;
}

int pk_tree_grow(struct pk_proc *root, struct pk_error *err)
{
	int e = beget_all(root, BEFORE_SESSION, err);

	if (e == 0)
		e = make_session(root, err);
	return e < 0 ? e : beget_all(root, AFTER_SESSION, err);
}

/* ---- processes that are there for a moment only */

static bool is_taken(const struct pk_restore *r, int32_t n)
{
	const struct pk_obj *o = NULL;

	for (size_t i = 0; i < r->n_procs; i++)
		if (r->proc[i].task->pid == n || r->proc[i].task->pgid == n ||
			r->proc[i].task->sid == n || r->proc[i].task->ppid == n)
			return true;
	while ((o = pk_model_next(&r->image.model, o, &pk_thread_type, PK_ANY_OWNER)))
		if (((const struct pk_thread *)o->data)->tid == n)
			return true;
	return false;
}

static int32_t spare_number(const struct pk_restore *r)
{
	int32_t n = 2;

	while (is_taken(r, n))
		n++;
	return n;
}

/* A process that is in no image. */
struct passing {
	struct pk_task task;
	struct pk_proc proc;
};

static int pass_begin(struct passing *p, struct pk_proc *by, int32_t pid, struct pk_error *err)
{
	pid_t outer;
	int e = fork_call(by, pid, 0, SIGCHLD, &outer, err);

	*p = (struct passing){.task = {.pid = pid, .sid = by->task->sid}};
	p->proc = (struct pk_proc){
		.r = by->r, .parent = by, .obj = by->obj, .task = &p->task, .remote = by->remote};
	p->proc.remote.born = NULL;
	p->proc.remote.n_born = 0;
	if (e == 0)
		e = pk_threads_add_leader(&p->proc, outer, err);
	p->proc.remote.pid = outer;
	return e < 0 ? e : wait_born(&p->proc, err);
}

/* Its number is free when its parent has waited for it. */
static int pass_end(struct passing *p, struct pk_error *err)
{
	struct pk_proc *by = p->proc.parent;
	int status, e = 0;

	if (p->proc.thread && kill(p->proc.pid, SIGKILL) == 0)
		while (waitpid(p->proc.pid, &status, __WALL) < 0 && errno == EINTR)
			;
	if (p->proc.thread)
		e = must(by, "wait for a passing process",
			&(struct pk_call){.nr = SYS_wait4,
				.a = {pk_num((uint64_t)p->task.pid), pk_num(0), pk_num(__WALL)}},
			err);
	pk_threads_free(&p->proc);
	free(p->proc.remote.born);
	return e;
}

static struct pk_proc *with_pid(const struct pk_restore *r, int32_t pid)
{
	for (size_t i = 0; i < r->n_procs; i++)
		if (r->proc[i].task->pid == pid)
			return &r->proc[i];
	return NULL;
}

/*
 * One that lost its parent: a passing process of its session makes it and ends, and the kernel
 * gives it to the nearest subreaper, as it did then.
 */
static int beget_orphan(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_restore *r = proc->r;
	struct pk_proc *leader = with_pid(r, proc->task->sid);
	struct pk_proc *by = leader ? leader : proc->parent;
	struct passing p;
	int e = must(proc->parent, "prctl",
		    &(struct pk_call){
			    .nr = SYS_prctl, .a = {pk_num(PR_SET_CHILD_SUBREAPER), pk_num(1)}},
		    err),
	    back;

	if (e < 0)
		return e;
	e = pass_begin(&p, by, leader ? spare_number(r) : proc->task->sid, err);
	if (e == 0 && !leader)
		e = must(&p.proc, "setsid", &(struct pk_call){.nr = SYS_setsid}, err);
	if (e == 0)
		e = beget(&p.proc, proc, err);
	back = pass_end(&p, e < 0 ? NULL : err);
	return e < 0 ? e : back;
}

/* ---- process groups */

static int join(struct pk_proc *proc, int32_t group, struct pk_error *err)
{
	char what[64];

	snprintf(what, sizeof(what), "join process group %d", group);
	return must(proc, what,
		&(struct pk_call){.nr = SYS_setpgid, .a = {pk_num(0), pk_num((uint64_t)group)}},
		err);
}

/* Leaders of sessions lead their group already, and one that is not seen is the restorer's own. */
static bool has_group(const struct pk_proc *proc)
{
	const struct pk_task *t = proc->task, *first = proc->r->task;

	return is_leader(t) || t->pgid <= 0 ||
	       (t->pgid == first->pgid && first->pgid != first->pid);
}

static bool same_group(const struct pk_proc *a, const struct pk_proc *b)
{
	return a->task->pgid == b->task->pgid && a->task->sid == b->task->sid && !has_group(b);
}

/* A group whose leader has died: a passing process with that number leads it while they join. */
static int join_dead(struct pk_proc *one, struct pk_error *err)
{
	struct pk_restore *r = one->r;
	struct passing p;
	int back, e = pass_begin(&p, one, one->task->pgid, err);

	if (e == 0)
		e = join(&p.proc, 0, err);
	for (size_t i = 0; i < r->n_procs && e == 0; i++)
		if (same_group(one, &r->proc[i]))
			e = join(&r->proc[i], one->task->pgid, err);
	back = pass_end(&p, e < 0 ? NULL : err);
	return e < 0 ? e : back;
}

static bool first_of_group(const struct pk_proc *proc)
{
	for (const struct pk_proc *p = proc->r->proc; p < proc; p++)
		if (same_group(proc, p))
			return false;
	return true;
}

static int join_group(struct pk_proc *proc, struct pk_error *err)
{
	int64_t now;
	int e;

	if (has_group(proc) || proc->task->pgid == proc->task->pid)
		return 0;
	/* Born into it: then its number is taken, by the group itself. */
	e = do_call(proc, &(struct pk_call){.nr = SYS_getpgid}, &now, err);
	if (e < 0 || now == proc->task->pgid)
		return e;
	if (with_pid(proc->r, proc->task->pgid))
		return join(proc, proc->task->pgid, err);
	return first_of_group(proc) ? join_dead(proc, err) : 0;
}

int pk_tree_groups(struct pk_restore *r, struct pk_error *err)
{
	int e = 0;

	for (size_t i = 1; i < r->n_procs && e == 0; i++)
		e = make_session(&r->proc[i], err); /* zombies have not yet */
	for (size_t i = 1; i < r->n_procs && e == 0; i++)
		if (birth_of(&r->proc[i]) == ELSEWHERE)
			e = beget_orphan(&r->proc[i], err);
	for (size_t i = 1; i < r->n_procs && e == 0; i++) {
		struct pk_proc *proc = &r->proc[i];

		e = make_session(proc, err);
		if (e == 0 && !has_group(proc) && proc->task->pgid == proc->task->pid)
			e = join(proc, 0, err);
	}
	for (size_t i = 1; i < r->n_procs && e == 0; i++)
		e = join_group(&r->proc[i], err);
	return e;
}

/* ---- zombies */

/* Nothing handles the signal or holds it back, and one that kills leaves no core file. */
static int expose(struct pk_proc *proc, int sig, struct pk_error *err)
{
	const uint64_t action[4] = {0}, none[2] = {0}, mask = 0;
	struct pk_script s = {0};
	size_t act = pk_script_data(&s, action, sizeof(action));
	size_t lim = pk_script_data(&s, none, sizeof(none));
	int e;

	pk_script_call(
		&s, &(struct pk_call){.nr = SYS_rt_sigaction,
			    .a = {pk_num((uint64_t)sig), pk_addr(act), pk_num(0), pk_num(8)}});
	if (proc->task->zombie)
		pk_script_call(&s, &(struct pk_call){.nr = SYS_setrlimit,
					   .a = {pk_num(RLIMIT_CORE), pk_addr(lim)}});
	e = pk_remote_run(&proc->remote, proc->thread[0], &s, NULL, err);
	pk_script_free(&s);
	return e < 0 ? e : pk_tracee_set_mask(proc->thread[0], mask, err);
}

static int die_of(struct pk_proc *proc, int sig, struct pk_error *err)
{
	pid_t pid = proc->pid;
	int status, e = expose(proc, sig, err);

	if (e < 0)
		return e;
	/* SIGKILL does not wait to be let go. */
	if (kill(pid, sig) < 0 || (ptrace(PTRACE_CONT, pid, 0, 0) < 0 && errno != ESRCH))
		return pk_fail_errno(err, "process %d", proc->task->pid);
	while (waitpid(pid, &status, __WALL) == pid || errno == EINTR) {
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		/* The stop before the signal is delivered: deliver it. */
		ptrace(PTRACE_CONT, pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
	}
	proc->thread[0]->state = PK_T_GONE;
	return 0;
}

static int leave(struct pk_proc *proc, int code, struct pk_error *err)
{
	struct pk_tracee *t = proc->thread[0];
	struct pk_error gone;
	struct pk_script s = {0};
	int e;

	pk_script_call(&s, &(struct pk_call){.nr = SYS_exit_group, .a = {pk_num((uint64_t)code)}});
	e = pk_remote_run(&proc->remote, t, &s, NULL, &gone);
	pk_script_free(&s);
	if (t->state == PK_T_GONE)
		return 0;
	if (e < 0)
		*err = gone;
	return e < 0 ? e : pk_fail(err, PK_E_INTERNAL, "process %d lives on", proc->task->pid);
}

/* End with the recorded status: by a call, or by a signal. */
static int end(struct pk_proc *proc, struct pk_error *err)
{
	int status = proc->task->exit_status;

	return WIFSIGNALED(status) ? die_of(proc, WTERMSIG(status), err)
				   : leave(proc, WEXITSTATUS(status), err);
}

/* ---- stopped ones */

/* Let it go until the kernel stops it again, giving it the signals that come; *ret tells by what.
 */
static int next_stop(struct pk_proc *proc, size_t thread, int sig, int *ret, struct pk_error *err)
{
	struct pk_tracee *t = proc->thread[thread];
	int status, give = 0;

	do {
		if (ptrace(PTRACE_CONT, t->tid, 0, give) < 0)
			return pk_fail_errno(err, "process %d", proc->task->pid);
		while (waitpid(t->tid, &status, __WALL) < 0)
			if (errno != EINTR)
				return pk_fail_errno(err, "process %d", proc->task->pid);
		if (!WIFSTOPPED(status)) {
			t->state = PK_T_GONE;
			return pk_fail(err, PK_E_ERROR, "process %d ended when it was to stop",
				proc->task->pid);
		}
		give = status >> 16 ? 0 : WSTOPSIG(status);
		/* Where no stop follows the delivery (an orphaned group), the next one is ours. */
		if (give && give == sig && ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) < 0)
			return pk_fail_errno(err, "process %d", proc->task->pid);
	} while (status >> 16 != PTRACE_EVENT_STOP);
	*ret = WSTOPSIG(status);
	return 0;
}

/* The stop is complete when all threads have come to it. */
static int stop_by(struct pk_proc *proc, int sig, bool *ret_stopped, struct pk_error *err)
{
	int is = 0, e = expose(proc, sig, err);

	if (e == 0 && kill(proc->pid, sig) < 0)
		e = pk_fail_errno(err, "process %d", proc->task->pid);
	if (e == 0)
		e = next_stop(proc, 0, sig, &is, err);
	*ret_stopped = is == sig;
	for (size_t i = 1; i < proc->n_threads && e == 0 && *ret_stopped; i++)
		e = next_stop(proc, i, 0, &is, err);
	return e < 0 ? e : pk_tracee_set_mask(proc->thread[0], ~UINT64_C(0), err);
}

/*
 * Stopped by job control, while our calls can still be made in it: a stop that is in effect is
 * taken up again when we let go, and nobody is told of that. So its parent hears of it now, before
 * it is made what it was. A group without parents in its session stops by SIGSTOP only.
 */
static int stop(struct pk_proc *proc, struct pk_error *err)
{
	bool stopped = false;
	int e = stop_by(proc, proc->task->stop_signal, &stopped, err);

	return e < 0 || stopped ? e : stop_by(proc, SIGSTOP, &stopped, err);
}

/* What the children's stops and ends left pending in a parent: what was pending comes later. */
static int drain(struct pk_proc *proc, struct pk_error *err)
{
	const uint64_t all = ~UINT64_C(0);
	const struct timespec now = {0};
	int64_t ret = 0;
	int e = 0;

	while (e == 0 && ret >= 0) {
		struct pk_script s = {0};
		size_t failed, set = pk_script_data(&s, &all, sizeof(all));
		size_t at = pk_script_data(&s, &now, sizeof(now));

		pk_script_call(&s, &(struct pk_call){.nr = SYS_rt_sigtimedwait,
					   .a = {pk_addr(set), pk_num(0), pk_addr(at), pk_num(8)}});
		e = pk_remote_run(&proc->remote, proc->thread[0], &s, &failed, err);
		ret = e < 0 ? -1 : pk_script_ret(&s, 0);
		pk_script_free(&s);
	}
	return e;
}

int pk_tree_bury(struct pk_restore *r, struct pk_error *err)
{
	int e = 0;

	for (size_t i = 1; i < r->n_procs && e == 0; i++)
		if (r->proc[i].task->zombie)
			e = end(&r->proc[i], err);
	for (size_t i = 1; i < r->n_procs && e == 0; i++)
		if (!r->proc[i].task->zombie && r->proc[i].task->stop_signal)
			e = stop(&r->proc[i], err);
	for (size_t i = 0; i < r->n_procs && e == 0 && r->n_procs > 1; i++)
		if (!r->proc[i].task->zombie)
			e = drain(&r->proc[i], err);
	return e;
}
