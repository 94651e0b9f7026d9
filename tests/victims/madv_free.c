/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages given back with MADV_FREE: each is what it was or zero, as a whole, until it is written
 * again; then it is kept.
 */
#include "memory.h"

#define PAGES   ((size_t)64)
#define WRITTEN 1 /* the page that is written again */

static bool is_zero(const char *page)
{
	static const char zeros[PAGE];

	return !memcmp(page, zeros, PAGE);
}

int main(void)
{
	char *p = map_anon(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	for (size_t i = 0; i < PAGES; i++)
		fill(p + i * PAGE, PAGE, i);
	must(madvise(p, PAGES / 2 * PAGE, MADV_FREE));
	fill(p + WRITTEN * PAGE, PAGE, 1000);
	victim_ready();
	if (victim_broken())
		p[9] ^= 1;
	for (size_t i = 0; i < PAGES; i++) {
		const char *page = p + i * PAGE;

		if (i == WRITTEN)
			expect_filled(page, PAGE, 1000, "page written again");
		else if (i >= PAGES / 2 || !is_zero(page))
			expect_filled(page, PAGE, i, "page");
	}
	return victim_done();
}
