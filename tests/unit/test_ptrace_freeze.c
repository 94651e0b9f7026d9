/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing a process that is never at rest: signals without pause, children without pause. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "ptrace/freeze.h"

enum { FREEZES = 3000 };

static int freeze(void *arg, struct pk_error *err)
{
	pid_t pid = *(pid_t *)arg;
	struct pk_freeze f = {.deadline = {.at = pk_now() + 5 * PK_NSEC}};
	PK_FREE char *dir = pk_asprintf("/proc/%d", pid);
	PK_CLOSE int procfd = open(dir, O_RDONLY | O_DIRECTORY);
	int e;

	/* The thread that traced it before may have ended, but not let go yet. */
	while ((e = pk_freeze_process(&f, pid, procfd, err)) == -PK_E_NOPERM &&
		!pk_deadline_passed(&f.deadline))
		pk_freeze_free(&f);
	pk_freeze_free(&f);
	return e;
}

static void hear(int sig)
{
	(void)sig;
}

static void pound(pid_t pid)
{
	while (kill(pid, SIGUSR1) == 0)
		;
	_exit(0);
}

static void breed(void)
{
	for (;;) {
		pid_t pid = vfork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static pid_t start(void (*body)(void))
{
	pid_t pid;

	signal(SIGUSR1, hear);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	return pid;
}

static void rest(void)
{
	for (;;)
		;
}

static void freeze_often(pid_t pid)
{
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (int i = 0; i < FREEZES; i++) {
		struct pk_error err = {0};

		cr_assert_eq(pk_tracer_run(freeze, &pid, &err), 0, "freeze %d: %s: %s", i, err.what,
			err.why);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(freeze, under_signals, .timeout = 120)
{
	pid_t pid = start(rest), other = fork();

	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pound(pid);
	}
	freeze_often(pid);
	waitpid(other, NULL, 0);
}

Test(freeze, while_it_breeds, .timeout = 120)
{
	freeze_often(start(breed));
}
