/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Sessions and groups whose leaders are gone: a child born before its parent made a session of its
 * own; a group whose leader ended; orphans that came to a subreaper, one from a session whose
 * leader lives, one whose leader is dead.
 */
#include <sys/prctl.h>

#include "family.h"

static void note(int slot)
{
	long *v = family->value + slot;

	v[0] = getpid();
	v[1] = getppid();
	v[2] = getpgrp();
	v[3] = getsid(0);
}

static void check(int slot, const char *who)
{
	const long *v = family->value + slot;

	expect(v[0], getpid(), "%s: pid", who);
	expect(v[1], getppid(), "%s: parent", who);
	expect(v[2], getpgrp(), "%s: group", who);
	expect(v[3], getsid(0), "%s: session", who);
}

static void await_parent(pid_t parent)
{
	while (getppid() != parent)
		sched_yield();
}

static void early(int slot)
{
	note(slot);
	family_wait();
	check(slot, "born before the session");
}

/* Forks a child, then makes a session. */
static void late_leader(int slot)
{
	pid_t pid = family_fork(early, slot + 4);

	must(setsid());
	note(slot);
	family_wait();
	check(slot, "leader of a session");
	family_join(pid);
}

static void member(int slot)
{
	note(slot);
	family_wait();
	check(slot, "member of a group without leader");
}

/* A group led by a process that ends at once. */
static void group_of_dead(int slot)
{
	pid_t leader = must(fork()), pid;
	int go[2];

	if (!leader) {
		must(setpgid(0, 0));
		for (;;)
			pause();
	}
	must(pipe(go));
	while (getpgid(leader) != leader)
		sched_yield();
	pid = fork();
	if (!pid) {
		must(setpgid(0, leader));
		close(go[0]);
		close(go[1]);
		member(slot + 4);
		_exit(victim_done());
	}
	while (getpgid(pid) != leader)
		sched_yield();
	must(kill(leader, SIGKILL));
	must(waitpid(leader, NULL, 0));
	must(close(go[0]));
	must(close(go[1]));
	note(slot);
	family_wait();
	check(slot, "one beside the group");
	family_join(pid);
}

static pid_t reaper;

static void orphan(int slot)
{
	await_parent(reaper);
	note(slot);
	family_wait();
	check(slot, "orphan");
}

/* Its session's leader lives. */
static void session_with_orphan(int slot)
{
	pid_t between;

	must(setsid());
	between = must(fork());
	if (!between) {
		family_fork(orphan, slot + 4);
		_exit(0);
	}
	must(waitpid(between, NULL, 0));
	note(slot);
	family_wait();
	check(slot, "leader with an orphan in its session");
}

/* Its session's leader is dead. */
static void dead_session(int slot)
{
	pid_t leader = must(fork());

	if (!leader) {
		must(setsid());
		family_fork(orphan, slot);
		_exit(0);
	}
	must(waitpid(leader, NULL, 0));
}

static void subreaper(int slot)
{
	pid_t pid;

	reaper = getpid();
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid = family_fork(session_with_orphan, slot + 4);
	dead_session(slot + 12);
	note(slot);
	family_wait();
	check(slot, "subreaper");
	family_join(pid);
	for (int i = 0; i < 2; i++) {
		int status = -1;

		expect(true, waitpid(-1, &status, 0) > 0, "an orphan comes to the subreaper");
		expect(0, status, "its status");
	}
	expect(-1, waitpid(-1, NULL, 0), "more orphans");
}

int main(void)
{
	pid_t a, b, c;

	family_begin();
	a = family_fork(late_leader, 0);
	b = family_fork(group_of_dead, 100);
	c = family_fork(subreaper, 200);
	family_meet(8);
	if (victim_broken())
		family->value[3]++;
	family_over();
	family_join(a);
	family_join(b);
	family_join(c);
	return victim_done();
}
