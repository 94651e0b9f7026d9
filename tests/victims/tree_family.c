/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Three generations of processes: who is whose parent, in which group and session, what each has in
 * memory, and that parents hear of their children's ends: once each, with the right status.
 */
#include "family.h"

enum { CHILDREN = 3, GRANDCHILDREN = 2 };

static int heard;

static void hear(int sig)
{
	(void)sig;
	heard++;
}

struct self {
	pid_t pid, ppid, pgid, sid;
	char comm[32];
};

static struct self look(void)
{
	struct self s = {getpid(), getppid(), getpgrp(), getsid(0), ""};

	read_text("/proc/self/comm", s.comm, sizeof(s.comm));
	return s;
}

static void compare(const struct self *was, const char *who)
{
	struct self is = look();

	expect(was->pid, is.pid, "%s: pid", who);
	expect(was->ppid, is.ppid, "%s: parent", who);
	expect(was->pgid, is.pgid, "%s: group", who);
	expect(was->sid, is.sid, "%s: session", who);
	expect_text(was->comm, is.comm, "%s: name", who);
}

static void grandchild(int i)
{
	int *own = malloc(sizeof(*own));
	struct self was;

	*own = 100 + i;
	if (i == 1)
		must(setpgid(0, 0));
	was = look();
	family_wait();
	compare(&was, "grandchild");
	expect(100 + i, *own, "memory of a grandchild");
	free(own);
}

static void child(int i)
{
	pid_t pid[GRANDCHILDREN];
	struct self was;

	if (i == 1)
		must(setsid());
	if (i == 2)
		must(setpgid(0, 0));
	for (int k = 0; k < GRANDCHILDREN; k++)
		pid[k] = family_fork(grandchild, k);
	was = look();
	family_wait();
	compare(&was, "child");
	for (int k = 0; k < GRANDCHILDREN; k++)
		family_join(pid[k]);
	expect(-1, waitpid(-1, NULL, WNOHANG), "more grandchildren");
}

int main(void)
{
	pid_t pid[CHILDREN], slow;
	struct self was;
	int status;

	family_begin();
	must_true(signal(SIGCHLD, hear) != SIG_ERR);
	for (int i = 0; i < CHILDREN; i++)
		pid[i] = family_fork(child, i);
	slow = must(fork());
	if (!slow)
		for (;;)
			pause();
	was = look();
	family_meet(CHILDREN * (1 + GRANDCHILDREN));
	compare(&was, "first process");
	expect(0, heard, "SIGCHLDs before a child ended");
	if (victim_broken())
		must(kill(slow, SIGTERM));
	else
		must(kill(slow, SIGKILL));
	expect(slow, waitpid(slow, &status, 0), "waitpid of the killed one");
	expect(SIGKILL, status, "its status");
	expect(1, heard, "SIGCHLDs after its end");
	family_over();
	for (int i = 0; i < CHILDREN; i++)
		family_join(pid[i]);
	return victim_done();
}
