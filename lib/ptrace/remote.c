/* SPDX-License-Identifier: Apache-2.0 */
#include "ptrace/remote.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "ptrace/mem.h"
#include "ptrace/ptrace_internal.h"
#include "stub/blob.h"

/* The area, from its base: code page, frame, stack, program. */
enum { CODE_LEN = 4096, STACK_LEN = 8192, PAGE = 4096 };
#define FRAME_AT  CODE_LEN
#define STACK_END (FRAME_AT + PK_FRAME_MAX + STACK_LEN)
#define PROG_AT   STACK_END

#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define ALL_SIGNALS  (~UINT64_C(0))
#define PATIENCE     (5 * PK_NSEC)

size_t pk_remote_size(size_t prog_size)
{
	return (PROG_AT + prog_size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static int ended(struct pk_tracee *t, int status, struct pk_error *err)
{
	t->state = PK_T_GONE;
	t->exit_status = status;
	pk_fail(err, PK_E_MISSING, "pid %d", t->pid);
	return pk_why(err, "it was killed while pckpt was at work on it");
}

static int go(struct pk_tracee *t, int request, int sig, struct pk_error *err)
{
	if (ptrace(request, t->tid, NULL, (long)sig) == 0)
		return 0;
	if (errno == ESRCH)
		return ended(t, 0, err);
	return pk_fail_errno(err, "thread %d of pid %d: cannot continue it", t->tid, t->pid);
}

static int given_up(const struct pk_remote *r, struct pk_error *err)
{
	if (!pk_deadline_passed(&r->deadline))
		return 0;
	pk_fail(err, PK_E_TEMPFAIL, "pid %d", r->pid);
	return pk_why(err, "given up: interrupted, or out of time");
}

/*
 * The next event of a borrowed thread. It is given back before anybody gives up; only a call that
 * does not end, to a file server that is away, say, is left to itself after some time: what the
 * thread needs to become itself again is in its own process.
 */
static int wait_borrowed(
	struct pk_remote *r, struct pk_tracee *t, int *status, struct pk_error *err)
{
	struct pk_deadline more = {0};
	int e = pk_wait_event(t, &r->deadline, status, NULL);

	if (e >= 0)
		return e;
	more.at = pk_now() + PATIENCE;
	e = pk_wait_event(t, &more, status, err);
	r->stuck = e < 0;
	return e;
}

/* From any stop to STOPPED, without a single instruction of the thread being executed. */
static int settle(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	const struct pk_deadline d = {.at = pk_now() + PATIENCE};
	int e = pk_tracee_interrupt(t, err);

	if (e == 0)
		e = pk_tracee_resume(t, err);
	while (e == 0 && t->state == PK_T_RUNNING) {
		e = pk_tracee_wait(t, &d, err);
		r->stuck = e < 0;
	}
	return e == 0 && t->state == PK_T_GONE ? ended(t, t->exit_status, err) : e;
}

/*
 * Borrow a thread: new registers first, then a full mask. Give it back in the opposite order: at no
 * moment does it have its own registers with our mask.
 */
static int borrow(
	struct pk_tracee *t, const struct pk_regs *regs, uint64_t mask, struct pk_error *err)
{
	struct pk_tracee with = *t;
	int r;

	with.regs = *regs;
	r = pk_tracee_write_regs(&with, err);
	return r < 0 ? r : pk_tracee_set_mask(t, mask, err);
}

static int give_back(struct pk_tracee *t, struct pk_error *err)
{
	int r = pk_tracee_set_mask(t, t->sigmask, err);

	return r < 0 ? r : pk_tracee_write_regs(t, err);
}

/* The frame that turns the borrowed thread into itself again, written to `at` in its process. */
static int write_frame(struct pk_tracee *t, uint64_t at, uint64_t trampoline, uint64_t *ret_sp,
	struct pk_error *err)
{
	_Alignas(64) uint8_t frame[PK_FRAME_MAX];
	uint8_t xstate[PK_FRAME_MAX];
	size_t n = sizeof(xstate), len;
	int r = pk_tracee_get_regset(t, NT_X86_XSTATE, xstate, &n, err);

	if (r < 0)
		return r;
	len = pk_sigframe_build(
		frame, sizeof(frame), at, &t->regs, t->again_nr, xstate, n, t->sigmask, ret_sp);
	if (!len) {
		pk_fail(err, PK_E_HOST, "thread %d of pid %d", t->tid, t->pid);
		return pk_why(err, "its vector registers do not fit in a signal frame");
	}
	memcpy(frame, &trampoline, sizeof(trampoline));
	return pk_mem_write(t->pid, at, frame, len, err);
}

/* Run to the next system call stop. */
static int to_syscall_stop(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	int sig = 0;

	for (;;) {
		int status, e;

		e = go(t, PTRACE_SYSCALL, sig, err);
		if (e < 0)
			return e;
		t->state = PK_T_RUNNING;
		e = wait_borrowed(r, t, &status, err);
		if (e < 0)
			return e;
		if (e == 0 || !WIFSTOPPED(status))
			return ended(t, status, err);
		if (WSTOPSIG(status) == SYSCALL_STOP)
			return 0;
		/* A SIGSTOP from outside cannot be blocked: let it take effect, and go on. */
		sig = status >> 16 ? 0 : WSTOPSIG(status);
	}
}

static bool has_landing(const struct pk_foothold *f)
{
	return f->syscall_ret && f->sigreturn && f->frame_at;
}

static int call_once(struct pk_remote *r, struct pk_tracee *t, const struct pk_regs *regs,
	int64_t *ret, struct pk_error *err)
{
	struct pk_tracee seen = *t;
	int back, e = borrow(t, regs, ALL_SIGNALS, err);

	if (e == 0)
		e = to_syscall_stop(r, t, err);
	pk_fault("remote.call.entry");
	if (e == 0)
		e = to_syscall_stop(r, t, err);
	pk_fault("remote.call.exit");
	if (e == 0)
		e = pk_tracee_read_regs(&seen, err);
	if (e == 0)
		e = settle(r, t, err);
	if (e == 0)
		*ret = pk_regs_result(&seen.regs);
	if (t->state == PK_T_GONE || r->stuck)
		return e;
	back = give_back(t, e ? NULL : err);
	return e ? e : back;
}

int pk_remote_call(struct pk_remote *r, struct pk_tracee *t, uint64_t nr, const uint64_t a[6],
	int64_t *ret, struct pk_error *err)
{
	static const uint8_t zeros[PK_FRAME_MAX];
	const struct pk_foothold *f = &r->foothold;
	struct pk_regs regs = t->regs;
	uint64_t sp;
	int e;

	if (!has_landing(f)) {
		pk_regs_syscall(&regs, f->syscall, nr, a);
		return call_once(r, t, &regs, ret, err);
	}
	e = write_frame(t, f->frame_at, f->sigreturn, &sp, err);
	if (e < 0)
		return e;
	pk_regs_syscall(&regs, f->syscall_ret, nr, a);
	pk_regs_set_sp(&regs, f->frame_at); /* the return pops the trampoline's address */
	e = call_once(r, t, &regs, ret, err);
	if (e == 0)
		e = pk_mem_write(t->pid, f->frame_at, zeros, sizeof(zeros), err);
	return e;
}

uint64_t pk_remote_address(const struct pk_remote *r, const struct pk_script *s, size_t data)
{
	return r->base + PROG_AT + sizeof(struct pk_prog) + s->n * sizeof(*s->op) + data;
}

static int fail_call(const struct pk_tracee *t, const char *what, int64_t ret, struct pk_error *err)
{
	errno = (int)-ret;
	pk_fail_errno(err, "pid %d: %s in it", t->pid, what);
	return pk_try(err, "raise its limits on memory (ulimit -v, vm.max_map_count)");
}

static int map_area(struct pk_remote *r, struct pk_tracee *t, uint64_t where, struct pk_error *err)
{
	const uint64_t map[6] = {where, r->len, PROT_READ | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED_NOREPLACE : 0), (uint64_t)-1, 0};
	int64_t ret;
	int e = pk_remote_call(r, t, SYS_mmap, map, &ret, err);

	if (e < 0)
		return e;
	if (ret < 0 && ret > -4096)
		return fail_call(t, "cannot map memory", ret, err);
	r->base = (uint64_t)ret;
	return 0;
}

/* Code is readable and executable, the rest readable and writable: nothing is ever both. */
static int open_rest(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	const uint64_t protect[6] = {r->base + CODE_LEN, r->len - CODE_LEN, PROT_READ | PROT_WRITE};
	int64_t ret;
	int e = pk_remote_call(r, t, SYS_mprotect, protect, &ret, err);

	return e < 0 || ret >= 0 ? e : fail_call(t, "cannot make memory writable", ret, err);
}

/* At the end of the code page: how long the area is, for one that has to be found again. */
struct mark {
	uint64_t magic, len;
};
#define MARK_MAGIC UINT64_C(0x61657261746b6370) /* "pcktarea" */

static int write_code(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	size_t n = (size_t)(pk_stub_blob_end - pk_stub_blob);
	const struct mark mark = {MARK_MAGIC, r->len};
	uint8_t code[CODE_LEN] = {0};
	int e;

	memcpy(code, pk_stub_blob, n);
	e = pk_mem_poke(t->tid, r->base + CODE_LEN - sizeof(mark), &mark, sizeof(mark), err);
	return e < 0 ? e : pk_mem_poke(t->tid, r->base, code, (n + 7) & ~7ul, err);
}

size_t pk_remote_leftover(pid_t pid, uint64_t at)
{
	size_t n = (size_t)(pk_stub_blob_end - pk_stub_blob);
	uint8_t code[CODE_LEN];
	struct mark mark;

	if (pk_mem_read(pid, at, code, sizeof(code), NULL) < 0)
		return 0;
	memcpy(&mark, code + CODE_LEN - sizeof(mark), sizeof(mark));
	return mark.magic == MARK_MAGIC && mark.len >= PROG_AT && !memcmp(code, pk_stub_blob, n)
		       ? mark.len
		       : 0;
}

int pk_remote_open(struct pk_remote *r, struct pk_tracee *t, uint64_t where, size_t prog_size,
	struct pk_error *err)
{
	int e;

	r->pid = t->pid;
	r->base = 0;
	r->stuck = false;
	r->len = pk_remote_size(prog_size);
	e = given_up(r, err);
	if (e == 0)
		e = map_area(r, t, where, err);
	/* The mark comes first: an area that has it can be found again. */
	if (e == 0)
		e = write_code(r, t, err);
	if (e == 0)
		e = open_rest(r, t, err);
	if (e < 0)
		pk_remote_close(r, t, NULL);
	pk_fault("remote.open");
	return e;
}

int pk_remote_close(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	const uint64_t a[6] = {r->base, r->len};
	int64_t ret = 0;
	int e;

	free(r->born);
	r->born = NULL;
	r->n_born = 0;
	if (!r->base || t->state == PK_T_GONE || r->stuck)
		return 0;
	e = pk_remote_call(r, t, SYS_munmap, a, &ret, err);
	if (e == 0 && ret < 0)
		e = fail_call(t, "cannot unmap memory", ret, err);
	if (e == 0)
		r->base = 0;
	return e;
}

static int write_program(struct pk_remote *r, struct pk_tracee *t, const struct pk_script *s,
	uint64_t frame, uint32_t end_signal, struct pk_error *err)
{
	const struct pk_prog prog = {
		.n_ops = (uint32_t)s->n,
		.data_len = (uint32_t)s->data.len,
		.end_signal = end_signal,
		.frame = frame,
	};
	uint64_t at = r->base + PROG_AT;
	int e;

	if (s->failed || s->data.failed) {
		errno = ENOMEM;
		return pk_fail_errno(err, "pid %d: a program for it", t->pid);
	}
	if (PROG_AT + pk_script_size(s) > r->len) {
		pk_fail(err, PK_E_INTERNAL, "pid %d: a program of %zu ops", t->pid, s->n);
		return pk_why(err, "it is larger than its area");
	}
	e = pk_mem_write(t->pid, at, &prog, sizeof(prog), err);
	at += sizeof(prog);
	if (e == 0)
		e = pk_mem_write(t->pid, at, s->op, s->n * sizeof(*s->op), err);
	at += s->n * sizeof(*s->op);
	return e ? e : pk_mem_write(t->pid, at, s->data.p, s->data.len, err);
}

static int read_program(struct pk_remote *r, struct pk_tracee *t, struct pk_script *s,
	struct pk_prog *prog, struct pk_error *err)
{
	uint64_t at = r->base + PROG_AT;
	int e = pk_mem_read(t->pid, at, prog, sizeof(*prog), err);

	at += sizeof(*prog);
	if (e == 0)
		e = pk_mem_read(t->pid, at, s->op, s->n * sizeof(*s->op), err);
	at += s->n * sizeof(*s->op);
	return e ? e : pk_mem_read(t->pid, at, s->data.p, s->data.len, err);
}

/*
 * Without a signal to end with: the thread has stopped at some system call. If it is the stub's
 * rt_sigreturn, skip that call and put the thread before it, where it is safe. 1: it was.
 */
static int at_return(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	struct pk_tracee seen = *t;
	int e = pk_tracee_read_regs(&seen, err);

	if (e < 0)
		return e;
	if (pk_regs_nr(&seen.regs) != SYS_rt_sigreturn || pk_regs_ip(&seen.regs) < r->base ||
		pk_regs_ip(&seen.regs) >= r->base + CODE_LEN)
		return 0;
	pk_regs_set_ip(&seen.regs, r->base + pk_stub_return_offset());
	pk_regs_finish(&seen.regs, 0);
	e = pk_tracee_write_regs(&seen, err);
	return e < 0 ? e : 1;
}

static int crashed(struct pk_remote *r, struct pk_tracee *t, int sig, struct pk_error *err)
{
	struct pk_prog prog = {0};

	pk_mem_read(t->pid, r->base + PROG_AT, &prog, sizeof(prog), NULL);
	pk_fail(err, PK_E_INTERNAL, "pid %d: the stub stopped with signal %d at op %u", t->pid, sig,
		prog.pc);
	return pk_try(err, "report this, with the output of PCKPT_TRACE=1");
}

/* A signal like the stub's may come from elsewhere: only its program knows whether it is done. */
static bool still_running(const struct pk_remote *r, const struct pk_tracee *t)
{
	struct pk_prog prog;

	return pk_mem_read(t->pid, r->base + PROG_AT, &prog, sizeof(prog), NULL) == 0 &&
	       (prog.status == PK_PROG_NEW || prog.status == PK_PROG_RUNNING);
}

static int note_birth(struct pk_remote *r, struct pk_tracee *t, struct pk_error *err)
{
	pid_t *v = pk_array_more(r->born, r->n_born, sizeof(*v));
	unsigned long child;

	if (!v)
		return pk_fail_errno(err, "pid %d", t->pid);
	r->born = v;
	if (ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &child) < 0)
		return pk_fail_errno(err, "pid %d: its new thread", t->pid);
	r->born[r->n_born++] = (pid_t)child;
	return 0;
}

