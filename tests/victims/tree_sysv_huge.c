/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: lock=hugetlb as=root without=identity
 *
 * System V shared memory with pages of the hugetlb pool, attached in two processes and marked for
 * removal. (Only the privileged, or a group of the administrator's choice, may have it.)
 */
#include <sys/shm.h>

#include "family.h"
#include "memory.h"

#define HUGE ((size_t)2 * MIB)

static char *p;
static int id;

static void attached(int i)
{
	char *own = must(shmat(id, NULL, SHM_RDONLY));

	(void)i;
	family_wait();
	expect_filled(own, HUGE / 2, 1, "the child's");
	expect_text("from the first", own + HUGE, "in the child's own attachment");
	strcpy(p + HUGE + PAGE, "from the child");
}

int main(void)
{
	struct shmid_ds ds;
	pid_t child;

	id = shmget(IPC_PRIVATE, 2 * HUGE, IPC_CREAT | SHM_HUGETLB | 21 << MAP_HUGE_SHIFT | 0600);
	if (id < 0)
		victim_skip("no huge System V memory: %s (vm.nr_hugepages)", strerror(errno));
	p = must(shmat(id, NULL, 0));
	fill(p, HUGE / 2, 1);
	family_begin();
	child = family_fork(attached, 0);
	family_await(1);
	must(shmctl(id, IPC_RMID, NULL));
	family_meet(1);
	if (victim_broken())
		p[0]++;
	expect_filled(p, HUGE / 2, 1, "memory");
	expect_zero(p + HUGE / 2, HUGE / 2, "rest");
	must(shmctl(id, IPC_STAT, &ds));
	expect(2 * HUGE, (long long)ds.shm_segsz, "size");
	expect(3, (long long)ds.shm_nattch, "attachments");
	strcpy(p + HUGE, "from the first");
	family_over();
	family_join(child);
	expect_text("from the child", p + HUGE + PAGE, "in the first");
	return victim_done();
}
