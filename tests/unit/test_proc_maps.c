/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: every flag and name, text that is cut or wrong, names that look like others, speed. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "proc/maps.h"
#include "proc_fixture.h"
#include "scratch.h"

#define MAPS PK_CLEANUP(pk_maps_free) struct pk_maps

static struct pk_maps parse(const struct text *t)
{
	struct pk_maps maps;
	struct pk_error err = {0};
	int r = pk_maps_parse(t->p, t->n, &maps, &err);

	cr_assert_eq(r, 0, "%s: %s", err.what, err.why);
	return maps;
}

static const struct pk_map *find(const struct pk_maps *maps, const char *path)
{
	for (size_t i = 0; i < maps->n; i++) {
		if (!strcmp(maps->v[i].path, path))
			return &maps->v[i];
	}
	cr_assert(false, "no mapping of %s", path);
	return NULL;
}

static const struct pk_map *find_flag(const struct pk_maps *maps, uint64_t flag)
{
	for (size_t i = 0; i < maps->n; i++) {
		if (maps->v[i].vmflags & flag)
			return &maps->v[i];
	}
	cr_assert(false, "no mapping with flag %#jx", (uintmax_t)flag);
	return NULL;
}

Test(proc_maps, same_in_maps_and_smaps)
{
	static const char *const dirs[] = {"kinds", "odd-names", "python-threads", "linux-4.18"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		TEXT plain = fixture(dirs[i], "maps"), rich = fixture(dirs[i], "smaps");
		MAPS a = parse(&plain);
		MAPS b = parse(&rich);

		cr_assert_eq(a.n, b.n, "%s", dirs[i]);
		for (size_t j = 0; j < a.n; j++) {
			struct pk_map *x = &a.v[j], *y = &b.v[j];

			cr_expect(x->start == y->start && x->end == y->end);
			cr_expect(x->offset == y->offset && x->ino == y->ino);
			cr_expect(x->prot == y->prot && x->shared == y->shared);
			cr_expect_str_eq(x->path, y->path);
			cr_expect(!x->vmflags && !x->page_size && y->vmflags && y->page_size);
			cr_expect_eq(!(y->vmflags & PK_VM(rd)), !(y->prot & PROT_READ));
			cr_expect_eq(!(y->vmflags & PK_VM(ms)), !y->shared);
			cr_expect_str_empty(y->unknown_flag);
		}
	}
}

Test(proc_maps, kinds)
{
	TEXT t = fixture("kinds", "smaps");
	MAPS maps = parse(&t);
	const struct pk_map *m = find(&maps, "/memfd:huge");

	cr_expect(m->shared && m->deleted);
	cr_expect_eq(m->page_size, 2u << 20);
	cr_expect_eq(m->vmflags & PK_VM(ht), PK_VM(ht));
	cr_expect_eq(m->end - m->start, 2u << 20);

	m = find(&maps, "/memfd:a memfd");
	cr_expect(!m->shared && m->deleted && m->offset == 4096 && m->ino == 1064);
	cr_expect(m->dev_major == 0 && m->dev_minor == 1);

	m = find(&maps, "/usr/lib/x86_64-linux-gnu/libc.so.6");
	cr_expect(!m->deleted && m->ino == 332835 && m->dev_major == 0xfe && m->rss > 0);

	m = find(&maps, "/SYSV00000000");
	cr_expect(m->deleted && m->shared && m->ino == 0);
	cr_expect_eq(find(&maps, "/dev/zero")->ino, 1063);
	cr_expect_eq(
		find(&maps, "[vvar]")->vmflags & (PK_VM(pf) | PK_VM(io)), PK_VM(pf) | PK_VM(io));
	cr_expect_eq(find(&maps, "[vsyscall]")->prot, PROT_EXEC);
	cr_expect_eq(find_flag(&maps, PK_VM(gu))->start, 0x7f5bb6829000);
	cr_expect_eq(find_flag(&maps, PK_VM(lf))->locked, 0);
	cr_expect_eq(find_flag(&maps, PK_VM(lf))[1].path[0], '\0');
	cr_expect_eq(find_flag(&maps, PK_VM(hg))->anon_huge, 2u << 20);
	find_flag(&maps, PK_VM(dp));
	find_flag(&maps, PK_VM(sl));
	find_flag(&maps, PK_VM(lf));
	find_flag(&maps, PK_VM(wf));
}

