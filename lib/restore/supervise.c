/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staying with the program until it ends: its signals are ours to pass on, its terminal ours to
 * lend, its end ours to tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "restore/restore_internal.h"

/* Signals that are not ours to decide: the kernel's own for us, and what nobody can catch. */
static bool passed_on(int sig)
{
	return sig != SIGCHLD && sig != SIGSEGV && sig != SIGBUS && sig != SIGFPE &&
	       sig != SIGILL && sig != SIGTRAP && sig != SIGABRT && sig != SIGTTIN &&
	       sig != SIGTTOU;
}

static void wanted(sigset_t *set)
{
	sigemptyset(set);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (passed_on(sig) && sig != SIGKILL && sig != SIGSTOP)
			sigaddset(set, sig);
}

/* Whether the program has a group of its own; else a ^C of the terminal reaches it as it does us.
 */
static bool own_group(const struct pk_restore *r)
{
	return getpgid(r->seed) != getpgrp();
}

/* The program's group in the foreground of our terminal, if we are there ourselves. */
static void lend_terminal(const struct pk_restore *r)
{
	PK_CLOSE int tty = -1;

	if (!own_group(r) || getsid(r->seed) != getsid(0))
		return;
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	if (tty >= 0 && tcgetpgrp(tty) == getpgrp())
		tcsetpgrp(tty, getpgid(r->seed));
}

static void take_terminal_back(void)
{
	PK_CLOSE int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	sigset_t ttou, old;

	if (tty < 0)
		return;
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	tcsetpgrp(tty, getpgrp());
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void pass_on(const struct pk_restore *r, int sigfd)
{
	struct signalfd_siginfo info;

	if (read(sigfd, &info, sizeof(info)) != sizeof(info) || r->o->supervised)
		return;
	/* SI_KERNEL: from the terminal, to everybody in the group. */
	if (info.ssi_code == SI_KERNEL && !own_group(r))
		return;
	kill(r->seed, (int)info.ssi_signo);
}

/* The program stopped (^Z): so do we, so that the shell gets its prompt; and go on together. */
static void stop_too(const struct pk_restore *r)
{
	take_terminal_back();
	kill(getpid(), SIGSTOP);
	lend_terminal(r);
	kill(r->seed, SIGCONT);
}

/* Whether the program should be stopped, or its stop was its recorded state. */
static bool stops_us(const struct pk_restore *r, int status)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP && own_group(r);
}

/* Written under another name first: who waits for the file finds the program running. */
static char *pidfile_draft(const struct pk_restore *r)
{
	return r->o->pidfile ? pk_asprintf("%s.%d", r->o->pidfile, getpid()) : NULL;
}

static int write_pidfile(const struct pk_restore *r, struct pk_error *err)
{
	PK_FREE char *draft = pidfile_draft(r);
	PK_FCLOSE FILE *f = NULL;

	if (!r->o->pidfile)
		return 0;
	f = draft ? fopen(draft, "we") : NULL;
	if (!f || fprintf(f, "%d\n", r->seed) < 0 || fflush(f) != 0)
		return pk_fail_errno(err, "pid file %s", r->o->pidfile);
	return 0;
}

void pk_supervise_announce(const struct pk_restore *r, bool running)
{
	PK_FREE char *draft = pidfile_draft(r);

	if (!draft)
		return;
	if (!running)
		unlink(draft);
	else if (rename(draft, r->o->pidfile) < 0)
		pk_log(PK_LOG_WARN, "pid file %s: %s", r->o->pidfile, strerror(errno));
}

static void name_after_program(const struct pk_restore *r)
{
	char name[16];

	snprintf(name, sizeof(name), "pckpt>%d", r->seed);
	prctl(PR_SET_NAME, name);
}

static int watch(struct pk_restore *r, int sigfd)
{
	int status = 0;

	for (;;) {
		struct pollfd p[2] = {
			{.fd = r->channel, .events = POLLIN}, {.fd = sigfd, .events = POLLIN}};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (p[1].revents & POLLIN)
			pass_on(r, sigfd);
		if (!p[0].revents)
			continue;
		if (!pk_spawn_read_status(r, &status))
			return 128 + SIGKILL; /* init was killed, and with it the program */
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return status;
		if (stops_us(r, status))
			stop_too(r);
	}
}

int pk_supervise_begin(struct pk_restore *r, struct pk_error *err)
{
	sigset_t set;

	wanted(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	name_after_program(r);
	return write_pidfile(r, err);
}

/* The signal is taken: left pending, it would end us before the reason is told. */
int pk_supervise_interrupted(struct pk_error *err)
{
	const struct timespec now = {0};
	sigset_t stop;
	int sig;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	sigaddset(&stop, SIGQUIT);
	sig = sigtimedwait(&stop, NULL, &now);
	if (sig < 0)
		return 0;
	pk_fail(err, PK_E_TEMPFAIL, "restore given up");
	pk_why(err, "interrupted by signal %d", sig);
	return pk_try(err, "restore again");
}

int pk_supervise(struct pk_restore *r)
{
	PK_CLOSE int sigfd = -1;
	sigset_t set;
	int status;

	wanted(&set);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	lend_terminal(r);
	status = watch(r, sigfd);
	take_terminal_back();
	waitpid(r->init, NULL, __WALL);
	r->init = 0;
	return status;
}
