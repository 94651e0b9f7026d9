/* SPDX-License-Identifier: Apache-2.0 */
/* Names that a program gave to its anonymous mappings. */
#include <sys/prctl.h>

#include "memory.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA           0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#define SIZE (4 * PAGE)

static void name(const void *p, const char *text)
{
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, SIZE, text) < 0)
		victim_skip("no names for anonymous mappings: %s", strerror(errno));
}

int main(void)
{
	char *own = map_anon(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *shared = map_anon(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED);
	struct mapping m;

	fill(own, SIZE, 1);
	fill(shared, SIZE, 2);
	name(own, "a heap, of sorts");
	name(shared, "for all");
	victim_ready();
	if (victim_broken())
		name(own, "other");
	m = mapping_of(own);
	expect_text("[anon:a heap, of sorts]", m.path, "name of the private mapping");
	m = mapping_of(shared);
	expect_text("[anon_shmem:for all]", m.path, "name of the shared mapping");
	expect_filled(own, SIZE, 1, "private mapping");
	expect_filled(shared, SIZE, 2, "shared mapping");
	return victim_done();
}