Test(proc_maps, linux_4_18)
{
	TEXT t = fixture("linux-4.18", "smaps");
	MAPS maps = parse(&t);
	const struct pk_map *m = find(&maps, "/usr/bin/bash");

	cr_assert_eq(maps.n, 11);
	cr_expect_eq(m->vmflags & PK_VM(dw), PK_VM(dw));
	cr_expect_eq(m->start, 0x400000);
	cr_expect_eq(maps.v[5].swap, 8192);
	cr_expect(maps.v[3].anon == 600 * 1024 && maps.v[3].rss == 600 * 1024);
	cr_expect_eq(maps.v[5].pkey, 1);
	cr_expect_eq(maps.v[4].anon_huge, 4096u * 1024);
	cr_expect_str_empty(maps.v[4].path);
	cr_expect_str_eq(maps.v[10].path, "[vsyscall]");
	cr_expect_eq(maps.v[10].end, 0xffffffffff601000);
}

Test(proc_maps, flags_nobody_knows)
{
	TEXT t = fixture("linux-6.6-shstk", "smaps");
	MAPS maps = parse(&t);

	cr_assert_eq(maps.n, 2);
	cr_expect_eq(maps.v[0].vmflags & PK_VM(ss), PK_VM(ss));
	cr_expect_str_empty(maps.v[0].unknown_flag);
	cr_expect_str_eq(maps.v[1].unknown_flag, "zz");
	cr_expect_eq(maps.v[1].pkey, 15);
	cr_expect_str_eq(maps.v[1].path, "[anon:guard]");
}

Test(proc_maps, odd_names_by_text)
{
	TEXT t = fixture("odd-names", "maps");
	MAPS maps = parse(&t);

	find(&maps, "/var/tmp/odd/back\\slash");
	find(&maps, "/var/tmp/odd/two  spaces ");
	find(&maps, "/var/tmp/odd/tab\tand \xc3\xa9 \xff");
	cr_expect_not(find(&maps, "/var/tmp/odd/new\nline")->deleted);
	cr_expect(find(&maps, "/var/tmp/odd/new\ngone")->deleted);
	cr_expect(find(&maps, "/var/tmp/odd/gone")->deleted);
	cr_expect(find(&maps, "/var/tmp/odd/gone (deleted)")->deleted);
}

Test(proc_maps, empty)
{
	TEXT t = text_of("", 0);
	MAPS maps = parse(&t);

	cr_expect_eq(maps.n, 0); /* a zombie's, or a kernel thread's */
}

/* A header line, and a mapping of smaps with a line left out or changed. */
#define RANGE "1000-2000 rw-p 00000000 00:00 0 \n"
#define LATER "3000-4000 rw-p 00000000 00:00 0 \n"
#define SIZES "KernelPageSize: 4 kB\nRss: 4 kB\nAnonymous: 4 kB\nSwap: 0 kB\nLocked: 0 kB\n"
#define FULL  RANGE SIZES "VmFlags: rd wr \n"

