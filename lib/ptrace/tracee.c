/* SPDX-License-Identifier: Apache-2.0 */
#include "ptrace/tracee.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ptrace/ptrace_internal.h"

static int gone(struct pk_tracee *t, int status)
{
	t->state = PK_T_GONE;
	t->exit_status = status;
	return 0;
}

static int fail_ptrace(struct pk_tracee *t, const char *what, struct pk_error *err)
{
	if (errno == ESRCH) {
		t->state = PK_T_GONE;
		pk_fail(err, PK_E_MISSING, "thread %d of pid %d", t->tid, t->pid);
		return pk_why(err, "it has ended");
	}
	return pk_fail_errno(err, "thread %d of pid %d: %s", t->tid, t->pid, what);
}

int pk_tracee_seize(struct pk_tracee *t, unsigned long options, struct pk_error *err)
{
	if (ptrace(PTRACE_SEIZE, t->tid, NULL, options) < 0)
		return fail_ptrace(t, "cannot attach", err);
	t->state = PK_T_RUNNING;
	return 0;
}

int pk_tracee_interrupt(struct pk_tracee *t, struct pk_error *err)
{
	if (ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) < 0)
		return fail_ptrace(t, "cannot stop it", err);
	return 0;
}

static int cont(struct pk_tracee *t, int sig, struct pk_error *err)
{
	if (ptrace(PTRACE_CONT, t->tid, NULL, (long)sig) < 0 && errno != ESRCH)
		return fail_ptrace(t, "cannot continue it", err);
	return 0;
}

/*
 * The next event of a thread. waitpid cannot time out, so: look, yield a few times (a stop takes
 * microseconds), then sleep until SIGCHLD, which announces each stop. The sleep is bounded because
 * SIGCHLDs merge, and another thread may have taken the one that was ours.
 */
int pk_wait_event(
	struct pk_tracee *t, const struct pk_deadline *d, int *status, struct pk_error *err)
{
	const struct timespec slice = {.tv_nsec = 2 * PK_MSEC};
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (unsigned spin = 0;; spin++) {
		pid_t r = waitpid(t->tid, status, __WALL | WNOHANG);

		if (r == t->tid)
			return 1;
		if (r < 0 && errno != EINTR)
			return 0; /* ECHILD: gone, and somebody else has its status */
		if (pk_deadline_passed(d))
			break;
		if (spin < 64)
			sched_yield();
		else
			sigtimedwait(&chld, NULL, &slice);
	}
	pk_fail(err, PK_E_TEMPFAIL, "thread %d of pid %d does not stop", t->tid, t->pid);
	if (pk_deadline_cancelled(d))
		return pk_why(err, "interrupted");
	pk_why(err, "it did not within the time limit");
	return pk_try(err, "try again later, or allow more with --timeout");
}

/* What a stop that is not STOPPED leads to: pass it through. */
static int pass_through(struct pk_tracee *t, int status, struct pk_error *err)
{
	int event = status >> 16;
	unsigned long msg = 0;

	switch (event) {
	case 0: /* signal-delivery-stop: the signal is the job's */
		return cont(t, WSTOPSIG(status), err);
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		if (ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &msg) == 0)
			t->new_thread = (pid_t)msg;
		return cont(t, 0, err);
	case PTRACE_EVENT_EXEC:
		t->exec_event = true;
		return cont(t, 0, err);
	default:
		return cont(t, 0, err);
	}
}

/* Any stop uses up a request for one (ptrace_stop() in the kernel): ask again. */
static int pass_and_ask(struct pk_tracee *t, int status, struct pk_error *err)
{
	int r = pass_through(t, status, err);

	if (r == 0 && ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) < 0 && errno != ESRCH)
		return fail_ptrace(t, "cannot stop it", err);
	return r;
}

