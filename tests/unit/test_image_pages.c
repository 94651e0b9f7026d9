/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/pages.h"
#include "image_sums.h"
#include "scratch.h"

#define NAME "pages-0.lz4"

/* Bytes that LZ4 cannot shrink. */
static void fill_random(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 56);
	}
}

/* Bytes that it can. */
static void fill_text(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)("checkpoint"[(i + seed) % 10] + i / 4096 % 3);
}

static struct pk_pages_writer *create(const struct scratch *s)
{
	struct pk_pages_writer *w;

	cr_assert_eq(pk_pages_create(s->fd, NAME, &w, NULL), 0);
	return w;
}

static void add_block(struct pk_pages_writer *w, const void *p, size_t n, uint32_t obj, uint64_t at)
{
	struct pk_extent e = {.obj = obj, .addr = at, .len = n};

	cr_assert_eq(pk_pages_add(w, p, n, &e, 1, NULL), 0);
}

static void add_zero(struct pk_pages_writer *w, uint32_t obj, uint64_t at, uint64_t len)
{
	struct pk_extent e = {.obj = obj, .flags = PK_EXT_ZERO, .addr = at, .len = len};

	cr_assert_eq(pk_pages_add(w, NULL, 0, &e, 1, NULL), 0);
}

static struct pk_pages_stat finish(struct pk_pages_writer *w)
{
	struct pk_pages_stat st;
	struct pk_error err = {0};

	cr_assert_eq(pk_pages_finish(w, &st, &err), 0, "%s", err.what);
	return st;
}

static struct pk_pages *reopen(const struct scratch *s, const struct pk_pages_stat *st)
{
	struct pk_pages *p = NULL;
	struct pk_error err = {0};
	int rc = pk_pages_open(s->fd, NAME, st->file_bytes, st->footer_xxh3, &p, &err);

	cr_assert_eq(rc, 0, "%s", err.what);
	return p;
}

/* Opens and reads everything; 0 if nothing is wrong with it. */
static int read_all(int dirfd, const char *name, uint64_t size, uint64_t sum)
{
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_FREE uint8_t *out = malloc(PK_BLOCK_RAW);
	struct pk_error err;
	struct pk_pages *p;
	int rc = pk_pages_open(dirfd, name, size, sum, &p, &err);
	size_t n;

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < pk_pages_groups(p); i++) {
		rc = pk_group_load(p, i, &g, &err);
		for (size_t b = 0; !rc && b < g.n_block; b++)
			rc = pk_group_block(&g, b, out, &n, &err);
	}
	pk_pages_close(p);
	return rc;
}

static void expect_lz4_accepts(const struct scratch *s)
{
	cr_expect_eq(scratch_run("lz4 -tq %s/%s", s->path, NAME), 0);
}

Test(image_pages, empty_file)
{
	SCRATCH s = scratch_make();
	struct pk_pages_stat st = finish(create(&s));
	struct pk_pages *p = reopen(&s, &st);
	struct stat file;

	cr_expect_eq(pk_pages_groups(p), 0);
	cr_expect_eq(st.raw_bytes, 0);
	cr_assert_eq(fstatat(s.fd, NAME, &file, 0), 0);
	cr_expect_eq((uint64_t)file.st_size, st.file_bytes);
	cr_expect_eq(file.st_mode & 07777, 0600);
	expect_lz4_accepts(&s);
	pk_pages_close(p);
}

Test(image_pages, raw_and_compressed_blocks)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_FREE uint8_t *a = malloc(PK_BLOCK_RAW), *b = malloc(PK_BLOCK_RAW);
	PK_FREE uint8_t *out = malloc(PK_BLOCK_RAW);
	struct pk_pages_writer *w = create(&s);
	struct pk_pages_stat st;
	struct pk_pages *p;
	size_t n;

	fill_random(a, PK_BLOCK_RAW, 1);
	fill_text(b, 5000, 1);
	add_block(w, a, PK_BLOCK_RAW, 7, 0x1000);
	add_block(w, b, 5000, 8, 0x7f0000000000);
	add_block(w, b, 1, 8, UINT64_MAX);
	st = finish(w);
	cr_expect_eq(st.raw_bytes, PK_BLOCK_RAW + 5001);
	p = reopen(&s, &st);
	cr_assert_eq(pk_pages_groups(p), 1);
	cr_assert_eq(pk_group_load(p, 0, &g, NULL), 0);
	cr_assert_eq(g.n_block, 3);
	cr_assert_eq(g.n_ext, 3);
	cr_expect(g.block[0].is_raw && !g.block[1].is_raw && g.block[2].is_raw);
	cr_expect_eq(g.ext[1].obj, 8);
	cr_expect_eq(g.ext[1].addr, 0x7f0000000000);
	cr_expect_eq(g.ext[1].len, 5000);
	cr_expect_eq(g.ext[1].block, 1);
	cr_expect_eq(g.ext[2].addr, UINT64_MAX);
	cr_assert_eq(pk_group_block(&g, 0, out, &n, NULL), 0);
	cr_expect(n == PK_BLOCK_RAW && !memcmp(out, a, n));
	cr_assert_eq(pk_group_block(&g, 1, out, &n, NULL), 0);
	cr_expect(n == 5000 && !memcmp(out, b, n));
	expect_lz4_accepts(&s);
	pk_pages_close(p);
}