static bool is_birth(int status)
{
	int event = status >> 16;

	return event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK ||
	       event == PTRACE_EVENT_VFORK;
}

/* Let the stub run to its end. */
static int to_end(
	struct pk_remote *r, struct pk_tracee *t, uint32_t end_signal, struct pk_error *err)
{
	int request = end_signal ? PTRACE_CONT : PTRACE_SYSCALL, sig = 0;

	for (;;) {
		int status, e = go(t, request, sig, err);

		if (e < 0)
			return e;
		t->state = PK_T_RUNNING;
		e = wait_borrowed(r, t, &status, err);
		if (e < 0)
			return e;
		if (e == 0 || !WIFSTOPPED(status))
			return ended(t, status, err);
		if (is_birth(status) && (e = note_birth(r, t, err)) < 0)
			return e;
		sig = status >> 16 ? 0 : WSTOPSIG(status);
		if (sig == SYSCALL_STOP) {
			e = at_return(r, t, err);
			if (e)
				return e < 0 ? e : 0;
			sig = 0;
		} else if (sig && sig == (int)end_signal) {
			if (!still_running(r, t))
				return 0;
			sig = 0; /* the job ignores it */
		} else if (sig && sig != SIGSTOP) {
			return crashed(r, t, sig, err);
		}
	}
}

