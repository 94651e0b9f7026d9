/* SPDX-License-Identifier: Apache-2.0 */
/* Which process is meant, and what is known to stand in the way before anything is stopped. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump_internal.h"

#define PF_KTHREAD 0x00200000

/*
 * A `pckpt restore` carries the number of its program in its name, "pckpt>1234". Any program could
 * call itself so; that would only redirect its own dump.
 */
static pid_t program_of(const char *comm)
{
	int pid;

	return sscanf(comm, "pckpt>%d", &pid) == 1 ? pid : 0;
}

int pk_dump_resolve(struct pk_dump *d, struct pk_error *err)
{
	struct pk_proc *proc = pk_tree_add(d, NULL, d->o->pid, err);
	pid_t pid = proc ? program_of(proc->src.status.name) : 0;

	if (!proc)
		return -PK_E_MISSING;
	if (pid) {
		pk_tree_free(d);
		proc = pk_tree_add(d, NULL, pid, err);
	}
	if (!proc)
		return -PK_E_MISSING;
	if (proc->src.status.tgid == proc->src.pid)
		return 0;
	pk_fail(err, PK_E_USAGE, "pid %d is a thread", proc->src.pid);
	return pk_try(err, "name its process, %d", proc->src.status.tgid);
}

static int fail(struct pk_proc *proc, enum pk_class class, const char *why, const char *try,
	struct pk_error *err)
{
	char name[128];

	pk_fail(err, class, "%s", pk_source_name(&proc->src, name, sizeof(name)));
	pk_why(err, "%s", why);
	return pk_try(err, "%s", try);
}

static int check_state(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_status *s = &proc->src.status;
	char why[128];

	if (s->state == 'Z' || s->state == 'X')
		return fail(proc, PK_E_MISSING, "it has ended already, or its first thread has",
			"there is nothing left to save", err);
	if (proc->src.stat.flags & PF_KTHREAD)
		return fail(proc, PK_E_UNSUPPORTED, "it is a thread of the kernel",
			"name a program", err);
	/* Ourselves: the child of one that was attached already. */
	if (s->tracer && s->tracer != (pid_t)syscall(SYS_gettid)) {
		snprintf(why, sizeof(why), "pid %d traces it (a debugger, strace, or another dump)",
			s->tracer);
		return fail(proc, PK_E_NOPERM, why, "end that one first", err);
	}
	if (s->seccomp)
		return fail(proc, PK_E_UNSUPPORTED,
			"it runs under a seccomp filter, which cannot be read",
			"start it without the sandbox", err);
	if (strstr(s->x86_features, "shstk"))
		return fail(proc, PK_E_UNSUPPORTED, "it uses a shadow stack",
			"start it with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off", err);
	return 0;
}

/*
 * A namespace is ours, or one that a restore of ours made: then its first process is pckpt's, and
 * that one's parent, unless the program was detached.
 */
static bool made_by_restore(struct pk_proc *proc)
{
	pid_t pid = proc->src.stat.ppid;

	for (int depth = 0; depth < 4 && pid > 1; depth++) {
		PK_CLOSE int fd = pk_open_proc(pid, NULL);
		struct pk_stat st;

		if (fd < 0 || pk_stat_read(fd, &st, NULL) < 0)
			return false;
		if (!strncmp(st.comm, "pckpt>", 6) || !strcmp(st.comm, "pckpt-init"))
			return true;
		pid = st.ppid;
	}
	return false;
}

/* The first process is compared with us, the others with the first. */
static bool same_ns(const struct pk_proc *proc, const char *name)
{
	int first = proc->parent ? proc->d->proc[0]->src.procfd : AT_FDCWD;
	char self[32], theirs[32];
	struct stat a, b;

	snprintf(self, sizeof(self), "/proc/self/ns/%s", name);
	snprintf(theirs, sizeof(theirs), "ns/%s", name);
	/* A kernel without this sort of namespace has neither file. */
	if (fstatat(first, proc->parent ? theirs : self, &a, 0) < 0 ||
		fstatat(proc->src.procfd, theirs, &b, 0) < 0)
		return errno == ENOENT;
	return a.st_ino == b.st_ino;
}