/* Decompresses block b into a buffer of exactly its size: an overrun is a sanitizer's find. */
Test(image_pages, a_block_needs_no_more_room_than_its_size)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	struct pk_pages_writer *w = create(&s);
	uint8_t text[4321];
	struct pk_pages_stat st;
	struct pk_pages *p;
	size_t n;

	fill_text(text, sizeof(text), 3);
	add_block(w, text, sizeof(text), 1, 0);
	st = finish(w);
	p = reopen(&s, &st);
	cr_assert_eq(pk_group_load(p, 0, &g, NULL), 0);
	PK_FREE uint8_t *out = malloc(g.block[0].raw);
	cr_assert_eq(pk_group_block(&g, 0, out, &n, NULL), 0);
	cr_expect(n == sizeof(text) && !memcmp(out, text, n));
	pk_pages_close(p);
}

Test(image_pages, many_extents_in_one_block_and_zero_ones_between)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	struct pk_pages_writer *w = create(&s);
	struct pk_extent ext[] = {
		{.obj = 1, .addr = 0x1000, .len = 0x1000},
		{.obj = 1, .flags = PK_EXT_ZERO, .addr = 0x2000, .len = 1ull << 40, .block = 9},
		{.obj = 2, .addr = 0x9000, .len = 0x3000, .off = 0x1000},
	};
	uint8_t text[0x4000];
	struct pk_pages_stat st;
	struct pk_pages *p;

	fill_text(text, sizeof(text), 0);
	add_block(w, text, 100, 3, 0);
	cr_assert_eq(pk_pages_add(w, text, sizeof(text), ext, 3, NULL), 0);
	cr_expect(ext[0].block == 1 && ext[1].block == 0 && ext[2].block == 1);
	st = finish(w);
	cr_expect_eq(st.raw_bytes, sizeof(text) + 100);
	p = reopen(&s, &st);
	cr_assert_eq(pk_group_load(p, 0, &g, NULL), 0);
	cr_assert_eq(g.n_ext, 4);
	for (size_t i = 0; i < 3; i++) {
		cr_expect_eq(g.ext[i + 1].obj, ext[i].obj);
		cr_expect_eq(g.ext[i + 1].flags, ext[i].flags);
		cr_expect_eq(g.ext[i + 1].addr, ext[i].addr);
		cr_expect_eq(g.ext[i + 1].len, ext[i].len);
		cr_expect_eq(g.ext[i + 1].block, ext[i].block);
		cr_expect_eq(g.ext[i + 1].off, ext[i].off);
	}
	pk_pages_close(p);
}

Test(image_pages, nothing_but_zeros)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	struct pk_pages_writer *w = create(&s);
	struct pk_pages_stat st;
	struct pk_pages *p;

	add_zero(w, 1, 0, UINT64_MAX);
	add_zero(w, 2, UINT64_MAX, 1);
	st = finish(w);
	cr_expect_eq(st.raw_bytes, 0);
	p = reopen(&s, &st);
	cr_assert_eq(pk_pages_groups(p), 1);
	cr_assert_eq(pk_group_load(p, 0, &g, NULL), 0);
	cr_expect(g.n_block == 0 && g.n_ext == 2);
	expect_lz4_accepts(&s);
	pk_pages_close(p);
}

/* 41 blocks that cannot be shrunk and 40 that can: several groups, in the order of writing. */
static struct pk_pages_stat write_groups(const struct scratch *s, struct pk_buf *raw)
{
	PK_FREE uint8_t *p = malloc(PK_BLOCK_RAW);
	struct pk_pages_writer *w = create(s);

