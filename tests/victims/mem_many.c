/* SPDX-License-Identifier: Apache-2.0 */
/* 5,000 small mappings, neighbours of different protection, each with content of its own. */
#include "memory.h"

#define MAPPINGS 5000
#define STRIDE   (2 * PAGE) /* a page and a gap, or two pages */

static const int protections[] = {PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC,
	PROT_NONE, PROT_READ | PROT_WRITE | PROT_EXEC};

static int protection(size_t i)
{
	return protections[i % ARRAY_SIZE(protections)];
}

static size_t length(size_t i)
{
	return i % 3 ? PAGE : STRIDE;
}

/* The lines of /proc/self/maps that lie in the area, as text. */
static char *maps_of(const char *area, size_t n)
{
	uintptr_t low = (uintptr_t)area, high = low + n, start, end;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	must_true(f && out);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start >= low && end <= high)
			fputs(line, out);
	fclose(f);
	fclose(out);
	return text;
}

int main(void)
{
	char *area = map_anon(MAPPINGS * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *before, *after;

	for (size_t i = 0; i < MAPPINGS; i++) {
		char *p = area + i * STRIDE;

		fill(p, length(i), i);
		must(mprotect(p, length(i), protection(i)));
		if (length(i) < STRIDE)
			must(munmap(p + PAGE, PAGE));
	}
	before = maps_of(area, MAPPINGS * STRIDE);
	victim_ready();
	if (victim_broken())
		must(munmap(area + 1000 * STRIDE, PAGE));
	after = maps_of(area, MAPPINGS * STRIDE);
	expect(0, strcmp(before, after), "difference in /proc/self/maps");
	if (strcmp(before, after))
		return victim_done();
	for (size_t i = 0; i < MAPPINGS; i++) {
		must(mprotect(area + i * STRIDE, length(i), PROT_READ));
		expect_filled(area + i * STRIDE, length(i), i, "small mapping");
	}
	return victim_done();
}
