/* SPDX-License-Identifier: Apache-2.0 */
#include "dump/waits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "image/store.h"
#include "proc/status.h"
#include "ptrace/mem.h"

/* A wait that the last checkpoint of the same store recorded. */
struct pk_wait_past {
	uint64_t sp, ip;
	int32_t nr;
	int64_t end;
};

struct pk_wait_note {
	pid_t tid;
	int64_t nr;
	uint64_t arg[6], sp, ip;
	struct pk_sched sched;
	uint32_t cpu;
	int64_t slept; /* ns, once it is stopped; 0 if that cannot be told */
};

/* How a timed call takes its timeout. */
enum timeout_form { NO_TIMEOUT, MILLISECONDS, TIMESPEC };

struct timed_call {
	int64_t nr;
	enum timeout_form form;
	unsigned arg; /* that holds it */
	int left_arg; /* to which the kernel writes the time left when interrupted; -1: none */
	bool hide;    /* returns EINTR because of our stop */
};

static const struct timed_call calls[] = {
	{SYS_nanosleep, TIMESPEC, 0, 1, false},
	{SYS_clock_nanosleep, TIMESPEC, 2, 3, false},
	{SYS_poll, MILLISECONDS, 2, -1, false},
	{SYS_futex, TIMESPEC, 3, -1, false},
	{SYS_epoll_wait, MILLISECONDS, 3, -1, true},
	{SYS_epoll_pwait, MILLISECONDS, 3, -1, true},
	{441 /* epoll_pwait2 */, TIMESPEC, 3, -1, true},
	{SYS_rt_sigtimedwait, TIMESPEC, 2, -1, true},
	{SYS_semop, NO_TIMEOUT, 0, -1, true},
	{SYS_semtimedop, TIMESPEC, 3, -1, true},
	{SYS_io_getevents, TIMESPEC, 4, -1, true},
	{SYS_accept, NO_TIMEOUT, 0, -1, true},
	{SYS_accept4, NO_TIMEOUT, 0, -1, true},
	{SYS_recvfrom, NO_TIMEOUT, 0, -1, true},
	{SYS_recvmsg, NO_TIMEOUT, 0, -1, true},
	{SYS_sendto, NO_TIMEOUT, 0, -1, true},
	{SYS_sendmsg, NO_TIMEOUT, 0, -1, true},
	{SYS_read, NO_TIMEOUT, 0, -1, true},
	{SYS_write, NO_TIMEOUT, 0, -1, true},
	{SYS_readv, NO_TIMEOUT, 0, -1, true},
	{SYS_writev, NO_TIMEOUT, 0, -1, true},
};

static const struct timed_call *call_of(int64_t nr)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i].nr == nr)
			return &calls[i];
	return NULL;
}

void pk_waits_free(struct pk_waits *w)
{
	free(w->v);
	free(w->past);
	*w = (struct pk_waits){0};
}

static int read_sched(int procfd, pid_t tid, struct pk_sched *ret)
{
	char name[64];
	PK_FREE char *text = NULL;
	size_t n;

	snprintf(name, sizeof(name), "task/%d/sched", tid);
	text = pk_read_file(procfd, name, 1 << 16, &n);
	return text ? pk_sched_parse(text, n, ret) : -1;
}

static int read_cpu(int procfd, pid_t tid, uint32_t *ret)
{
	char name[64];
	PK_CLOSE int fd = -1;
	struct pk_stat st;

	snprintf(name, sizeof(name), "task/%d", tid);
	fd = openat(procfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || pk_stat_read(fd, &st, NULL) < 0)
		return -1;
	*ret = st.processor;
	return 0;
}

/* "230 0x0 0x0 ... 0xsp 0xip", or "running": proc_pid_syscall(5). */
static bool read_call(int procfd, pid_t tid, struct pk_wait_note *n)
{
	char name[64];
	PK_FREE char *text = NULL;

	snprintf(name, sizeof(name), "task/%d/syscall", tid);
	text = pk_read_file(procfd, name, 4096, NULL);
	return text && sscanf(text,
			       "%" SCNd64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
			       " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
			       &n->nr, &n->arg[0], &n->arg[1], &n->arg[2], &n->arg[3], &n->arg[4],
			       &n->arg[5], &n->sp, &n->ip) == 9;
}

