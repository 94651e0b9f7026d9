/* SPDX-License-Identifier: Apache-2.0 */
#include "ptrace/freeze.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"

/*
 * Children are not attached with their parent: one of vfork(2) has to run on for its parent to
 * stop. They are found when it has.
 */
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

void pk_freeze_free(struct pk_freeze *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i]);
	free(f->v);
	f->v = NULL;
	f->n = 0;
}

struct pk_tracee *pk_freeze_find(const struct pk_freeze *f, pid_t tid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i]->tid == tid)
			return f->v[i];
	return NULL;
}

static struct pk_tracee *add(struct pk_freeze *f, pid_t pid, pid_t tid, struct pk_error *err)
{
	struct pk_tracee *t;

	void *v = pk_array_more(f->v, f->n, sizeof(*f->v));

	if (v)
		f->v = v;
	t = v ? calloc(1, sizeof(*t)) : NULL;
	if (!t) {
		pk_fail_errno(err, "pid %d", pid);
		return NULL;
	}
	t->pid = pid;
	t->tid = tid;
	return f->v[f->n++] = t;
}

/* Attach and stop one thread that a pass has found. A thread that ended meanwhile is no failure. */
static int take(struct pk_freeze *f, pid_t pid, pid_t tid, struct pk_error *err)
{
	struct pk_error why = {0};
	struct pk_tracee *t = add(f, pid, tid, err);
	int r;

	if (!t)
		return -PK_E_TEMPFAIL;
	r = pk_tracee_seize(t, OPTIONS, &why);
	/* EPERM also when the kernel has attached it to us already: then it can be interrupted. */
	if (r < 0 && why.sys_errno == EPERM && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0) {
		t->state = PK_T_RUNNING;
		return 0;
	}
	if (r == 0)
		r = pk_tracee_interrupt(t, &why);
	if (r < 0 && t->state != PK_T_GONE && err)
		*err = why;
	return t->state == PK_T_GONE ? 0 : r;
}

/* Attach every thread of /proc/PID/task that is not known yet. Returns how many, or a class. */
static int pass(struct pk_freeze *f, pid_t pid, int procfd, struct pk_error *err)
{
	int fd = openat(procfd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	PK_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int found = 0;

	if (!d) {
		pk_fail(err, PK_E_MISSING, "pid %d", pid);
		return pk_why(err, "the process has ended");
	}
	while ((e = readdir(d))) {
		pid_t tid = atoi(e->d_name);
		int r;

		if (tid <= 0 || pk_freeze_find(f, tid))
			continue;
		r = take(f, pid, tid, err);
		if (r < 0)
			return r;
		found++;
	}
	return found;
}

/* clone(2) makes processes, too: such a one begins with a stop, from which it is let go. */
static void let_go(pid_t tid)
{
	int status;

	while (waitpid(tid, &status, __WALL) < 0 && errno == EINTR)
		;
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
}

/* A thread that the kernel attached by itself, reported by its creator. */
static int adopt(struct pk_freeze *f, struct pk_tracee *creator, struct pk_error *err)
{
	pid_t tid = creator->new_thread;
	struct pk_tracee *t;

	creator->new_thread = 0;
	if (pk_freeze_find(f, tid))
		return 0;
	if (syscall(SYS_tgkill, creator->pid, tid, 0) < 0 && errno == ESRCH) {
		let_go(tid);
		return 0;
	}
	t = add(f, creator->pid, tid, err);
	if (!t)
		return -PK_E_TEMPFAIL;
	t->state = PK_T_RUNNING;
	return 0;
}

static int stop_all(struct pk_freeze *f, struct pk_error *err)
{
	/* f->n grows while we go: adopted threads are waited for too. */
	for (size_t i = 0; i < f->n; i++) {
		struct pk_tracee *t = f->v[i];

		while (t->state == PK_T_RUNNING) {
			int r = pk_tracee_wait(t, &f->deadline, err);

			if (r == 0 && t->new_thread)
				r = adopt(f, t, err);
			if (r == 0 && t->state == PK_T_STOPPED)
				r = pk_tracee_read_regs(t, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void forget_gone(struct pk_freeze *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i]->state == PK_T_GONE)
			free(f->v[i]);
		else
			f->v[n++] = f->v[i];
	}
	f->n = n;
}

static void leader_first(struct pk_freeze *f, pid_t pid)
{
	for (size_t i = 0; i < f->n; i++) {
		struct pk_tracee *t = f->v[i];

		if (t->tid != pid)
			continue;
		memmove(f->v + 1, f->v, i * sizeof(*f->v));
		f->v[0] = t;
	}
}

int pk_freeze_process(struct pk_freeze *f, pid_t pid, int procfd, struct pk_error *err)
{
	int r;

	while ((r = pass(f, pid, procfd, err)) > 0) {
		r = stop_all(f, err);
		if (r < 0)
			return r;
		forget_gone(f);
	}
	if (r < 0)
		return r;
	if (!f->n) {
		pk_fail(err, PK_E_MISSING, "pid %d", pid);
		return pk_why(err, "the process has ended");
	}
	leader_first(f, pid);
	return 0;
}
