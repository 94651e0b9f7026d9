/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: lock=hugetlb
 *
 * Pages of the hugetlb pool: private, shared, and of a memfd that is mapped twice and closed. Part
 * of each is never touched, which must not take a page from the pool.
 */
#include "memory.h"

#define HUGE  ((size_t)2 * MIB)
#define SIZE  (2 * HUGE)
#define RW    (PROT_READ | PROT_WRITE)
#define FLAGS (MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT)

static char *own, *shared, *view[2];

static char *map_pool(int flags, int fd)
{
	void *p = mmap(NULL, SIZE, RW, flags, fd, 0);

	if (p == MAP_FAILED)
		victim_skip("no 2 MiB pages in the pool: %s (vm.nr_hugepages)", strerror(errno));
	return p;
}

static void map_all(void)
{
	int fd = must(memfd_create("pool", MFD_CLOEXEC | MFD_HUGETLB | 21 << MAP_HUGE_SHIFT));

	own = map_pool(MAP_PRIVATE | FLAGS, -1);
	shared = map_pool(MAP_SHARED | FLAGS, -1);
	must(ftruncate(fd, SIZE));
	view[0] = map_pool(MAP_SHARED, fd);
	view[1] = map_pool(MAP_SHARED, fd);
	close(fd);
	fill(own, HUGE, 1);
	fill(shared + HUGE, HUGE, 2);
	fill(view[0] + HUGE, HUGE, 3);
}

int main(void)
{
	struct mapping before[3];

	map_all();
	before[0] = mapping_of(own);
	before[1] = mapping_of(shared);
	before[2] = mapping_of(view[1]);
	victim_ready();
	if (victim_broken())
		own[HUGE - 1] ^= 1;
	expect_same_mapping(&before[0], own, "private huge pages");
	expect_same_mapping(&before[1], shared, "shared huge pages");
	expect_same_mapping(&before[2], view[1], "huge pages of a memfd");
	expect_filled(own, HUGE, 1, "private huge page");
	expect_filled(shared + HUGE, HUGE, 2, "shared huge page");
	expect_filled(view[1] + HUGE, HUGE, 3, "second view of the memfd");
	memcpy(view[1] + HUGE, "one thing", 10);
	expect_text("one thing", view[0] + HUGE, "first view after a write in the second");
	own[HUGE] = 1;
	expect_zero(own + HUGE + 8, HUGE - 8, "private huge page never touched before");
	expect_zero(shared, HUGE, "shared huge page never touched before");
	return victim_done();
}