static bool worth_noting(const struct pk_wait_note *n)
{
	const struct timed_call *c = call_of(n->nr);

	return pk_nr_is_restart(n->nr) || (c && c->form != NO_TIMEOUT);
}

static void note_thread(struct pk_waits *w, int procfd, pid_t tid)
{
	struct pk_wait_note note = {.tid = tid};
	void *v;

	if (!read_call(procfd, tid, &note) || !worth_noting(&note) ||
		read_sched(procfd, tid, &note.sched) < 0 || read_cpu(procfd, tid, &note.cpu) < 0)
		return;
	v = pk_array_more(w->v, w->n, sizeof(note));
	if (!v)
		return;
	w->v = v;
	w->v[w->n++] = note;
}

static void remember(struct pk_waits *w, const struct pk_thread *th)
{
	struct pk_regs regs;
	void *v;

	if (th->wait_nr < 0 || th->wait_end < 0 || th->regs.n != sizeof(regs.r))
		return;
	v = pk_array_more(w->past, w->n_past, sizeof(*w->past));
	if (!v)
		return;
	memcpy(&regs.r, th->regs.p, sizeof(regs.r));
	w->past = v;
	w->past[w->n_past++] = (struct pk_wait_past){
		pk_regs_sp(&regs), pk_regs_ip(&regs), th->wait_nr, th->wait_end};
}

/*
 * A wait that a dump has interrupted before goes on in the kernel under the number of
 * restart_syscall(2), and the scheduler counts from that dump. What was known then is in the store.
 */
static void read_past(struct pk_waits *w, const char *store)
{
	struct pk_image img = {.dirfd = -1};
	const struct pk_obj *o = NULL;

	if (pk_image_open(store, pk_kind_lookup, &img, NULL) < 0)
		return;
	while ((o = pk_model_next(&img.model, o, &pk_thread_type, PK_ANY_OWNER)))
		remember(w, o->data);
	pk_image_close(&img);
}

void pk_waits_note(struct pk_waits *w, int procfd, const char *store)
{
	PK_FREE uint32_t *tids = NULL;
	bool restarted = false;
	size_t n;

	if (pk_list_numbers(procfd, "task", &tids, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		note_thread(w, procfd, (pid_t)tids[i]);
	for (size_t i = 0; i < w->n; i++)
		restarted |= pk_nr_is_restart(w->v[i].nr);
	if (restarted && store)
		read_past(w, store);
}

static const struct pk_wait_note *note_of(const struct pk_waits *w, const struct pk_tracee *t)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct pk_wait_note *n = &w->v[i];

		if (n->tid == t->tid && n->nr == pk_regs_nr(&t->regs) &&
			n->sp == pk_regs_sp(&t->regs) && n->ip == pk_regs_ip(&t->regs))
			return n;
	}
	return NULL;
}

/*
 * The run-queue clocks of two CPUs run at the same pace, but count interrupts and stolen time
 * apart. What one is ahead of CLOCK_MONOTONIC can be seen by running there for a moment.
 */
static bool clock_offset(uint32_t cpu, int64_t *ret)
{
	PK_FREE char *text = NULL;
	struct pk_sched s;
	cpu_set_t only;
	size_t n;

	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	if (sched_setaffinity(0, sizeof(only), &only) < 0)
		return false;
	sched_yield(); /* brings our own exec_start up to date */
	text = pk_read_file(AT_FDCWD, "/proc/thread-self/sched", 1 << 16, &n);
	if (!text || pk_sched_parse(text, n, &s) < 0)
		return false;
	*ret = pk_now() - (int64_t)s.exec_start;
	return true;
}