static void print_trace(const struct pk_remote *r, const struct pk_tracee *t,
	const struct pk_script *s, const struct pk_prog *prog)
{
	char line[400];

	pk_log(PK_LOG_WARN, "trace: thread %d: %zu ops, status %u at op %u", t->tid, s->n,
		prog->status, prog->pc);
	for (size_t i = 0; i < s->n && i <= prog->pc; i++) {
		pk_op_print(&s->op[i], i, r->namer, line, sizeof(line));
		pk_log(PK_LOG_WARN, "trace: %s", line);
	}
}

static int fail_op(const struct pk_remote *r, const struct pk_tracee *t, const struct pk_script *s,
	const struct pk_prog *prog, struct pk_error *err)
{
	char line[400] = "?";

	if (prog->pc < s->n)
		pk_op_print(&s->op[prog->pc], prog->pc, r->namer, line, sizeof(line));
	if (prog->status == PK_PROG_FAILED && prog->pc < s->n) {
		errno = (int)-s->op[prog->pc].ret;
		pk_fail_errno(err, "thread %d of pid %d: op %s", t->tid, t->pid, line);
		return errno > 0 && errno < 4096
			       ? pk_why(err, "%s", strerror(errno))
			       : pk_why(err, "expected %ld", (long)s->op[prog->pc].want);
	}
	pk_fail(err, PK_E_INTERNAL, "thread %d of pid %d: op %s", t->tid, t->pid, line);
	return pk_why(err, "the program is malformed (status %u)", prog->status);
}

