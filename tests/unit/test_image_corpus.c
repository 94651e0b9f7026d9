/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seeds of the fuzzers, tests/fuzz/corpus/: good images of format version 1, which every later
 * version has to read. With PCKPT_WRITE_SEEDS=1 these tests write them anew.
 */
#include <criterion/criterion.h>

#include "base/cleanup.h"
#include "image_store.h"
#include "image_sums.h"
#include "scratch.h"

#define CORPUS PK_TEST_FIXTURES "/../fuzz/corpus"

/* Writes the seed, if that is asked for, and reads it. */
static char *seed(const char *fuzzer, const char *name, const void *p, size_t n, size_t *ret_n)
{
	PK_FREE char *path = pk_asprintf(CORPUS "/%s/seed-%s", fuzzer, name);
	char *back;

	if (getenv("PCKPT_WRITE_SEEDS")) {
		unlink(path);
		cr_assert_eq(pk_write_file(AT_FDCWD, path, p, n), 0, "%s", path);
	}
	back = pk_read_file(AT_FDCWD, path, 1 << 20, ret_n);
	cr_assert_not_null(back, "%s", path);
	return back;
}

static void check_records(const char *name, const struct pk_model *m)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	PK_FREE char *p = NULL;
	struct pk_model back = {0};
	struct pk_error err = {0};
	size_t n;

	cr_assert_eq(pk_records_encode(m, &b, NULL), 0);
	p = seed("fuzz_image_record", name, b.p, b.len, &n);
	cr_assert_eq(pk_records_decode(p, n, sample_lookup, &back, &err), 0, "%s", err.what);
	cr_expect_null(sample_diff(m, &back));
	pk_model_free(&back);
}

Test(image_corpus, records)
{
	struct pk_model m = {0};
	struct nest *n;

	check_records("empty", &m);
	pk_model_add(&m, &thing_type, 0, NULL);
	check_records("zero", &m);
	pk_model_free(&m);
	sample_model(&m);
	check_records("sample", &m);
	pk_model_free(&m);
	n = pk_model_add(&m, &nest_type, 0, NULL);
	for (uint32_t i = 0; i < PK_DEPTH_MAX; i++) {
		n = pk_list_add(&n->inner, &nest_type);
		n->depth = i;
	}
	check_records("deep", &m);
	pk_model_free(&m);
}

/* A page file of so many blocks, all of one byte or of text that LZ4 shrinks, and zeros. */
static void check_pages(const char *name, unsigned tiny, unsigned text, unsigned zero)
{
	struct pk_extent z = {.obj = 2, .flags = PK_EXT_ZERO, .addr = 0x10000, .len = 0x20000};
	SCRATCH s = scratch_make();
	PK_FREE char *written = NULL, *p = NULL;
	struct pk_commit_file file = {.name = "pages-0.lz4"};
	struct pk_pages_writer *w;
	struct pk_pages_stat stat;
	struct pk_pages *pages;
	size_t n;

	cr_assert_eq(pk_pages_create(s.fd, file.name, &w, NULL), 0);
	for (; tiny--;)
		cr_assert_eq(pk_pages_add(w, "x", 1, NULL, 0, NULL), 0);
	for (uint64_t i = 0; i < text; i++) {
		struct pk_extent e = {.obj = 1, .addr = i * SAMPLE_PAGE, .len = SAMPLE_PAGE / 2};
		uint8_t page[SAMPLE_PAGE];

		sample_page(page, e.addr);
		cr_assert_eq(pk_pages_add(w, page, SAMPLE_PAGE, &e, 1, NULL), 0);
	}
	if (zero)
		cr_assert_eq(pk_pages_add(w, NULL, 0, &z, 1, NULL), 0);
	cr_assert_eq(pk_pages_finish(w, &stat, NULL), 0);
	written = pk_read_file(s.fd, file.name, 1 << 20, &n);
	p = seed("fuzz_image_pages", name, written, n, &n);
	cr_assert_eq(pk_write_file(s.fd, "seed", p, n), 0);
	cr_assert_eq(
		pk_pages_open(s.fd, "seed", n, sums_get((uint8_t *)p + n - 8, 8), &pages, NULL), 0);
	pk_pages_close(pages);
}

Test(image_corpus, pages)
{
	check_pages("empty", 0, 0, 0);
	check_pages("zeros", 0, 0, 1);
	check_pages("text", 3, 3, 1);
	check_pages("groups", PK_GROUP_BLOCKS, 2, 0);
}

Test(image_corpus, commit)
{
	static const struct pk_commit_file file[] = {
		{.name = "core.pk", .size = 0, .xxh3 = 0},
		{.name = "pages-0.lz4", .size = 178, .xxh3 = 0x0473d4c9b21576c3},
		{.name = "manifest.json", .size = UINT64_MAX, .xxh3 = UINT64_MAX},
	};

	for (size_t i = 0; i <= 3; i++) {
		PK_CLEAN_BUF struct pk_buf b = {0};
		PK_FREE struct pk_commit_file *back = NULL;
		PK_FREE char *text = NULL;
		char name[] = {(char)('0' + i), '\0'};
		size_t n, n_file;

		cr_assert_eq(pk_commit_format(file, i, &b, NULL), 0);
		text = seed("fuzz_image_commit", name, b.p, b.len, &n);
		cr_assert_eq(pk_commit_parse(text, n, &back, &n_file, NULL), 0);
		cr_expect_eq(n_file, i);
		cr_expect_eq(memcmp(back, file, i * sizeof(*file)), 0);
	}
}