	for (uint32_t i = 0; i < 81; i++) {
		size_t n = PK_BLOCK_RAW - i % 7 * 4096;

		(i % 2 ? fill_text : fill_random)(p, n, i);
		add_block(w, p, n, i + 1, raw->len);
		pk_buf_put(raw, p, n);
	}
	return finish(w);
}

Test(image_pages, several_groups)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_CLEAN_BUF struct pk_buf raw = {0};
	PK_FREE uint8_t *out = malloc(PK_BLOCK_RAW);
	struct pk_pages_stat st = write_groups(&s, &raw);
	struct pk_pages *p = reopen(&s, &st);
	uint32_t obj = 1;

	cr_expect_eq(st.raw_bytes, raw.len);
	cr_expect_gt(pk_pages_groups(p), 4);
	for (size_t i = 0; i < pk_pages_groups(p); i++) {
		cr_assert_eq(pk_group_load(p, i, &g, NULL), 0);
		for (size_t b = 0; b < g.n_block; b++) {
			size_t n;

			cr_assert_eq(pk_group_block(&g, b, out, &n, NULL), 0);
			cr_expect_eq(g.ext[b].obj, obj++);
			cr_expect_eq(memcmp(out, raw.p + g.ext[b].addr, n), 0);
		}
	}
	cr_expect_eq(obj, 82);
	pk_pages_close(p);
}

Test(image_pages, lz4_decompresses_to_the_same_bytes)
{
	SCRATCH s = scratch_make();
	PK_CLEAN_BUF struct pk_buf raw = {0};
	PK_FREE char *out = NULL;
	size_t n = 0;

	write_groups(&s, &raw);
	expect_lz4_accepts(&s);
	cr_assert_eq(scratch_run("lz4 -dcq %s/" NAME " >%s/out", s.path, s.path), 0);
	out = pk_read_file(s.fd, "out", raw.len, &n);
	cr_assert(out && n == raw.len);
	cr_expect_eq(memcmp(out, raw.p, n), 0);
}

Test(image_pages, groups_are_bounded)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_FREE struct pk_extent *ext = calloc(PK_GROUP_EXTENTS, sizeof(*ext));
	struct pk_pages_writer *w = create(&s);
	struct pk_pages_stat st;
	struct pk_pages *p;
	size_t blocks = 0, extents = 0;

	for (uint32_t i = 0; i < 2 * PK_GROUP_BLOCKS + 1; i++)
		add_block(w, "x", 1, 1, i);
	for (size_t i = 0; i < PK_GROUP_EXTENTS; i++)
		ext[i] = (struct pk_extent){.obj = 2, .addr = i, .len = 1};
	cr_assert_eq(pk_pages_add(w, "y", 1, ext, PK_GROUP_EXTENTS, NULL), 0);
	add_zero(w, 3, 0, 1);
	st = finish(w);
	p = reopen(&s, &st);
	cr_expect_eq(pk_pages_groups(p), 5);
	for (size_t i = 0; i < pk_pages_groups(p); i++) {
		cr_assert_eq(pk_group_load(p, i, &g, NULL), 0);
		blocks += g.n_block;
		extents += g.n_ext;
	}
	cr_expect_eq(blocks, 2 * PK_GROUP_BLOCKS + 2);
	cr_expect_eq(extents, 2 * PK_GROUP_BLOCKS + 2 + PK_GROUP_EXTENTS);
	expect_lz4_accepts(&s);
	pk_pages_close(p);
}

Test(image_pages, wrong_extents_are_a_bug)
{
	static const struct pk_extent wrong[] = {
		{.obj = 0, .len = 1},
		{.obj = 1, .len = 0},
		{.obj = 1, .len = 11},
		{.obj = 1, .len = 10, .off = 1},
		{.obj = 1, .len = 2, .addr = UINT64_MAX},
		{.obj = 1, .len = 1, .flags = 2},
		{.obj = 1, .len = 1, .flags = PK_EXT_ZERO, .off = 1},
	};
	SCRATCH s = scratch_make();
	struct pk_pages_writer *w = create(&s);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct pk_extent e = wrong[i];

		cr_expect_eq(pk_pages_add(w, "0123456789", 10, &e, 1, NULL), -PK_E_INTERNAL,
			"case %zu", i);
	}
	cr_expect_eq(pk_pages_add(w, NULL, PK_BLOCK_RAW + 1, NULL, 0, NULL), -PK_E_INTERNAL);
	pk_pages_abort(w);
	pk_pages_abort(NULL);
}

