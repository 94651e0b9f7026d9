/* SPDX-License-Identifier: Apache-2.0 */
/* A small checkpoint in a store, written as a dump does it. */
#ifndef PK_TEST_IMAGE_STORE_H
#define PK_TEST_IMAGE_STORE_H

#include <criterion/criterion.h>

#include "base/fs.h"
#include "image/store.h"
#include "image_sample.h"

#define SAMPLE_PAGE 4096u

/* The content of the page of the sample at this address. */
static inline void sample_page(uint8_t page[SAMPLE_PAGE], uint64_t addr)
{
	for (uint32_t i = 0; i < SAMPLE_PAGE; i++)
		page[i] =
			(uint8_t)(addr / SAMPLE_PAGE * 31 + (addr & SAMPLE_PAGE ? i * i : i / 64));
}

/* `blocks` blocks of two pages that belong to object 1, and 16 zero pages of object 3. */
static inline struct pk_commit_file sample_pages(int dirfd, unsigned file, unsigned blocks)
{
	struct pk_extent zero = {.obj = 3, .flags = PK_EXT_ZERO, .addr = 1 << 20, .len = 1 << 16};
	struct pk_commit_file f = {.size = 0};
	struct pk_pages_writer *w;
	struct pk_pages_stat st;
	uint8_t raw[2][SAMPLE_PAGE];

	snprintf(f.name, sizeof(f.name), PK_PAGES_FMT, file);
	cr_assert_eq(pk_pages_create(dirfd, f.name, &w, NULL), 0);
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t at = (uint64_t)(file + 1) << 32 | i * 2 * SAMPLE_PAGE;
		struct pk_extent e = {.obj = 1, .addr = at, .len = sizeof(raw)};

		sample_page(raw[0], at);
		sample_page(raw[1], at + SAMPLE_PAGE);
		cr_assert_eq(pk_pages_add(w, raw, sizeof(raw), &e, 1, NULL), 0);
	}
	cr_assert_eq(pk_pages_add(w, NULL, 0, &zero, 1, NULL), 0);
	cr_assert_eq(pk_pages_finish(w, &st, NULL), 0);
	f.size = st.file_bytes;
	f.xxh3 = st.footer_xxh3;
	return f;
}

static inline struct pk_commit_file sample_records(int dirfd)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct pk_commit_file f = {.name = PK_CORE_NAME};
	struct pk_model m = {0};

	sample_model(&m);
	cr_assert_eq(pk_records_encode(&m, &b, NULL), 0);
	cr_assert_eq(pk_write_file(dirfd, f.name, b.p, b.len), 0);
	f.size = b.len;
	f.xxh3 = pk_xxh3(b.p, b.len);
	pk_model_free(&m);
	return f;
}

/* Everything between begin and commit: core.pk and two page files. */
static inline void sample_write(int dirfd, unsigned blocks, struct pk_commit_file file[3])
{
	file[0] = sample_records(dirfd);
	file[1] = sample_pages(dirfd, 0, blocks);
	file[2] = sample_pages(dirfd, 1, 1);
}

/* One more complete checkpoint. Returns its number. */
static inline uint32_t sample_checkpoint(const char *path, unsigned blocks)
{
	struct pk_commit_file file[3];
	struct pk_error err = {0};
	struct pk_store s;
	uint32_t number;

	cr_assert_eq(pk_store_open(path, &s, &err), 0, "%s: %s", err.what, err.why);
	cr_assert_eq(pk_store_begin(&s, &err), 0, "%s: %s", err.what, err.why);
	number = s.number;
	sample_write(s.partfd, blocks, file);
	cr_assert_eq(pk_store_commit(&s, file, 3, &err), 0, "%s: %s", err.what, err.why);
	pk_store_close(&s);
	return number;
}

/* Opens what the path names and reads everything. */
static inline int sample_verify(const char *path, struct pk_error *err)
{
	struct pk_image img;
	int rc = pk_image_open(path, sample_lookup, &img, err);

	if (!rc)
		rc = pk_image_verify(&img, err);
	pk_image_close(&img);
	return rc;
}

#endif
