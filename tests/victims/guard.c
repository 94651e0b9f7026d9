/* SPDX-License-Identifier: Apache-2.0 */
/* Guard pages in the middle of mappings, which /proc/self/maps does not show. */
#include "memory.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif
#define PAGES ((size_t)32)

static bool guarded(size_t page)
{
	return page == 0 || page == 7 || (page >= 20 && page < 25);
}

int main(void)
{
	char *p = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	fill(p, PAGES * PAGE, 1);
	for (size_t i = 0; i < PAGES; i++)
		if (guarded(i) && madvise(p + i * PAGE, PAGE, MADV_GUARD_INSTALL) < 0)
			victim_skip("no guard pages: %s", strerror(errno));
	victim_ready();
	if (victim_broken())
		must(madvise(p + 7 * PAGE, PAGE, MADV_GUARD_REMOVE));
	for (size_t i = 0; i < PAGES; i++) {
		expect(guarded(i) ? SIGSEGV : 0, touch(p + i * PAGE, true), "signal at page %zu",
			i);
		if (!guarded(i))
			expect((long long)pattern(1, i * PAGE / 8), *(long long *)(p + i * PAGE),
				"first word of page %zu", i);
	}
	must(madvise(p, PAGES * PAGE, MADV_GUARD_REMOVE));
	expect_zero(p + 20 * PAGE, 5 * PAGE, "page behind a guard");
	return victim_done();
}