Test(image_pages, never_writes_over_a_file)
{
	SCRATCH s = scratch_make();
	struct pk_pages_writer *w;
	struct pk_error err = {0};

	finish(create(&s));
	cr_expect_eq(pk_pages_create(s.fd, NAME, &w, &err), -PK_E_CANTCREAT);
	cr_expect_not_null(strstr(err.what, NAME));
	cr_expect(err.why[0] && err.try[0]);
}

/* What a full disk gives, in a way that needs no file system of its own. */
Test(image_pages, no_space)
{
	SCRATCH s = scratch_make();
	PK_FREE uint8_t *p = malloc(PK_BLOCK_RAW);
	struct pk_pages_writer *w = create(&s);
	struct rlimit limit = {.rlim_cur = 3 << 20, .rlim_max = RLIM_INFINITY};
	struct pk_error err = {0};
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 3 << 20;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	fill_random(p, PK_BLOCK_RAW, 1);
	for (uint64_t at = 0; !rc && at < 64; at++) {
		struct pk_extent e = {.obj = 1, .addr = at * PK_BLOCK_RAW, .len = PK_BLOCK_RAW};

		rc = pk_pages_add(w, p, PK_BLOCK_RAW, &e, 1, &err);
	}
	cr_expect_eq(rc, -PK_E_CANTCREAT);
	cr_expect_not_null(strstr(err.try, "ulimit -f"), "%s", err.try);
	pk_pages_abort(w);
}

struct small {
	uint8_t p[4096];
	size_t n;
	uint64_t sum;
};

/* A small file: a raw and a compressed block and a zero extent. */
static struct small small_file(const struct scratch *s)
{
	struct pk_pages_writer *w = create(s);
	struct small f = {.n = 0};
	struct pk_pages_stat st;
	uint8_t text[512];
	int fd;

	fill_text(text, sizeof(text), 0);
	add_block(w, text, sizeof(text), 1, 0x1000);
	add_block(w, "incompressible", 14, 2, 0x2000);
	add_zero(w, 3, 0x3000, 0x1000);
	st = finish(w);
	f.n = st.file_bytes;
	f.sum = st.footer_xxh3;
	cr_assert_leq(f.n, sizeof(f.p));
	fd = openat(s->fd, NAME, O_RDONLY);
	cr_assert_eq(pk_pread_all(fd, f.p, f.n, 0), 0);
	close(fd);
	return f;
}

