/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locked memory: whole, locked only as it is touched, unlocked again; in memory as
 * far as it should.
 */
#include "memory.h"

#define SIZE (16 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

int main(void)
{
	char *locked = map_anon(SIZE, RW, MAP_PRIVATE), *on_fault = map_anon(SIZE, RW, MAP_PRIVATE);
	char *unlocked = map_anon(SIZE, RW, MAP_PRIVATE), *readonly;
	struct mapping m, before[4];

	readonly = map_anon(SIZE, RW, MAP_PRIVATE);
	fill(locked, SIZE / 2, 1);
	fill(on_fault, SIZE / 4, 2);
	if (mlock(locked, SIZE) < 0)
		victim_skip("mlock: %s", strerror(errno));
	must(mlock2(on_fault, SIZE, MLOCK_ONFAULT));
	must(mlock(unlocked, SIZE));
	must(munlock(unlocked, SIZE));
	fill(readonly, SIZE, 3);
	must(mlock(readonly, SIZE));
	must(mprotect(readonly, SIZE, PROT_READ));
	before[0] = mapping_of(locked);
	before[1] = mapping_of(on_fault);
	before[2] = mapping_of(unlocked);
	before[3] = mapping_of(readonly);
	victim_ready();
	if (victim_broken())
		must(munlock(locked, SIZE));
	expect_same_mapping(&before[0], locked, "locked");
	expect_same_mapping(&before[1], on_fault, "locked on fault");
	expect_same_mapping(&before[2], unlocked, "unlocked");
	expect_same_mapping(&before[3], readonly, "locked and read-only");
	m = mapping_of(locked);
	expect(SIZE / 1024, (long)m.rss, "kB in memory, locked");
	m = mapping_of(on_fault);
	expect(SIZE / 4096, (long)m.rss, "kB in memory, locked on fault");
	expect_filled(locked, SIZE / 2, 1, "locked memory");
	expect_filled(on_fault, SIZE / 4, 2, "memory locked on fault");
	expect_filled(readonly, SIZE, 3, "locked and read-only memory");
	return victim_done();
}