int pk_tracee_wait(struct pk_tracee *t, const struct pk_deadline *d, struct pk_error *err)
{
	while (t->state == PK_T_RUNNING) {
		int status, r;

		r = pk_wait_event(t, d, &status, err);
		if (r < 0)
			return r;
		if (r == 0 || WIFEXITED(status) || WIFSIGNALED(status))
			return gone(t, r ? status : 0);
		if (status >> 16 == PTRACE_EVENT_STOP) {
			int sig = WSTOPSIG(status);

			t->stop_signal = sig == SIGTRAP ? 0 : sig;
			t->state = PK_T_STOPPED;
			return 0;
		}
		r = pass_and_ask(t, status, err);
		if (r < 0 || t->new_thread)
			return r;
	}
	return 0;
}

int pk_tracee_wait_exec(struct pk_tracee *t, const struct pk_deadline *d, struct pk_error *err)
{
	while (t->state == PK_T_RUNNING && !t->exec_event) {
		int status, r = pk_wait_event(t, d, &status, err);

		if (r < 0)
			return r;
		if (r == 0 || !WIFSTOPPED(status))
			return gone(t, r ? status : 0);
		/* Stopped before its first instruction: that stop is left for the next request. */
		if (status >> 16 == PTRACE_EVENT_EXEC && ptrace(PTRACE_INTERRUPT, t->tid, 0, 0) < 0)
			return fail_ptrace(t, "cannot stop it", err);
		r = pass_through(t, status, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int pk_tracee_get_regset(
	const struct pk_tracee *t, unsigned type, void *p, size_t *n, struct pk_error *err)
{
	struct iovec iov = {.iov_base = p, .iov_len = *n};

	if (ptrace(PTRACE_GETREGSET, t->tid, (long)type, &iov) < 0)
		return pk_fail_errno(
			err, "thread %d of pid %d: register set 0x%x", t->tid, t->pid, type);
	*n = iov.iov_len;
	return 0;
}

int pk_tracee_set_regset(
	const struct pk_tracee *t, unsigned type, const void *p, size_t n, struct pk_error *err)
{
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};

	if (ptrace(PTRACE_SETREGSET, t->tid, (long)type, &iov) < 0)
		return pk_fail_errno(
			err, "thread %d of pid %d: register set 0x%x", t->tid, t->pid, type);
	return 0;
}

int pk_tracee_read_regs(struct pk_tracee *t, struct pk_error *err)
{
	size_t n = sizeof(t->regs.r);
	int r = pk_tracee_get_regset(t, NT_PRSTATUS, &t->regs.r, &n, err);

	if (r < 0)
		return r;
	t->again_nr = pk_regs_nr(&t->regs);
	if (pk_nr_is_restart(t->again_nr))
		t->again_nr = -1;
	if (ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(t->sigmask), &t->sigmask) < 0)
		return fail_ptrace(t, "signal mask", err);
	return 0;
}

int pk_tracee_write_regs(const struct pk_tracee *t, struct pk_error *err)
{
	return pk_tracee_set_regset(t, NT_PRSTATUS, &t->regs.r, sizeof(t->regs.r), err);
}

int pk_tracee_set_mask(const struct pk_tracee *t, uint64_t mask, struct pk_error *err)
{
	if (ptrace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), &mask) < 0)
		return pk_fail_errno(err, "thread %d of pid %d: signal mask", t->tid, t->pid);
	return 0;
}

int pk_tracee_resume(struct pk_tracee *t, struct pk_error *err)
{
	int r = cont(t, 0, err);

	if (r == 0)
		t->state = PK_T_RUNNING;
	return r;
}

struct tracer {
	int (*fn)(void *arg, struct pk_error *err);
	void *arg;
	struct pk_error *err;
	int ret;
};

static void *tracer_main(void *arg)
{
	struct tracer *tr = arg;

	tr->ret = tr->fn(tr->arg, tr->err);
	return NULL;
}

int pk_tracer_run(int (*fn)(void *arg, struct pk_error *err), void *arg, struct pk_error *err)
{
	struct tracer tr = {.fn = fn, .arg = arg, .err = err};
	pthread_t thread;

	errno = pthread_create(&thread, NULL, tracer_main, &tr);
	if (errno)
		return pk_fail_errno(err, "cannot start a thread");
	pthread_join(thread, NULL);
	return tr.ret;
}
