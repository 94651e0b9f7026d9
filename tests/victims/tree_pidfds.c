/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * pidfds: of oneself, of a child, of a zombie, of a process that has been waited for, shared with a
 * child, watched by epoll; and files of /proc of other processes.
 */
#include <sys/epoll.h>
#include <sys/pidfd.h>

#include "family.h"

static int self, shared_status;

static int alive(int fd)
{
	return pidfd_send_signal(fd, 0, NULL, 0) == 0 ? 0 : errno;
}

static void child(int i)
{
	char buf[6] = "";

	(void)i;
	family_wait();
	expect(0, alive(self), "pidfd of the parent, in the child");
	if (!i)
		return;
	expect(5, pread(shared_status, buf, 5, 0), "shared file of /proc");
	expect_text("Name:", buf, "shared file of /proc");
}

static pid_t ended(int code)
{
	pid_t pid = must(fork());
	siginfo_t info;

	if (!pid)
		_exit(code);
	must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	return pid;
}

int main(void)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 5};
	int kid, other, zombie, gone, epoll, comm;
	char path[64], text[16] = "";
	pid_t pid[2], dead, buried;
	siginfo_t info = {0};

	family_begin();
	self = must(pidfd_open(getpid(), 0));
	snprintf(path, sizeof(path), "/proc/%d/status", getpid());
	shared_status = must(open(path, O_RDONLY | O_CLOEXEC));
	pid[0] = family_fork(child, 0);
	pid[1] = family_fork(child, 1);
	kid = must(pidfd_open(pid[0], PIDFD_NONBLOCK));
	other = must(dup(kid));
	snprintf(path, sizeof(path), "/proc/%d/comm", pid[1]);
	comm = must(open(path, O_RDONLY));
	dead = ended(7);
	zombie = must(pidfd_open(dead, 0));
	buried = ended(0);
	gone = must(pidfd_open(buried, 0));
	must(waitpid(buried, NULL, 0));
	epoll = must(epoll_create1(0));
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, zombie, &e));
	family_meet(2);
	expect(0, alive(self), "pidfd of oneself");
	expect(0, alive(kid), "pidfd of a child");
	expect(victim_broken() ? 0 : ESRCH, alive(gone), "pidfd of one that is gone");
	expect(PIDFD_NONBLOCK, fcntl(kid, F_GETFL) & PIDFD_NONBLOCK, "flags");
	expect(FD_CLOEXEC, fcntl(kid, F_GETFD), "F_GETFD");
	expect(0, fcntl(other, F_GETFD), "F_GETFD of the duplicate");
	expect(1, epoll_wait(epoll, &e, 1, 0), "epoll of a zombie's");
	must(waitid(P_PIDFD, (id_t)zombie, &info, WEXITED));
	expect(7, info.si_status, "exit code of a zombie");
	expect(dead, info.si_pid, "number of a zombie");
	must_true(read(comm, text, sizeof(text) - 1) > 0);
	expect_text("tree_pidfds\n", text, "comm of a child");
	family_over();
	must(waitid(P_PID, (id_t)pid[0], &info, WEXITED | WNOWAIT));
	must(waitid(P_PIDFD, (id_t)other, &info, WEXITED));
	expect(0, info.si_status, "what the child found");
	family_join(pid[1]);
	return victim_done();
}
