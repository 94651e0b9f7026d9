/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Stopped children of a parent that runs: they stay stopped; the parent hears of a stop that it has
 * not waited for yet, and not a second time of one that it has; SIGCONT lets them go on.
 */
#include <pthread.h>

#include "family.h"

enum { WAITED, UNWAITED, CHILDREN };

static const char *const names[CHILDREN] = {"the one waited for", "the other"};

static int heard;

static void hear(int sig)
{
	(void)sig;
	heard++;
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	read_text(path, text, sizeof(text));
	end = strrchr(text, ')');
	return end ? end[2] : '?';
}

static void *beside(void *arg)
{
	(void)arg;
	family_wait();
	return NULL;
}

/* Runs on only when it is let go on. */
static void child(int i)
{
	pthread_t thread;

	must0(pthread_create(&thread, NULL, beside, NULL));
	must(kill(getpid(), i == WAITED ? SIGSTOP : SIGTSTP));
	family->value[i] = 1;
	family_wait();
	must0(pthread_join(thread, NULL));
}

static void await_stop(pid_t pid)
{
	siginfo_t info;

	must(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT));
}

int main(void)
{
	const int sig[CHILDREN] = {SIGSTOP, SIGTSTP};
	pid_t pid[CHILDREN];
	int status;

	family_begin();
	for (int i = 0; i < CHILDREN; i++)
		pid[i] = family_fork(child, i);
	for (int i = 0; i < CHILDREN; i++)
		await_stop(pid[i]);
	must(waitpid(pid[WAITED], &status, WUNTRACED));
	must_true(signal(SIGCHLD, hear) != SIG_ERR);
	victim_ready();
	if (victim_broken())
		must(kill(pid[WAITED], SIGCONT));
	while (victim_broken() && state_of(pid[WAITED]) == 'T')
		sched_yield();
	expect(0, heard, "SIGCHLDs");
	for (int i = 0; i < CHILDREN; i++) {
		expect('T', state_of(pid[i]), "state of %s", names[i]);
		expect(0, family->value[i], "%s: has run", names[i]);
	}
	expect(0, waitpid(pid[WAITED], &status, WUNTRACED | WNOHANG), "a second stop");
	expect(pid[UNWAITED], waitpid(pid[UNWAITED], &status, WUNTRACED | WNOHANG), "its stop");
	expect(sig[UNWAITED], WIFSTOPPED(status) ? WSTOPSIG(status) : -1, "its signal");
	must_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
	for (int i = 0; i < CHILDREN; i++)
		must(kill(pid[i], SIGCONT));
	family_await(2 * CHILDREN);
	family_over();
	for (int i = 0; i < CHILDREN; i++)
		family_join(pid[i]);
	return victim_done();
}
