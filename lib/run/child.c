/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our children: the program, or the restore that it runs under; a dump. Dumps and restores want a
 * process of their own, since they change signal dispositions and wait. None of them outlives us.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "run/run_internal.h"

#define END_LIMIT (30 * PK_NSEC) /* for those that hang in the kernel */

/* In the new process: it ends with its parent. */
static void bind_to(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(125);
}

static _Noreturn void become_command(const struct pk_run *run, int fd)
{
	const struct pckpt_signals *s = run->o->given;
	int e;

	bind_to(run->self);
	/* Under Yama only ancestors may trace; a dump is made by a descendant of ours. */
	prctl(PR_SET_PTRACER, run->self);
	sigaction(SIGCHLD, &s->chld, NULL);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
	execvp(run->o->argv[0], run->o->argv);
	e = errno;
	(void)!write(fd, &e, sizeof(e));
	_exit(127);
}

static int not_started(const struct pk_run *run, int e, struct pk_error *err)
{
	run->ret->code = e == ENOENT || e == ENOTDIR ? 127 : 126;
	errno = e;
	pk_fail_errno(err, "cannot run '%s'", run->o->argv[0]);
	return pk_try(err, "check the command after --; without a slash it is looked for in PATH");
}

int pk_start_program(struct pk_run *run, struct pk_error *err)
{
	int fds[2], e = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return pk_fail_errno(err, "pipe");
	pid = fork();
	if (pid == 0)
		become_command(run, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		pk_fail_errno(err, "cannot start the program");
		close(fds[0]);
		return -err->class;
	}
	while ((n = read(fds[0], &e, sizeof(e))) < 0 && errno == EINTR)
		;
	close(fds[0]);
	if (n == (ssize_t)sizeof(e)) {
		waitpid(pid, NULL, 0);
		return not_started(run, e, err);
	}
	run->child = run->program = pid;
	return 0;
}

/* Fork a worker: 0 in it, and its end of the pipe; else its number, or a class. */
static pid_t fork_worker(struct pk_run *run, struct pk_worker *w, int *fd, struct pk_error *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return pk_fail_errno(err, "pipe");
	pid = fork();
	if (pid == 0) {
		bind_to(run->self);
		close(run->sigfd);
		if (run->events >= 0)
			close(run->events);
		close(fds[0]);
		*fd = fds[1];
		return 0;
	}
	close(fds[1]);
	if (pid < 0) {
		pk_fail_errno(err, "cannot fork");
		close(fds[0]);
		return -err->class;
	}
	*w = (struct pk_worker){.pid = pid, .fd = fds[0]};
	return pid;
}

static void tell(int fd, const struct pk_news *news)
{
	(void)!pk_write_all(fd, news, sizeof(*news));
}

static void tell_running(const struct pckpt_restore_result *r, void *arg)
{
	struct pk_news *news = calloc(1, sizeof(*news));

	if (!news)
		_exit(125);
	news->running = true;
	news->restore = *r;
	tell(*(int *)arg, news);
	free(news);
}

static _Noreturn void restore(const struct pk_run *run, const char *image, int fd)
{
	struct pckpt_restore_options o = {
		.image = image,
		.pids = run->o->pids,
		.workers = run->o->workers,
		.trace = run->o->trace,
		.supervised = true,
		.running = tell_running,
		.running_arg = &fd,
	};
	struct pk_news news = {0};

	/* The program gets what the image says; this is for those that it comes from. */
	signal(SIGPIPE, SIG_IGN);
	news.ret = pckpt_restore(&o, &news.restore, &news.err);
	tell(fd, &news);
	_exit(0);
}

int pk_start_restore(struct pk_run *run, const char *image, struct pk_error *err)
{
	int fd;
	pid_t pid = fork_worker(run, &run->restore, &fd, err);

	if (pid == 0)
		restore(run, image, fd);
	if (pid > 0)
		run->child = pid;
	return pid < 0 ? (int)pid : 0;
}

static _Noreturn void verify(const char *image, int fd)
{
	struct pckpt_verify_result r;
	struct pk_news news = {0};

	news.ret = pckpt_verify(image, &r, &news.err);
	tell(fd, &news);
	_exit(0);
}

int pk_start_verify(struct pk_run *run, const char *image, struct pk_error *err)
{
	int fd;
	pid_t pid = fork_worker(run, &run->verify, &fd, err);

	if (pid == 0)
		verify(image, fd);
	return pid < 0 ? (int)pid : 0;
}

static int gate(void *arg, enum pckpt_gate which, uint32_t number, struct pk_error *err)
{
	struct pk_run *run = arg;
	int r = which == PCKPT_GATE_COMMIT ? pk_owner_gate(run, err) : 0;

	return r < 0 || !run->o->control ? r : pk_group_gate(run, which, number, err);
}

static _Noreturn void dump(struct pk_run *run, bool kills, int fd)
{
	struct pckpt_dump_options o = {
		.pid = run->program,
		.store = run->o->store,
		.kill = kills,
		.strict = run->o->strict,
		.keep = run->o->control ? 0 : run->o->keep,
		.number = run->o->control ? run->gen : 0,
		.workers = run->o->workers,
		.timeout_ns = run->o->timeout_ns,
		.trace = run->o->trace,
		.supervisor = run->self,
		.gate = gate,
		.gate_arg = run,
	};
	struct pk_news news = {0};

	news.ret = pckpt_dump(&o, &news.dump, &news.err);
	if (news.ret == 0 && run->o->control)
		pk_group_prune(run);
	tell(fd, &news);
	_exit(0);
}

int pk_start_dump(struct pk_run *run, bool kills, struct pk_error *err)
{
	int fd;
	pid_t pid = fork_worker(run, &run->dump, &fd, err);

	if (pid == 0)
		dump(run, kills, fd);
	if (pid < 0)
		return (int)pid;
	run->dump_kills = kills;
	run->told = false;
	run->dump_began = pk_now();
	return 0;
}

bool pk_read_news(const struct pk_worker *w, struct pk_news *news)
{
	size_t n = 0;

	while (n < sizeof(*news)) {
		ssize_t r = read(w->fd, (char *)news + n, sizeof(*news) - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		n += (size_t)r;
	}
	return true;
}

void pk_forget_worker(struct pk_worker *w)
{
	if (w->pid)
		close(w->fd);
	*w = (struct pk_worker){0};
}

/* Orphans of the job come to us: in the end all that is left of it are our children. */
static void kill_children(const struct pk_run *run)
{
	char name[64];
	PK_FREE char *text = NULL;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", run->self, run->self);
	text = pk_read_file(AT_FDCWD, name, 1 << 24, NULL);
	for (char *save, *word = text ? strtok_r(text, " \n", &save) : NULL; word;
		word = strtok_r(NULL, " \n", &save))
		kill(atoi(word), SIGKILL);
}

void pk_end_all(struct pk_run *run)
{
	int64_t limit = pk_now() + END_LIMIT;

	if (run->program)
		kill(run->program, SIGKILL);
	while (pk_now() < limit) {
		pid_t pid;

		kill_children(run);
		while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			break;
		poll(NULL, 0, 2);
	}
	run->child = run->program = 0;
	pk_forget_worker(&run->restore);
	pk_forget_worker(&run->dump);
	pk_forget_worker(&run->verify);
	pk_forget_worker(&run->witness);
}