static uint32_t choose_end(const struct pk_remote *r, const struct pk_tracee *t)
{
	uint64_t usable = r->quiet & ~t->sigmask;

	if (r->end_signal || !usable)
		return r->end_signal;
	return (uint32_t)__builtin_ctzll(usable) + 1;
}

static int run_borrowed(struct pk_remote *r, struct pk_tracee *t, struct pk_script *s,
	struct pk_prog *prog, struct pk_error *err)
{
	const uint32_t end_signal = choose_end(r, t);
	uint64_t mask = ALL_SIGNALS;
	struct pk_regs regs = t->regs;
	uint64_t sp;
	int back, e;

	if (end_signal)
		mask &= ~(UINT64_C(1) << (end_signal - 1));
	e = write_frame(t, r->base + FRAME_AT, 0, &sp, err);
	if (e == 0)
		e = write_program(r, t, s, sp, end_signal, err);
	if (e < 0)
		return e;
	pk_regs_call(&regs, r->base, r->base + STACK_END, r->base + PROG_AT);
	e = borrow(t, &regs, mask, err);
	pk_fault("remote.run.borrowed");
	if (e == 0)
		e = to_end(r, t, end_signal, err);
	pk_fault("remote.run.end");
	if (t->state == PK_T_GONE || r->stuck)
		return e;
	back = settle(r, t, e ? NULL : err);
	if (back == 0)
		back = give_back(t, e ? NULL : err);
	if (e < 0 || back < 0)
		return e ? e : back;
	return read_program(r, t, s, prog, err);
}

int pk_remote_run(struct pk_remote *r, struct pk_tracee *t, struct pk_script *s, size_t *ret_failed,
	struct pk_error *err)
{
	struct pk_prog prog = {0};
	int e = given_up(r, err);

	if (e == 0)
		e = run_borrowed(r, t, s, &prog, err);
	if (e < 0)
		return e;
	if (r->trace)
		print_trace(r, t, s, &prog);
	if (ret_failed)
		*ret_failed = prog.status == PK_PROG_DONE ? s->n : prog.pc;
	if (prog.status == PK_PROG_DONE || (ret_failed && prog.status == PK_PROG_FAILED))
		return 0;
	return fail_op(r, t, s, &prog, err);
}
