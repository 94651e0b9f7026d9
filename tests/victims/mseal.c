/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed mappings: content, protection and place are there, and can't be changed. */
#include "memory.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define SIZE (4 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

static char *writable, *readonly, *unsealed;

static void set_up(void)
{
	writable = map_anon(SIZE, RW, MAP_PRIVATE);
	readonly = map_anon(SIZE, RW, MAP_PRIVATE);
	unsealed = map_anon(SIZE, RW, MAP_PRIVATE);
	fill(writable, SIZE, 1);
	fill(readonly, SIZE, 2);
	must(mprotect(readonly, SIZE, PROT_READ));
	if (syscall(SYS_mseal, writable, SIZE, 0) < 0)
		victim_skip("no mseal: %s", strerror(errno));
	must(syscall(SYS_mseal, readonly, SIZE, 0));
}

static void expect_sealed(char *p)
{
	expect_errno(EPERM, mprotect(p, PAGE, PROT_NONE));
	expect_errno(EPERM, munmap(p, PAGE));
	expect_errno(EPERM, mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	expect_errno(EPERM, mremap(p, SIZE, PAGE, 0));
}

int main(void)
{
	struct mapping before[3];

	set_up();
	before[0] = mapping_of(writable);
	before[1] = mapping_of(readonly);
	before[2] = mapping_of(unsealed);
	victim_ready();
	if (victim_broken())
		must(syscall(SYS_mseal, unsealed, SIZE, 0));
	expect_same_mapping(&before[0], writable, "sealed mapping");
	expect_same_mapping(&before[1], readonly, "sealed read-only mapping");
	expect_same_mapping(&before[2], unsealed, "mapping that is not sealed");
	expect_filled(writable, SIZE, 1, "sealed mapping");
	expect_filled(readonly, SIZE, 2, "sealed read-only mapping");
	expect_errno(EPERM, madvise(readonly, PAGE, MADV_DONTNEED));
	expect_sealed(readonly);
	expect_sealed(writable);
	fill(writable, SIZE, 3);
	return victim_done();
}