static int check_namespaces(struct pk_proc *proc, struct pk_error *err)
{
	static const char *const names[] = {
		"net", "uts", "cgroup", "ipc", "pid", "user", "mnt", "time"};
	enum { ALWAYS = 3 }; /* a restore makes the others */
	char why[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (same_ns(proc, names[i]) ||
			(i >= ALWAYS && !proc->parent && made_by_restore(proc)))
			continue;
		snprintf(
			why, sizeof(why), "it is in another %s namespace (a container?)", names[i]);
		return fail(proc, PK_E_UNSUPPORTED, why, "run pckpt inside that container", err);
	}
	return 0;
}

int pk_dump_explain_attach(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_stat now;
	const struct pk_status *s = &proc->src.status;
	PK_FREE char *yama = pk_read_file(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", 16, NULL);
	struct stat st;
	char why[160];

	if (pk_stat_read(proc->src.procfd, &now, NULL) < 0 || now.state == 'Z' || now.state == 'X')
		return fail(proc, PK_E_MISSING, "it is just ending",
			"there is nothing left to save", err);
	if (geteuid() != 0 && s->uid[1] != geteuid()) {
		snprintf(why, sizeof(why), "it belongs to user %u, you are %u", s->uid[1],
			geteuid());
		return fail(proc, PK_E_NOPERM, why, "run pckpt as its owner", err);
	}
	if (geteuid() != 0 && (s->gid[1] != getegid() || s->gid[0] != getegid())) {
		snprintf(why, sizeof(why), "it runs under group %u, you under %u", s->gid[1],
			getegid());
		return fail(
			proc, PK_E_NOPERM, why, "run pckpt under the same group (newgrp, sg)", err);
	}
	if (fstatat(proc->src.procfd, "maps", &st, 0) == 0 && geteuid() != 0 &&
		st.st_uid != geteuid())
		return fail(proc, PK_E_NOPERM,
			"its binary is set-id, has capabilities or cannot be read, or it called "
			"prctl(PR_SET_DUMPABLE, 0)",
			"use a readable copy of the binary without these", err);
	if (yama && atoi(yama) > 0)
		return fail(proc, PK_E_NOPERM, "the Yama security module restricts tracing here",
			"ask the administrator for kernel.yama.ptrace_scope=0", err);
	return fail(proc, PK_E_NOPERM, "the kernel does not let you trace it",
		"look for a security module (SELinux deny_ptrace, AppArmor) or a container", err);
}

static bool uninterruptible(const struct pk_proc *proc, pid_t tid)
{
	PK_CLOSE int fd = -1;
	struct pk_stat st;
	char name[32];

	snprintf(name, sizeof(name), "task/%d", tid);
	fd = pk_open_dir(proc->src.procfd, name);
	return fd >= 0 && pk_stat_read(fd, &st, NULL) == 0 && st.state == 'D';
}

/* After a thread did not stop: where it hangs. If none does, the time allowed was too short. */
int pk_dump_explain_stuck(struct pk_proc *proc, struct pk_error *err)
{
	const struct pk_deadline *deadline = &proc->d->deadline;

	for (size_t i = 0; i < proc->freeze.n && !pk_deadline_cancelled(deadline); i++) {
		pid_t tid = proc->freeze.v[i]->tid;
		char name[64];
		PK_FREE char *wchan = NULL;

		if (proc->freeze.v[i]->state != PK_T_RUNNING || !uninterruptible(proc, tid))
			continue;
		snprintf(name, sizeof(name), "task/%d/wchan", tid);
		wchan = pk_read_file(proc->src.procfd, name, 256, NULL);
		pk_why(err, "it is in an uninterruptible sleep in the kernel (%s)",
			wchan && wchan[0] ? wchan : "unknown place");
		return pk_try(err, "try again; a parent of vfork, or a file server that does not "
				   "answer, can take long");
	}
	return pk_deadline_passed(deadline) ? pk_dump_late(proc->d, err) : -PK_E_TEMPFAIL;
}

/* Whether the kernel lets us look into it. The modes of these files say that it does, always. */
static bool may_look(int procfd)
{
	PK_CLOSE int fd = openat(procfd, "maps", O_RDONLY | O_CLOEXEC);

	return fd >= 0 || (errno != EACCES && errno != EPERM);
}

/* What can be told by looking. The same is looked at again when the process is frozen. */
int pk_dump_check(struct pk_proc *proc, struct pk_error *err)
{
	int r = pk_stat_read(proc->src.procfd, &proc->src.stat, err);

	if (r < 0)
		return r;
	r = check_state(proc, err);
	if (r == 0 && !may_look(proc->src.procfd))
		r = pk_dump_explain_attach(proc, err);
	return r < 0 ? r : check_namespaces(proc, err);
}