static const struct {
	const char *text, *line;
} bad_maps[] = {
	{"\n", "line 1 "},
	{RANGE "\n", "line 2 "},
	{"1000", "line 1 "},
	{"1000-2000", "line 1 "},
	{"1000-2000 rw-p 00000000 00:00", "line 1 "},
	{"1000-2000 rw-p 00000000 00:00 0", "line 1 "}, /* no newline */
	{"1000-2000 rw-p 00000000 00:00 0/x\n", "line 1 "},
	{"1000-2000 rw-q 00000000 00:00 0 \n", "line 1 "},
	{"1000-2000 wr-p 00000000 00:00 0 \n", "line 1 "},
	{"1000-2000 rw-p 00000000 00:00 -1 \n", "line 1 "},
	{"1000-2000 rw-p 0000000g 00:00 0 \n", "line 1 "},
	{"1000-2000 rw-p 11112222333344445 00:00 0 \n", "line 1 "},
	{"1000-2000 rw-p 00000000 100000000:00 0 \n", "line 1 "},
	{"1000-2000 rw-p 00000000 00:00 18446744073709551616 \n", "line 1 "},
	{"1001-2000 rw-p 00000000 00:00 0 \n", "line 1 "},
	{"2000-2000 rw-p 00000000 00:00 0 \n", "line 1 "},
	{"2000-1000 rw-p 00000000 00:00 0 \n", "line 1 "},
	{"A000-B000 rw-p 00000000 00:00 0 \n", "line 1 "},
	{"0x1000-0x2000 rw-p 00000000 00:00 0 \n", "line 1 "},
	{LATER RANGE, "line 2 "},
	{RANGE RANGE, "line 2 "},
	{"Rss: 4 kB\n" RANGE, "line 1 "},
	{RANGE LATER SIZES "VmFlags: rd \n", "line 3 "}, /* keys came late */
	{FULL LATER, "line 8"},
	{FULL LATER "Rss: 4 kB\n" SIZES, "line 14"},
	{RANGE SIZES, "line 6"},
	{RANGE "VmFlags: rd \n" LATER, "line 3"},
	{RANGE SIZES "VmFlags: rd wrr \n", "line 7 "},
	{RANGE SIZES "VmFlags: r \n", "line 7 "},
	{RANGE "Rss: 4 MB\n", "line 2 "},
	{RANGE "Rss: 4\n", "line 2 "},
	{RANGE "Rss: x kB\n", "line 2 "},
	{RANGE "Rss: 18446744073709551615 kB\n", "line 2 "},
	{RANGE "Rss\n", "line 2 "},
	{RANGE SIZES "ProtectionKey: 4294967296\nVmFlags: rd \n", "line 7 "},
};

Test(proc_maps, malformed)
{
	for (size_t i = 0; i < sizeof(bad_maps) / sizeof(bad_maps[0]); i++) {
		TEXT t = text_of(bad_maps[i].text, strlen(bad_maps[i].text));
		struct pk_maps maps;
		struct pk_error err = {0};

		expect_refusal(pk_maps_parse(t.p, t.n, &maps, &err), &err, bad_maps[i].text);
		cr_expect_not_null(
			strstr(err.what, bad_maps[i].line), "%s: %s", bad_maps[i].text, err.what);
		cr_expect(!maps.v && !maps.n);
	}
}

Test(proc_maps, nul_in_a_path)
{
	TEXT t = text_of("1000-2000 rw-p 00000000 00:00 0 /a\0b\n", 37);
	struct pk_maps maps;
	struct pk_error err = {0};

	expect_refusal(pk_maps_parse(t.p, t.n, &maps, &err), &err, "NUL");
}

/* Cut anywhere, smaps is refused unless the cut is between two mappings. */
Test(proc_maps, cut_short)
{
	TEXT t = fixture("kinds", "smaps");
	size_t whole = 0;

	for (size_t n = 1; n < 3000; n++) {
		TEXT cut = text_of(t.p, n);
		MAPS maps;

		if (pk_maps_parse(cut.p, cut.n, &maps, NULL))
			continue;
		/* "VmFlags:" is the last line; without keys, a lone header is maps. */
		cr_expect_eq(cut.p[n - 1], '\n');
		whole++;
	}
	cr_expect_eq(whole, 1 + 3, "%zu", whole); /* the header alone, and three mappings */
}

Test(proc_maps, own)
{
	PK_CLOSE int self = open_self();
	MAPS plain, rich;
	struct pk_error err = {0};

	cr_assert_eq(pk_maps_read(self, false, &plain, &err), 0, "%s", err.what);
	cr_assert_eq(pk_maps_read(self, true, &rich, &err), 0, "%s", err.what);
	cr_expect_gt(plain.n, 10);
	cr_expect_gt(rich.n, 10);
	find(&rich, "[stack]");
	for (size_t i = 0; i < rich.n; i++)
		cr_expect_str_empty(rich.v[i].unknown_flag, "%s", rich.v[i].path);
}

