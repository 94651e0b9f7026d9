/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: lock=hugetlb without=identity
 *
 * Shared anonymous memory with pages of the hugetlb pool that two processes have: one of them all
 * of it, the other its second half.
 */
#include "family.h"
#include "memory.h"

#define HUGE ((size_t)2 * MIB)
#define SIZE (2 * HUGE)

static char *p;

static void has_half(int i)
{
	(void)i;
	must(munmap(p, HUGE));
	family_wait();
	expect_filled(p + HUGE, HUGE / 2, 2, "the child's");
	expect_text("from the first", p + HUGE + HUGE / 2, "in the child");
	strcpy(p + HUGE + HUGE / 2 + PAGE, "from the child");
}

int main(void)
{
	pid_t child;

	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	if (p == MAP_FAILED)
		victim_skip("no 2 MiB pages in the pool: %s (vm.nr_hugepages)", strerror(errno));
	fill(p, HUGE, 1);
	fill(p + HUGE, HUGE / 2, 2);
	family_begin();
	child = family_fork(has_half, 0);
	family_meet(1);
	if (victim_broken())
		p[0]++;
	expect_filled(p, HUGE, 1, "first half");
	expect_filled(p + HUGE, HUGE / 2, 2, "second half");
	strcpy(p + HUGE + HUGE / 2, "from the first");
	family_over();
	family_join(child);
	expect_text("from the child", p + HUGE + HUGE / 2 + PAGE, "in the first");
	return victim_done();
}
