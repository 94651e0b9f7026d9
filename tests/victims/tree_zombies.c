/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Children that have ended and are not waited for yet: their status, also after a second dump, and
 * the signal that told of them, which was handled long ago and does not come again. The SIGCHLD of
 * one that blocks it is still pending.
 */
#include <sys/resource.h>

#include "family.h"

static int heard;

static void hear(int sig)
{
	(void)sig;
	heard++;
}

static pid_t end_by(int signal_number, int code)
{
	const struct rlimit none = {0, 0};
	siginfo_t info;
	pid_t pid = must(fork());

	if (!pid) {
		must(setrlimit(RLIMIT_CORE, &none));
		if (signal_number)
			kill(getpid(), signal_number);
		_exit(code);
	}
	must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	return pid;
}

static void blocker(int i)
{
	sigset_t chld, pending;
	pid_t pid;

	(void)i;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	must(sigprocmask(SIG_BLOCK, &chld, NULL));
	pid = end_by(0, 5);
	family_wait();
	must(sigpending(&pending));
	expect(1, sigismember(&pending, SIGCHLD), "SIGCHLD pending");
	expect(SIGCHLD, sigwaitinfo(&chld, NULL), "SIGCHLD taken");
	must(sigpending(&pending));
	expect(0, sigismember(&pending, SIGCHLD), "SIGCHLD pending a second time");
	expect(pid, waitpid(pid, NULL, 0), "its child");
}

static void expect_status(pid_t pid, int want, const char *what)
{
	int status = -1;

	expect(pid, waitpid(pid, &status, WNOHANG), "waitpid of %s", what);
	expect(want, status, "status of %s", what);
}

int main(void)
{
	pid_t exited, killed, aborted, shot, other;
	int before;

	family_begin();
	must_true(signal(SIGCHLD, hear) != SIG_ERR);
	other = family_fork(blocker, 0);
	exited = end_by(0, 42);
	killed = end_by(SIGTERM, 0);
	aborted = end_by(SIGSEGV, 0);
	shot = end_by(SIGKILL, 0);
	before = heard;
	family_meet(1);
	expect(before, heard, "SIGCHLDs");
	expect_status(exited, victim_broken() ? 0 : 42 << 8, "one that exited");
	expect_status(killed, SIGTERM, "one that was killed");
	expect_status(aborted, SIGSEGV, "one that crashed");
	expect_status(shot, SIGKILL, "one that was killed by SIGKILL");
	family_over();
	family_join(other);
	expect(-1, waitpid(-1, NULL, WNOHANG), "more children");
	return victim_done();
}