/* Reads these bytes as a page file. */
static int read_bytes(const void *p, size_t n, uint64_t sum)
{
	PK_CLOSE int fd = memfd_create("pages", MFD_CLOEXEC);
	char name[64];

	cr_assert_eq(pk_write_all(fd, p, n), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return read_all(AT_FDCWD, name, n, sum);
}

Test(image_pages, every_flipped_byte_is_noticed)
{
	SCRATCH s = scratch_make();
	struct small f = small_file(&s);

	cr_assert_eq(read_bytes(f.p, f.n, f.sum), 0);
	for (size_t i = 0; i < f.n; i++) {
		f.p[i] ^= 0x41;
		cr_expect_eq(read_bytes(f.p, f.n, f.sum), -PK_E_IMAGE, "byte %zu", i);
		f.p[i] ^= 0x41;
	}
}

Test(image_pages, every_truncation_is_noticed)
{
	SCRATCH s = scratch_make();
	struct small f = small_file(&s);

	for (size_t n = 0; n < f.n; n++)
		cr_expect_eq(read_bytes(f.p, n, f.sum), -PK_E_IMAGE, "cut to %zu", n);
}

Test(image_pages, forged_bytes_do_no_harm)
{
	SCRATCH s = scratch_make();
	struct small f = small_file(&s);

	for (size_t i = 0; i < f.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct small copy = f;

			copy.p[i] ^= (uint8_t)(1 << bit);
			copy.sum = sums_fix_pages(copy.p, copy.n);
			(void)read_bytes(copy.p, copy.n, copy.sum);
		}
}

/* Offsets from the end of the file, or into the index of the one group, with good sums. */
static int read_forged(const struct small *f, size_t at, uint64_t v, size_t n)
{
	struct small copy = *f;

	for (size_t i = 0; i < n; i++)
		copy.p[at + i] = (uint8_t)(v >> (8 * i));
	copy.sum = sums_fix_pages(copy.p, copy.n);
	return read_bytes(copy.p, copy.n, copy.sum);
}

Test(image_pages, what_a_forged_index_may_not_say)
{
	SCRATCH s = scratch_make();
	struct small f = small_file(&s);
	size_t footer = f.n - PK_TRAILER - PK_FOOTER_GROUP;
	size_t index = sums_get(f.p + footer + 8, 4) + PK_SKIP_HEAD;
	size_t block = index + PK_INDEX_HEAD, ext = block + 2 * PK_INDEX_BLOCK;

	cr_assert_eq(read_forged(&f, ext + 8, 0x5000, 8), 0, "another address is fine");
	cr_expect_eq(read_forged(&f, ext, 0, 4), -PK_E_IMAGE, "no object");
	cr_expect_eq(read_forged(&f, ext + 4, 2, 4), -PK_E_IMAGE, "unknown flag");
	cr_expect_eq(read_forged(&f, ext + 4, 1, 4), 0, "zeros instead");
	cr_expect_eq(read_forged(&f, ext + 8, UINT64_MAX - 510, 8), -PK_E_IMAGE, "wraps");
	cr_expect_eq(read_forged(&f, ext + 8, UINT64_MAX - 511, 8), 0, "just does not");
	cr_expect_eq(read_forged(&f, ext + 16, 0, 8), -PK_E_IMAGE, "empty");
	cr_expect_eq(read_forged(&f, ext + 16, 513, 8), -PK_E_IMAGE, "too long");
	cr_expect_eq(read_forged(&f, ext + 24, 2, 4), -PK_E_IMAGE, "no such block");
	cr_expect_eq(read_forged(&f, ext + 28, 1, 4), -PK_E_IMAGE, "beyond the block");
	cr_expect_eq(read_forged(&f, block + 4, 513, 4), -PK_E_IMAGE, "another raw size");
	cr_expect_eq(read_forged(&f, block + 4, PK_BLOCK_RAW + 1, 4), -PK_E_IMAGE, "too large");
	cr_expect_eq(read_forged(&f, index + 8, 1, 4), -PK_E_IMAGE, "another group's index");
	cr_expect_eq(read_forged(&f, index + 20, 1, 4), -PK_E_IMAGE, "reserved");
	cr_expect_eq(read_forged(&f, footer, 1, 8), -PK_E_IMAGE, "a gap");
	cr_expect_eq(read_forged(&f, footer + 16, 1, 8), -PK_E_IMAGE, "another raw total");
	cr_expect_eq(read_forged(&f, f.n - 20, 2, 2), -PK_E_IMAGE, "major version");
	cr_expect_eq(read_forged(&f, f.n - 18, 2, 2), 0, "minor version");
	cr_expect_eq(read_forged(&f, f.n - 24, UINT32_MAX, 4), -PK_E_IMAGE, "4 billion groups");
}

Test(image_pages, another_file_of_the_same_size)
{
	SCRATCH s = scratch_make();
	struct small f = small_file(&s);

	cr_expect_eq(read_bytes(f.p, f.n, f.sum + 1), -PK_E_IMAGE);
	cr_expect_eq(read_all(s.fd, NAME, f.n + 1, f.sum), -PK_E_IMAGE);
	cr_expect_eq(read_all(s.fd, "no-such-file", f.n, f.sum), -PK_E_IMAGE);
	cr_assert_eq(mkfifoat(s.fd, "fifo", 0600), 0);
	cr_expect_lt(read_all(s.fd, "fifo", f.n, f.sum), 0, "and it does not wait");
}

static void *read_in_thread(void *arg)
{
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_FREE uint8_t *out = malloc(PK_BLOCK_RAW);
	const struct pk_pages *p = arg;
	size_t bad = 0, n;

	for (size_t i = 0; i < pk_pages_groups(p); i++) {
		bad += pk_group_load(p, i, &g, NULL) != 0;
		for (size_t b = 0; b < g.n_block; b++)
			bad += pk_group_block(&g, b, out, &n, NULL) != 0;
	}
	return bad ? arg : NULL;
}

Test(image_pages, threads_share_an_open_file)
{
	SCRATCH s = scratch_make();
	PK_CLEAN_BUF struct pk_buf raw = {0};
	struct pk_pages_stat st = write_groups(&s, &raw);
	struct pk_pages *p = reopen(&s, &st);
	pthread_t t[4];
	void *bad;

	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, read_in_thread, p), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		cr_expect_null(bad);
	}
	pk_pages_close(p);
}
