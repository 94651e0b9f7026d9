/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages hold something: regions of this process in known states, looked at in all ways that
 * this kernel has, with room for one range and for many.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc/pagemap.h"
#include "proc_fixture.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define PAGE 4096u
#define HUGE (2u << 20)

/* PAGEMAP_SCAN with and without its category for guards, and the entries of pagemap. */
enum way { SCAN, SCAN_6_7, ENTRIES, N_WAYS };

static const char *const way_names[N_WAYS] = {"scan", "scan of 6.7", "entries"};

#define PAGEMAP PK_CLEANUP(pk_pagemap_close) struct pk_pagemap

static struct pk_pagemap pagemap(enum way way)
{
	PK_CLOSE int self = open_self();
	struct pk_pagemap p;
	struct pk_error err = {0};

	cr_assert_eq(pk_pagemap_open(self, way != ENTRIES, &p, &err), 0, "%s", err.what);
	if (way == ENTRIES)
		cr_assert(!p.has_scan && !p.has_guard);
	if (way == SCAN_6_7)
		p.has_guard = false;
	return p;
}

/* The pages of a region as '#' and '.', found with room for `max` ranges at a time. */
static char *look(const struct pk_pagemap *p, enum pk_page_want want, const void *base,
	size_t pages, size_t max)
{
	uint64_t at = (uintptr_t)base, end = at + pages * PAGE, last = 0;
	char *out = malloc(pages + 1);

	memset(out, '.', pages);
	out[pages] = '\0';
	while (at < end) {
		struct pk_range r[64];
		struct pk_error err = {0};
		uint64_t before = at;
		int n = pk_pagemap_scan(p, want, &at, end, r, max, &err);

		cr_assert_geq(n, 0, "%s: %s", err.what, err.why);
		cr_assert_leq((size_t)n, max);
		cr_assert(at > before && at <= end);
		for (int i = 0; i < n; i++) {
			cr_assert(r[i].start >= before && r[i].start < r[i].end && r[i].end <= at);
			cr_assert(i == 0 || r[i].start > last, "not merged");
			memset(out + (r[i].start - (uintptr_t)base) / PAGE, '#',
				(r[i].end - r[i].start) / PAGE);
			last = r[i].end;
		}
	}
	return out;
}

/* `without_zero` is what a way that cannot tell the zero page sees, if that differs. */
static void expect_pages(
	enum pk_page_want want, const void *base, const char *pages, const char *without_zero)
{
	static const size_t room[] = {1, 2, 64};

	for (enum way way = SCAN; way < N_WAYS; way++) {
		PAGEMAP p = pagemap(way);
		const char *seen = way == ENTRIES && without_zero ? without_zero : pages;

		if (way != ENTRIES && !p.has_scan)
			continue;
		for (size_t i = 0; i < 3; i++) {
			PK_FREE char *got = look(&p, want, base, strlen(pages), room[i]);

			cr_expect_str_eq(got, seen, "%s, room for %zu: %s, not %s", way_names[way],
				room[i], got, seen);
		}
	}
}

