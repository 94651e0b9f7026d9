/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Droppable memory: each page is what it was or zero, the mapping is still droppable, and a child
 * finds it wiped.
 */
#include <sys/wait.h>

#include "memory.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define SIZE (8 * PAGE)

static bool child_finds_zero(const char *p)
{
	int status = 0;
	pid_t child = must(fork());

	if (child == 0)
		_exit(*p ? 1 : 0);
	must(waitpid(child, &status, 0));
	return status == 0;
}

int main(void)
{
	int flags = MAP_ANONYMOUS | MAP_DROPPABLE;
	char *p = map_anon(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct mapping before;

	if (mmap(p, SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == MAP_FAILED)
		victim_skip("no droppable memory: %s", strerror(errno));
	fill(p, SIZE, 1);
	before = mapping_of(p);
	victim_ready();
	if (victim_broken())
		must(mprotect(p + SIZE - PAGE, PAGE, PROT_READ));
	expect_same_mapping(&before, p, "droppable mapping");
	for (size_t at = 0; at < SIZE; at += 8)
		if (*(uint64_t *)(p + at))
			expect((long long)pattern(1, at / 8), *(long long *)(p + at),
				"word at %#zx", at);
	p[0] = 1;
	expect(1, child_finds_zero(p), "child finds the mapping wiped");
	return victim_done();
}
