/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dump runs in a process of its own, in a session of its own: a ^C of the terminal or a SIGKILL
 * of pckpt does not hit it. It is told of its parent's end by a signal, as it is of SIGINT and
 * SIGTERM by its parent, and then puts everything right and leaves.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump.h"

/* What the helper reports through a pipe. */
struct report {
	int ret;
	struct pk_error err;
	struct pckpt_dump_result result;
};

/* What the process's signal handler needs. */
static atomic_bool cancelled;
static pid_t heeded; /* whose signals count; 0: everybody's */

static void cancel(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (!heeded || info->si_pid == heeded || getppid() != heeded)
		atomic_store(&cancelled, true);
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static void ending_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		sigaddset(set, ending[i]);
}

static _Noreturn void helper(const struct pckpt_dump_options *o, int fd, pid_t parent)
{
	struct sigaction act = {.sa_sigaction = cancel, .sa_flags = SA_SIGINFO};
	struct report rep = {0};
	sigset_t set;

	setsid();
	heeded = o->supervisor ? parent : 0;
	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		sigaction(ending[i], &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	rep.ret = pk_dump(o, &cancelled, &rep.result, &rep.err);
	(void)!write(fd, &rep, sizeof(rep));
	_exit(0);
}

static ssize_t read_report(int fd, struct report *rep)
{
	size_t n = 0;

	while (n < sizeof(*rep)) {
		ssize_t r = read(fd, (char *)rep + n, sizeof(*rep) - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

/* Pass signals on to the helper until it reports. Returns the signal that ended the wait, or 0. */
static int wait_report(pid_t pid, int fd, int sigfd, pid_t only)
{
	int got = 0;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = fd, .events = POLLIN}, {.fd = sigfd, .events = POLLIN}};
		struct signalfd_siginfo info;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return got;
		if (p[1].revents & POLLIN && read(sigfd, &info, sizeof(info)) == sizeof(info) &&
			(!only || (pid_t)info.ssi_pid == only)) {
			got = (int)info.ssi_signo;
			kill(pid, SIGTERM);
		}
		if (p[0].revents)
			return got;
	}
}

static int gone(int status, pid_t job, struct pk_error *err)
{
	pk_fail(err, PK_E_INTERNAL, "dump of pid %d", job);
	if (WIFSIGNALED(status))
		pk_why(err, "the helper process was ended by signal %d", WTERMSIG(status));
	else
		pk_why(err, "the helper process ended without a word");
	return pk_try(err, "the job runs on; dump again");
}

int pckpt_dump(
	const struct pckpt_dump_options *o, struct pckpt_dump_result *ret, struct pk_error *err)
{
	pid_t pid, parent = getpid();
	struct report rep = {0};
	int pipefd[2], sigfd, status = 0, got;
	sigset_t set, old;
	ssize_t n;

	*ret = (struct pckpt_dump_result){0};
	if (pipe(pipefd) < 0)
		return pk_fail_errno(err, "dump");
	ending_set(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	pid = sigfd < 0 ? -1 : fork();
	if (pid == 0)
		helper(o, pipefd[1], parent);
	close(pipefd[1]);
	got = pid < 0 ? 0 : wait_report(pid, pipefd[0], sigfd, o->supervisor);
	n = pid < 0 ? 0 : read_report(pipefd[0], &rep);
	close(pipefd[0]);
	if (sigfd >= 0)
		close(sigfd);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return pk_fail_errno(err, "cannot start the dump");
	if (n != sizeof(rep))
		return gone(status, o->pid, err);
	*ret = rep.result;
	ret->signal = rep.ret < 0 ? got : 0;
	if (rep.ret < 0 && err)
		*err = rep.err;
	return rep.ret;
}
