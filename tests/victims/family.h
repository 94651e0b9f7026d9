/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Victims of several processes. The first calls family_begin() once, family_fork() for each child
 * (children may do so, too), and family_meet() where the state is to hold: it tells the runner and
 * waits for it, while the others wait in family_wait(), a futex in shared memory. What a child
 * finds different is its exit status, which its parent counts in family_join().
 */
#ifndef FAMILY_H
#define FAMILY_H

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

static struct family {
	int present, over;
	long value[1024]; /* for whatever the victim wants to tell */
} * family;

static inline void family_begin(void)
{
	family = must(mmap(
		NULL, sizeof(*family), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

static inline void family_futex(int *word, int op, int val)
{
	syscall(SYS_futex, word, op, val, NULL, NULL, 0);
}

/* Present until the first process says that it is over. */
static inline void family_wait(void)
{
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	while (!__atomic_load_n(&family->over, __ATOMIC_ACQUIRE))
		family_futex(&family->over, FUTEX_WAIT, 0);
}

static inline void family_await(int n)
{
	int found;

	while ((found = __atomic_load_n(&family->present, __ATOMIC_ACQUIRE)) < n)
		family_futex(&family->present, FUTEX_WAIT, found);
}

/* The first process, when n others are in family_wait(). */
static inline void family_meet(int n)
{
	family_await(n);
	victim_ready();
}

static inline void family_over(void)
{
	__atomic_store_n(&family->over, 1, __ATOMIC_RELEASE);
	family_futex(&family->over, FUTEX_WAKE, INT_MAX);
}

/* A child that runs body(i) and exits with whether it found differences. */
static inline pid_t family_fork(void (*body)(int), int i)
{
	pid_t pid = must(fork());

	if (pid)
		return pid;
	victim_differences = 0;
	body(i);
	_exit(victim_done());
}

static inline void family_join(pid_t pid)
{
	int status = -1;

	expect(pid, waitpid(pid, &status, __WALL), "waitpid of a child");
	expect(0, status, "wait status of a child");
}

#endif
