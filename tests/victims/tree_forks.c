/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity,broken timeout=120
 *
 * A tree that forks and waits without pause, several at a time and two deep. None is lost, none
 * comes twice: the sum that they compute is right.
 */
#include "family.h"

enum { WORKERS = 3 };

static void grandchild(int i)
{
	__atomic_add_fetch(&family->value[10], i, __ATOMIC_RELAXED);
}

static void worker(int i)
{
	long want = 0;

	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	for (int n = 1; !__atomic_load_n(&family->over, __ATOMIC_ACQUIRE); n++) {
		family_join(family_fork(grandchild, n % 1000));
		want += n % 1000;
	}
	family->value[i] = want;
}

int main(void)
{
	pid_t pid[WORKERS];
	long want = 0;

	family_begin();
	for (int i = 0; i < WORKERS; i++)
		pid[i] = family_fork(worker, i);
	family_meet(WORKERS);
	family_over();
	for (int i = 0; i < WORKERS; i++)
		family_join(pid[i]);
	for (int i = 0; i < WORKERS; i++)
		want += family->value[i];
	expect(want, family->value[10], "sum of all grandchildren");
	return victim_done();
}
