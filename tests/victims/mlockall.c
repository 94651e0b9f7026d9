/* SPDX-License-Identifier: Apache-2.0 */
/* mlockall(MCL_FUTURE): what is mapped after the restore is locked too; before it was not. */
#include "memory.h"

#define SIZE (4 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

int main(void)
{
	char *old = map_anon(SIZE, RW, MAP_PRIVATE), *fresh;
	struct mapping m;

	if (mlockall(MCL_FUTURE) < 0)
		victim_skip("mlockall: %s", strerror(errno));
	victim_ready();
	if (victim_broken())
		must(munlockall());
	m = mapping_of(old);
	expect(0, has_flag(&m, "lo"), "mapping from before is locked");
	fresh = map_anon(SIZE, RW, MAP_PRIVATE);
	m = mapping_of(fresh);
	expect(1, has_flag(&m, "lo"), "new mapping is locked");
	expect(SIZE / 1024, (long)m.rss, "kB of the new mapping in memory");
	return victim_done();
}