Test(proc_maps, unreadable)
{
	PK_CLOSE int dir = open("/", O_RDONLY | O_DIRECTORY);
	struct pk_maps maps;
	struct pk_error err = {0};

	cr_expect_eq(pk_maps_read(dir, true, &maps, &err), -PK_E_MISSING);
	cr_expect_eq(err.sys_errno, ENOENT);
	cr_expect(!maps.v && !maps.n);
}

/* Map a new file; the mapping says nothing about whether its name still exists. */
static void *map_file(const struct scratch *dir, const char *name, bool unlink_it)
{
	PK_CLOSE int fd = openat(dir->fd, name, O_RDWR | O_CREAT, 0600);
	void *p;

	cr_assert(fd >= 0 && ftruncate(fd, 4096) == 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq(p, MAP_FAILED);
	cr_assert(!unlink_it || unlinkat(dir->fd, name, 0) == 0);
	return p;
}

/* Names that look like others in the text, read from a live process with all there is to know. */
Test(proc_maps, odd_names_alive)
{
	static const struct {
		const char *name;
		bool deleted;
	} files[] = {
		{"new\nline", false},
		{"new\ngone", true},
		{"lit\\012eral", false},
		{"lit\\012gone", true},
		{"both\n\\012", false},
		{"back\\slash", false},
		{"there (deleted)", false},
		{"gone", true},
		{"gone (deleted)", true},
		{"new\nand there (deleted)", false},
		{" blanks  ", false},
	};
	PK_CLOSE int self = open_self();
	SCRATCH dir = scratch_make();
	void *at[sizeof(files) / sizeof(files[0])];
	struct pk_error err = {0};
	MAPS maps;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		at[i] = map_file(&dir, files[i].name, files[i].deleted);
	cr_assert_eq(pk_maps_read(self, true, &maps, &err), 0, "%s", err.what);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		PK_FREE char *path = pk_asprintf("%s/%s", dir.path, files[i].name);
		const struct pk_map *m = find(&maps, path);

		cr_expect_eq(m->start, (uintptr_t)at[i], "%s", path);
		cr_expect_eq(m->deleted, files[i].deleted, "%s", path);
	}
}

/* What the kernel prints for one mapping, over and over at other addresses. */
static struct text many(size_t n)
{
	TEXT t = fixture("python-threads", "smaps");
	const char *start = strchr(t.p, ' ');
	const char *end = strstr(start, "VmFlags:");
	size_t each, head;
	struct text out = {0};

	end = strchr(end, '\n') + 1;
	head = 2 * 12 + 1;
	each = head + (size_t)(end - start);
	out.p = malloc(n * each + 1);
	cr_assert_not_null(out.p);
	for (size_t i = 0; i < n; i++, out.n += each) {
		unsigned long at = 0x7f0000000000 + i * 8192;

		snprintf(out.p + out.n, head + 1, "%012lx-%012lx", at, at + 4096);
		memcpy(out.p + out.n + head, start, (size_t)(end - start));
	}
	return out;
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define SLOWER 20
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOWER 20
#endif
#endif
#ifndef SLOWER
#define SLOWER 1
#endif

/* The default of vm.max_map_count is 65530: that many, 45 MB of text, in less than 0.1 s. */
Test(proc_maps, fast)
{
	TEXT t = many(65000);
	double best = 1e9;

	for (int i = 0; i < 3; i++) {
		double before = cpu_seconds(), took;
		MAPS maps = parse(&t);

		took = cpu_seconds() - before;
		cr_expect_eq(maps.n, 65000);
		best = took < best ? took : best;
	}
	cr_log_info("65000 mappings: %.1f ms", best * 1e3);
	cr_expect_lt(best, 0.1 * SLOWER, "%.3f s", best);
}
