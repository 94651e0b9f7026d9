/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The word that the kernel clears when a thread ends: the joins of threads that end after the
 * restore, one of them waited for since before the dump, and the word of a bare clone().
 */
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>

#include "crew.h"

enum { MAIN, JOINER, THREADS };

static int bare_tid = -1, bare_done;
static char bare_stack[1 << 16] __attribute__((aligned(16)));

static void *ends_later(void *arg)
{
	await(&crew_over, 1);
	return arg;
}

/* Without libc's per-thread data: nothing but system calls. */
static int bare(void *arg)
{
	await(arg, 1);
	__atomic_store_n(&bare_done, 1, __ATOMIC_RELEASE);
	return 0;
}

static void start_bare(void)
{
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		    CLONE_SYSVSEM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;

	must(clone(
		bare, bare_stack + sizeof(bare_stack), flags, &crew_over, NULL, NULL, &bare_tid));
}

static int *tid_address(void)
{
	int *address;

	must(prctl(PR_GET_TID_ADDRESS, &address));
	return address;
}

static void join_one(void)
{
	pthread_t thread;
	void *result;

	must0(pthread_create(&thread, NULL, ends_later, &bare_done));
	crew_arrive();
	must0(pthread_join(thread, &result));
	expect((intptr_t)&bare_done, (intptr_t)result, "result of the thread joined early");
}

static void body(int i)
{
	int *before = tid_address();

	if (i == JOINER)
		join_one();
	else
		meet();
	expect((intptr_t)before, (intptr_t)tid_address(), "tid address of thread %d", i);
}

int main(void)
{
	int tid;

	start_bare();
	crew(THREADS, body);
	while ((tid = __atomic_load_n(&bare_tid, __ATOMIC_ACQUIRE)) != 0)
		syscall(SYS_futex, &bare_tid, FUTEX_WAIT, tid, NULL, NULL, 0);
	expect(1, bare_done, "the bare thread has ended");
	return victim_done();
}