static int64_t across_cpus(const struct pk_wait_note *n, const struct pk_sched *now, uint32_t cpu)
{
	int64_t then_off, now_off;
	bool ok;
	cpu_set_t mine;

	if (sched_getaffinity(0, sizeof(mine), &mine) < 0)
		return 0;
	ok = clock_offset(n->cpu, &then_off) && clock_offset(cpu, &now_off);
	sched_setaffinity(0, sizeof(mine), &mine);
	if (!ok)
		return 0;
	/* Reading our own clock takes time, which must not count as slept. */
	return ((int64_t)now->exec_start + now_off) - ((int64_t)n->sched.exec_start + then_off) -
	       PK_MSEC;
}

static int64_t measure(const struct pk_wait_note *n, int procfd)
{
	struct pk_sched now;
	uint32_t cpu;
	int64_t ns;

	if (read_sched(procfd, n->tid, &now) < 0 || read_cpu(procfd, n->tid, &cpu) < 0)
		return 0;
	/* One switch: from its sleep into our stop. More: it has done something else since. */
	if (now.switches != n->sched.switches + 1)
		return 0;
	if (cpu == n->cpu)
		ns = (int64_t)(now.exec_start - n->sched.exec_start);
	else
		ns = across_cpus(n, &now, cpu);
	return ns > 0 ? ns : 0;
}

static int64_t slept(const struct pk_waits *w, const struct pk_tracee *t)
{
	const struct pk_wait_note *n = note_of(w, t);

	return n ? n->slept : 0;
}

/* A length of time in the thread's memory, ns; -1 if there is none. */
static int64_t timespec_at(const struct pk_tracee *t, uint64_t at)
{
	struct timespec ts;

	if (!at || pk_mem_read(t->pid, at, &ts, sizeof(ts), NULL) < 0 || ts.tv_sec < 0 ||
		ts.tv_sec > INT64_MAX / PK_NSEC - 1 || ts.tv_nsec < 0 || ts.tv_nsec >= PK_NSEC)
		return -1;
	return pk_ns(&ts);
}

/* The timeout that the call was made with, ns; -1 if it has none or cannot be read. */
static int64_t timeout_of(const struct timed_call *c, const struct pk_tracee *t)
{
	uint64_t arg = pk_regs_arg(&t->regs, c->arg);

	if (c->form == MILLISECONDS)
		return (int32_t)arg < 0 ? -1 : (int32_t)arg * PK_MSEC;
	return c->form == NO_TIMEOUT ? -1 : timespec_at(t, arg);
}

/* Calls whose timeout is a moment, not a length: made again they end when they should. */
static bool absolute(int64_t nr, const struct pk_tracee *t)
{
	if (nr == SYS_clock_nanosleep)
		return pk_regs_arg(&t->regs, 1) & TIMER_ABSTIME;
	if (nr == SYS_futex)
		return (pk_regs_arg(&t->regs, 1) & FUTEX_CMD_MASK) != FUTEX_WAIT;
	return false;
}

static int64_t left_in_memory(const struct timed_call *c, const struct pk_tracee *t)
{
	return c->left_arg < 0 ? -1 : timespec_at(t, pk_regs_arg(&t->regs, (unsigned)c->left_arg));
}

/* After restart_syscall(2) the number of the call is only in the code before it. */
static int64_t real_nr(const struct pk_tracee *t)
{
	int64_t nr = pk_regs_nr(&t->regs);
	uint8_t code[64];

	if (!pk_nr_is_restart(nr))
		return nr;
	if (pk_mem_read(t->pid, pk_regs_ip(&t->regs) - sizeof(code), code, sizeof(code), NULL) < 0)
		return -1;
	nr = pk_code_nr(code, sizeof(code));
	return nr == SYS_nanosleep || nr == SYS_clock_nanosleep || nr == SYS_poll || nr == SYS_futex
		       ? nr
		       : -1;
}

static const struct pk_wait_past *past_of(const struct pk_waits *w, const struct pk_tracee *t)
{
	for (size_t i = 0; i < w->n_past && pk_nr_is_restart(pk_regs_nr(&t->regs)); i++)
		if (w->past[i].sp == pk_regs_sp(&t->regs) && w->past[i].ip == pk_regs_ip(&t->regs))
			return &w->past[i];
	return NULL;
}

