/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Signals from open files to a process, a thread and a group: who, which one, and that they come.
 */
#include "family.h"

#define LARGEFILE 0100000 /* of no meaning here; 0 in libc's headers */

enum { TO_CHILD, TO_THREAD, TO_GROUP, QUIET, N };

static int fds[N][2];

static void wait_signal(int sig, int fd, const char *what)
{
	struct timespec limit = {.tv_sec = 5};
	siginfo_t info = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	expect(sig, sigtimedwait(&set, &info, &limit), "signal for %s", what);
	if (fd < 0)
		return;
	expect(POLL_IN, info.si_code, "si_code for %s", what);
	expect(fd, info.si_fd, "si_fd for %s", what);
}

static void child(int i)
{
	(void)i;
	must(setpgid(0, 0));
	family_wait();
	wait_signal(SIGRTMIN + 1, fds[TO_CHILD][0], "the child");
	wait_signal(SIGIO, -1, "the group");
}

static void own(int which, int type, pid_t pid, int sig)
{
	struct f_owner_ex who = {.type = type, .pid = pid};
	int fd = fds[which][0];

	must(fcntl(fd, F_SETOWN_EX, &who));
	must(fcntl(fd, F_SETSIG, sig));
	must(fcntl(fd, F_SETFL, O_NONBLOCK | (which == QUIET ? 0 : O_ASYNC)));
}

static void expect_owner(int which, int type, pid_t pid, int sig)
{
	struct f_owner_ex who = {0};
	int fd = fds[which][0];

	expect(0, fcntl(fd, F_GETOWN_EX, &who), "F_GETOWN_EX of %d", which);
	expect(type, who.type, "type of the owner of %d", which);
	expect(pid, who.pid, "owner of %d", which);
	expect(sig, fcntl(fd, F_GETSIG), "F_GETSIG of %d", which);
	expect(O_NONBLOCK | (which == QUIET ? 0 : O_ASYNC), fcntl(fd, F_GETFL) & ~LARGEFILE,
		"F_GETFL of %d", which);
}

int main(void)
{
	sigset_t set;
	pid_t pid;

	family_begin();
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGRTMIN + 2);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < N; i++)
		must(pipe(fds[i]));
	pid = family_fork(child, 0);
	family_await(1);
	own(TO_CHILD, F_OWNER_PID, pid, SIGRTMIN + 1);
	own(TO_THREAD, F_OWNER_TID, getpid(), SIGRTMIN + 2);
	own(TO_GROUP, F_OWNER_PGRP, pid, 0);
	own(QUIET, F_OWNER_PID, getpid(), SIGRTMIN + 2);
	family_meet(1);
	if (victim_broken())
		must(fcntl(fds[TO_THREAD][0], F_SETSIG, SIGRTMIN + 1));
	expect_owner(TO_CHILD, F_OWNER_PID, pid, SIGRTMIN + 1);
	expect_owner(TO_THREAD, F_OWNER_TID, getpid(), SIGRTMIN + 2);
	expect_owner(TO_GROUP, F_OWNER_PGRP, pid, 0);
	expect_owner(QUIET, F_OWNER_PID, getpid(), SIGRTMIN + 2);
	must(sigpending(&set));
	expect(0, sigismember(&set, SIGRTMIN + 2), "a signal that nobody sent");
	for (int i = 0; i < N; i++)
		must_true(write(fds[i][1], "x", 1) == 1);
	if (!victim_broken())
		wait_signal(SIGRTMIN + 2, fds[TO_THREAD][0], "the thread");
	family_over();
	family_join(pid);
	return victim_done();
}