static char *map(size_t size, int prot, int flags, int fd)
{
	char *p = mmap(NULL, size, prot, flags, fd, 0);

	cr_assert_neq(p, MAP_FAILED);
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

static char *anonymous(size_t pages)
{
	return map(pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void read_page(const char *p)
{
	(void)*(const volatile char *)p;
}

static void write_pages(char *base, const char *pages)
{
	for (size_t i = 0; pages[i]; i++) {
		if (pages[i] == '#')
			base[i * PAGE] = 1;
	}
}

Test(proc_pagemap, probe)
{
	PAGEMAP p = pagemap(SCAN);

	cr_log_info("PAGEMAP_SCAN: %s, guards: %s", p.has_scan ? "yes" : "no",
		p.has_guard ? "yes" : "no");
	cr_expect(p.has_scan || !p.has_guard);
}

Test(proc_pagemap, anonymous)
{
	char *p = anonymous(16);

	write_pages(p, "##.##...#......#");
	read_page(p + 6 * PAGE);
	read_page(p + 9 * PAGE);
	madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED);
	expect_pages(PK_PAGES_PRIVATE, p, "##.#....#......#", "##.#..#.##.....#");
	expect_pages(PK_PAGES_PRESENT, p, "##.#....#......#", "##.#..#.##.....#");
	expect_pages(PK_PAGES_GUARD, p, "................", NULL);
}

Test(proc_pagemap, nothing)
{
	char *p = anonymous(600);

	PK_FREE char *none = calloc(1, 601);
	memset(none, '.', 600);
	expect_pages(PK_PAGES_PRIVATE, p, none, NULL);
	munmap(p, 600 * PAGE);
	expect_pages(PK_PAGES_PRESENT, p, none, NULL);
}

/* More ranges than are looked at in one step. */
Test(proc_pagemap, many_ranges)
{
	char *p = anonymous(4001);
	PK_FREE char *pages = calloc(1, 4002);

	for (size_t i = 0; i < 4001; i++)
		pages[i] = i % 2 && i % 7 ? '#' : '.';
	write_pages(p, pages);
	expect_pages(PK_PAGES_PRIVATE, p, pages, NULL);
}

Test(proc_pagemap, protected)
{
	char *p = anonymous(4);

	write_pages(p, ".##.");
	cr_assert_eq(mprotect(p, 4 * PAGE, PROT_NONE), 0);
	expect_pages(PK_PAGES_PRIVATE, p, ".##.", NULL);
}

Test(proc_pagemap, locked)
{
	char *p = anonymous(4);

	if (syscall(SYS_mlock, p + PAGE, 2 * PAGE) < 0) /* ASan makes mlock() do nothing */
		cr_skip_test("RLIMIT_MEMLOCK");
	expect_pages(PK_PAGES_PRIVATE, p, ".##.", NULL);
}

Test(proc_pagemap, guards)
{
	char *p = anonymous(12);

	write_pages(p, "###..##.##..");
	read_page(p + 7 * PAGE);
	if (madvise(p + 2 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL) < 0)
		cr_skip_test("no guard pages (6.13)");
	cr_assert_eq(madvise(p + 10 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL), 0);
	expect_pages(PK_PAGES_GUARD, p, "..##......##", NULL);
	expect_pages(PK_PAGES_PRIVATE, p, "##...##.##..", "##...#####..");
	expect_pages(PK_PAGES_PRESENT, p, "##...##.##..", "##...#####..");
}

/* A file of n pages, without a name. */
static int file_of(size_t pages)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	char page[PAGE];

	cr_assert_geq(fd, 0);
	memset(page, 7, sizeof(page));
	for (size_t i = 0; i < pages; i++)
		cr_assert_eq(write(fd, page, sizeof(page)), (ssize_t)sizeof(page));
	return fd;
}

Test(proc_pagemap, private_file)
{
	PK_CLOSE int fd = file_of(8);
	char *p = map(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd);

	madvise(p, 8 * PAGE, MADV_DONTNEED);
	for (size_t i = 0; i < 8; i++) /* all there, as the file has them */
		read_page(p + i * PAGE);
	write_pages(p, ".#..##..");
	expect_pages(PK_PAGES_PRIVATE, p, ".#..##..", NULL);
	expect_pages(PK_PAGES_PRESENT, p, "########", NULL);
}

Test(proc_pagemap, shared)
{
	char *p = map(6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);

	write_pages(p, "#..##.");
	expect_pages(PK_PAGES_PRIVATE, p, "......", NULL);
	expect_pages(PK_PAGES_PRESENT, p, "#..##.", NULL);
}

Test(proc_pagemap, huge_page)
{
	char *p = map(3 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	PK_FREE char *pages = calloc(1, 1025);

	p = (char *)(((uintptr_t)p + HUGE - 1) / HUGE * HUGE);
	madvise(p, HUGE, MADV_HUGEPAGE);
	/* Written throughout: the kernel may split a huge page to get rid of zeros (6.12). */
	memset(p, 1, HUGE);
	p[HUGE] = 1;
	PAGEMAP map = pagemap(SCAN);
	PK_FREE char *got = look(&map, PK_PAGES_PRIVATE, p, 512, 64);
	if (got[511] == '.')
		cr_skip_test("no transparent huge pages");
	memset(pages, '.', 1024);
	memset(pages, '#', 513);
	expect_pages(PK_PAGES_PRIVATE, p, pages, NULL);
	/* Half of it given back: the rest is small pages now. */
	madvise(p + HUGE / 2, HUGE / 4, MADV_DONTNEED);
	memset(pages + 256, '.', 128);
	expect_pages(PK_PAGES_PRIVATE, p, pages, NULL);
}

Test(proc_pagemap, hugetlb)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	char *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	PK_FREE char *pages = calloc(1, 1025);

	if (p == MAP_FAILED)
		cr_skip_test("no free huge pages (vm.nr_hugepages)");
	p[HUGE] = 1;
	memset(pages, '.', 512);
	memset(pages + 512, '#', 512);
	expect_pages(PK_PAGES_PRIVATE, p, pages, NULL);
	expect_pages(PK_PAGES_PRESENT, p, pages, NULL);
}

/* A reservation of 256 GiB with three pages in it, by the ways that can stand it. */
Test(proc_pagemap, reserved)
{
	size_t size = UINT64_C(256) << 30, n = 0;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	char *p = map(size, PROT_READ | PROT_WRITE, flags, -1);
	uint64_t at = (uintptr_t)p, end = at + size;
	PAGEMAP map = pagemap(SCAN);
	struct pk_range r[8];

	if (!map.has_scan)
		cr_skip_test("no PAGEMAP_SCAN");
	p[0] = p[size / 2] = p[size - 1] = 1;
	while (at < end) {
		int got = pk_pagemap_scan(&map, PK_PAGES_PRIVATE, &at, end, r + n, 8 - n, NULL);

		cr_assert_geq(got, 0);
		n += (size_t)got;
	}
	cr_assert_eq(n, 3);
	cr_expect_eq(r[1].start, (uintptr_t)p + size / 2);
	cr_expect_eq(r[2].end, end);
}

/* Every address that a program can have, and those of the kernel's half. */
Test(proc_pagemap, all_addresses)
{
	for (enum way way = SCAN; way < N_WAYS; way++) {
		uint64_t at = 0xffffffffff600000, end = at + PAGE;
		PAGEMAP p = pagemap(way);
		struct pk_range r[4];

		cr_expect_eq(pk_pagemap_scan(&p, PK_PAGES_PRESENT, &at, end, r, 4, NULL), 0);
		cr_expect_eq(at, end);
		if (!p.has_scan)
			continue;
		at = 0;
		cr_expect_eq(
			pk_pagemap_scan(&p, PK_PAGES_PRESENT, &at, 0x7ffffffff000, r, 4, NULL), 4);
		cr_expect(at >= r[3].end && at < 0x7ffffffff000);
	}
}

Test(proc_pagemap, failures)
{
	PK_CLOSE int dir = open("/", O_RDONLY | O_DIRECTORY);
	struct pk_error err = {0};
	struct pk_pagemap p;
	struct pk_range r;
	uint64_t at = 0;

	cr_expect_eq(pk_pagemap_open(dir, true, &p, &err), -PK_E_MISSING);
	for (enum way way = SCAN; way < N_WAYS; way++) {
		p = pagemap(way);
		pk_pagemap_close(&p);
		cr_expect_lt(pk_pagemap_scan(&p, PK_PAGES_PRIVATE, &at, PAGE, &r, 1, &err), 0);
		cr_expect_eq(err.sys_errno, EBADF);
		cr_expect_eq(at, 0);
	}
}