/* The number of the call that a thread waits in, also after it was restarted; -1 if unknown. */
static int64_t nr_of(const struct pk_waits *w, const struct pk_tracee *t)
{
	const struct pk_wait_past *past = past_of(w, t);

	return past ? past->nr : real_nr(t);
}

static bool signal_pending(const struct pk_tracee *t)
{
	for (uint32_t shared = 0; shared < 2; shared++) {
		struct __ptrace_peeksiginfo_args args = {
			.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0, .nr = 1};
		siginfo_t info;

		for (; ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, &info) == 1; args.off++)
			if (!(t->sigmask >> (info.si_signo - 1) & 1))
				return true;
	}
	return false;
}

/*
 * A shorter timeout for a call that takes it by address. The program's own may be constant; below
 * the stack pointer and the red zone nothing lives, and the kernel copies the timeout as soon as
 * the call is made.
 */
static bool put_timespec(const struct pk_tracee *t, int64_t left, uint64_t *ret_at)
{
	struct timespec ts = pk_timespec(left);

	*ret_at = (pk_regs_sp(&t->regs) - 256) & ~UINT64_C(15);
	return pk_mem_write(t->pid, *ret_at, &ts, sizeof(ts), NULL) == 0;
}

static int hide_stop(const struct pk_waits *w, struct pk_tracee *t, struct pk_error *err)
{
	const struct timed_call *c = call_of(pk_regs_nr(&t->regs));
	int64_t timeout, left;
	uint64_t at;

	if (!c || !c->hide || signal_pending(t))
		return 0;
	timeout = timeout_of(c, t);
	left = timeout - slept(w, t);
	if (left < 0)
		left = 0;
	if (timeout > 0 && c->form == MILLISECONDS)
		pk_regs_set_arg(&t->regs, c->arg, (uint64_t)((left + PK_MSEC - 1) / PK_MSEC));
	else if (timeout > 0 && left < timeout && put_timespec(t, left, &at))
		pk_regs_set_arg(&t->regs, c->arg, at);
	pk_regs_rewind(&t->regs, (uint64_t)c->nr);
	return pk_tracee_write_regs(t, err);
}

int pk_waits_stopped(struct pk_waits *w, int procfd, struct pk_freeze *f, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; i < w->n; i++)
		w->v[i].slept = measure(&w->v[i], procfd);
	for (size_t i = 0; i < f->n && r == 0; i++) {
		struct pk_tracee *t = f->v[i];

		if (pk_regs_restart(&t->regs) == PK_RESTART_BLOCK)
			t->again_nr = nr_of(w, t);
		if (pk_regs_restart(&t->regs) == PK_RESTART_EINTR)
			r = hide_stop(w, t, err);
	}
	return r;
}

/* The time left of a call at the moment of the stop, -1 if its arguments tell the end. */
static int64_t left_of(const struct pk_waits *w, const struct pk_tracee *t, int64_t nr)
{
	const struct timed_call *c = call_of(nr);
	int64_t left, timeout;

	if (!c || absolute(nr, t))
		return -1;
	left = left_in_memory(c, t);
	timeout = timeout_of(c, t);
	if (left >= 0 || timeout < 0)
		return left;
	left = timeout - slept(w, t);
	return left > 0 ? left : 0;
}

void pk_waits_record(
	const struct pk_waits *w, const struct pk_tracee *t, int64_t now, struct pk_thread *ret)
{
	const struct pk_wait_past *past = past_of(w, t);
	int64_t left;

	ret->wait_nr = ret->wait_end = -1;
	if (pk_regs_restart(&t->regs) != PK_RESTART_BLOCK)
		return;
	ret->wait_nr = (int32_t)nr_of(w, t);
	if (ret->wait_nr < 0) {
		pk_log(PK_LOG_WARN,
			"thread %d: a timed call that was interrupted before; after a restore it "
			"returns EINTR",
			t->tid);
		return;
	}
	left = left_of(w, t, ret->wait_nr);
	if (left >= 0)
		ret->wait_end = left < INT64_MAX - now ? now + left : INT64_MAX;
	if (past && past->end < ret->wait_end)
		ret->wait_end = past->end > now ? past->end : now;
}
