/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of every protection: the protection itself, the content behind those that can't be read,
 * and code that runs where it may.
 */
#include "memory.h"

#define ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

static char *pages[ALL + 1], *code, *unused;

static void fill_all(void)
{
	for (int prot = 0; prot <= ALL; prot++) {
		pages[prot] = map_anon(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
		fill(pages[prot], 3 * PAGE, (unsigned)prot);
		must(mprotect(pages[prot], 3 * PAGE, prot));
	}
	unused = map_anon(16 * PAGE, PROT_NONE, MAP_PRIVATE);
	code = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov $42, %eax; ret */
	must(mprotect(code, PAGE, PROT_EXEC));
}

static void expect_protection(int prot)
{
	char want[] = "---p";
	struct mapping m = mapping_of(pages[prot]);

	if (prot & PROT_READ)
		want[0] = 'r';
	if (prot & PROT_WRITE)
		want[1] = 'w';
	if (prot & PROT_EXEC)
		want[2] = 'x';
	expect_text(want, m.perms, "protection %d", prot);
	expect(prot & PROT_WRITE ? 0 : SIGSEGV, prot ? touch(pages[prot], true) : SIGSEGV,
		"signal of a write, protection %d", prot);
	expect(prot ? 0 : SIGSEGV, touch(pages[prot], false), "signal of a read, protection %d",
		prot);
	must(mprotect(pages[prot], 3 * PAGE, PROT_READ));
	expect_filled(pages[prot], 3 * PAGE, (unsigned)prot, "content behind a protection");
}

int main(void)
{
	fill_all();
	victim_ready();
	if (victim_broken())
		must(mprotect(pages[PROT_READ], PAGE, ALL));
	for (int prot = 0; prot <= ALL; prot++)
		expect_protection(prot);
	expect(42, ((int (*)(void))(uintptr_t)code)(), "code in an executable page");
	expect(SIGSEGV, touch(unused, false), "signal of a read in an unused reservation");
	must(mprotect(unused, 16 * PAGE, PROT_READ));
	expect_zero(unused, 16 * PAGE, "unused reservation");
	return victim_done();
}
