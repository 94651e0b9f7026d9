/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/FORMAT.md against the code: the reader that was written from it alone
 * (tests/tools/pkread.py) sees the same in an image, and the bytes of its examples are those that
 * the code writes.
 */
#include "base/cleanup.h"
#include "image_store.h"
#include "scratch.h"

#define PKREAD PK_TEST_FIXTURES "/../tools/pkread.py"
#define FORMAT PK_TEST_FIXTURES "/../../docs/FORMAT.md"

/*
 * Runs a command of the pkread.py at `tool` in a scratch directory; what it prints, or NULL if it
 * fails.
 */
static char *pkread(const struct scratch *s, const char *tool, const char *command, size_t *ret_n)
{
	PK_FREE char *line = pk_asprintf("cd %s && %s %s >out 2>err", s->path, tool, command);

	return system(line) ? NULL : pk_read_file(s->fd, "out", 1 << 24, ret_n);
}

static void make_image(const struct scratch *s, unsigned blocks)
{
	PK_FREE char *path = pk_asprintf("%s/a", s->path);

	sample_checkpoint(path, blocks);
}

static const char sample_list[] = "1 type 60001 owner 0\n"
				  "  field 1 = 255\n"
				  "  field 2 = 65535\n"
				  "  field 3 = 4294967295\n"
				  "  field 4 = -1\n"
				  "  field 5 = -2147483648\n"
				  "  field 6 = -9223372036854775808\n"
				  "  field 10 = \"a name of \xc3\xa9t\xc3\xa9\"\n"
				  "  field 11 = 0001020304\n"
				  "  field 12 = 3 elements\n"
				  "    [0]\n"
				  "      field 1 = -1\n"
				  "      field 2 = \"/dev/null\"\n"
				  "    [1]\n"
				  "      field 2 = \"\"\n"
				  "      field 5 = 3 elements\n"
				  "        [0]\n"
				  "          field 1 = 7\n"
				  "        [1]\n"
				  "        [2]\n"
				  "          field 2 = 6c656166\n"
				  "    [2]\n"
				  "2 type 60002 owner 0\n"
				  "  field 1 = 1\n"
				  "  field 2 = 1 elements\n"
				  "    [0]\n"
				  "      field 1 = 2\n"
				  "3 type 60001 owner 1\n"
				  "1000 type 60001 owner 1\n"
				  "  field 5 = 5\n"
				  "  field 6 = -5\n";

Test(image_pkread, lists_the_same_records)
{
	SCRATCH s = scratch_make();
	PK_FREE char *out = NULL;

	make_image(&s, 3);
	out = pkread(&s, PKREAD, "list a", NULL);
	cr_assert_not_null(out);
	cr_expect_str_eq(out, sample_list);
}

/* The tables that end docs/FORMAT.md, in the form that it describes. */
static const char tables[] = "<!-- types: begin -->\n"
			     "### 60001 thing\n\n"
			     "| tag | name | kind | meaning |\n|---|---|---|---|\n"
			     "| 4 | u64 | u64 | 64 bits |\n"
			     "| 12 | slots | list of slot | slots |\n\n"
			     "### slot\n\n"
			     "| tag | name | kind | meaning |\n|---|---|---|---|\n"
			     "| 1 | fd | i32 | descriptor |\n"
			     "<!-- types: end -->\n";

Test(image_pkread, names_come_from_the_tables)
{
	SCRATCH s = scratch_make();
	PK_FREE char *out = NULL;

	make_image(&s, 1);
	cr_assert_eq(scratch_run("mkdir -p %s/docs %s/tests/tools", s.path, s.path), 0);
	cr_assert_eq(scratch_run("cp " PKREAD " %s/tests/tools%s", s.path, ""), 0);
	cr_assert_eq(pk_write_file(s.fd, "docs/FORMAT.md", tables, sizeof(tables) - 1), 0);
	out = pkread(&s, "tests/tools/pkread.py", "list a", NULL);
	cr_assert_not_null(out);
	cr_expect_not_null(strstr(out, "1 thing owner 0\n"), "%s", out);
	cr_expect_not_null(strstr(out, "\n  u64 = 18446744073709551615\n"), "%s", out);
	cr_expect_not_null(
		strstr(out, "\n  slots = 3 elements\n    [0]\n      fd = -1\n"), "%s", out);
}

Test(image_pkread, extracts_the_same_content)
{
	SCRATCH s = scratch_make();
	PK_FREE char *command = NULL;
	PK_FREE uint8_t *out = NULL;
	size_t n = 0, blocks = 600, from = 100;
	uint64_t at = 1ull << 32;

	make_image(&s, (unsigned)blocks);
	/* From within the first block to behind the last one. */
	command = pk_asprintf(
		"extract a 1 %#jx %zu", (uintmax_t)(at + from), blocks * 2 * SAMPLE_PAGE);
	out = (uint8_t *)pkread(&s, PKREAD, command, &n);
	cr_assert(out && n == blocks * 2 * SAMPLE_PAGE);
	for (size_t i = 0; i < 2 * blocks; i++) {
		size_t skip = i ? 0 : from;
		uint8_t want[SAMPLE_PAGE];

		sample_page(want, at + i * SAMPLE_PAGE);
		cr_expect_eq(memcmp(out + i * SAMPLE_PAGE + skip - from, want + skip,
				     SAMPLE_PAGE - skip),
			0, "page %zu", i);
	}
	for (size_t i = n - from; i < n; i++)
		cr_expect_eq(out[i], 0, "nothing is there");
}

Test(image_pkread, extents)
{
	SCRATCH s = scratch_make();
	PK_FREE char *out = NULL;

	make_image(&s, 2);
	out = pkread(&s, PKREAD, "extents a/000001", NULL);
	cr_assert_not_null(out);
	cr_expect_str_eq(out, "1 0x100000000 0x2000 pages-0.lz4: group 0: 0 0\n"
			      "1 0x100002000 0x2000 pages-0.lz4: group 0: 1 0\n"
			      "3 0x100000 0x10000 zero\n"
			      "1 0x200000000 0x2000 pages-1.lz4: group 0: 0 0\n"
			      "3 0x100000 0x10000 zero\n");
}

static void flip(const struct scratch *s, const char *name, off_t at)
{
	PK_CLOSE int fd = openat(s->fd, name, O_RDWR);
	uint8_t b;

	cr_assert_eq(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	cr_assert_eq(pwrite(fd, &b, 1, at), 1);
}

Test(image_pkread, verifies)
{
	static const char *const names[] = {
		"a/000001/commit", "a/000001/core.pk", "a/000001/pages-0.lz4"};
	SCRATCH s = scratch_make();
	PK_FREE char *good = NULL;

	make_image(&s, 2);
	good = pkread(&s, PKREAD, "verify a", NULL);
	cr_assert_not_null(good);
	cr_expect_str_eq(good, "ok\n");
	for (size_t i = 0; i < 3; i++)
		for (off_t at = 0; at < 150; at += 13) {
			PK_FREE char *bad = NULL;

			flip(&s, names[i], at % 90);
			bad = pkread(&s, PKREAD, "verify a", NULL);
			cr_expect_null(bad, "%s byte %jd", names[i], (intmax_t)at % 90);
			flip(&s, names[i], at % 90);
		}
}

/* The examples of docs/FORMAT.md */

struct example {
	uint32_t number;
	char *text;
};

static const struct pk_field example_fields[] = {
	PK_FIELD(struct example, 1, PK_F_U32, number, ""),
	PK_FIELD(struct example, 2, PK_F_STR, text, ""),
	PK_FIELD_END,
};

static const struct pk_type example_type = {
	.name = "example",
	.id = 9,
	.size = sizeof(struct example),
	.fields = example_fields,
};

/* These bytes are in the text, as lines of 16 in hexadecimal. */
static void expect_bytes(const char *text, const uint8_t *p, size_t n)
{
	PK_CLEAN_BUF struct pk_buf b = {0};

	for (size_t i = 0; i < n; i++) {
		char hex[8];

		snprintf(hex, sizeof(hex), "%s%02x", i % 16 ? " " : "    ", p[i]);
		pk_buf_put(&b, hex, strlen(hex));
		if (i % 16 == 15 || i == n - 1)
			pk_buf_u8(&b, '\n');
	}
	pk_buf_u8(&b, 0);
	cr_expect_not_null(strstr(text, (char *)b.p), "not in docs/FORMAT.md:\n%s", (char *)b.p);
}

static struct pk_commit_file example_records(const char *text)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct pk_commit_file file = {.name = PK_CORE_NAME};
	struct pk_model m = {0};
	struct example *e = pk_model_add(&m, &example_type, 0, NULL);

	e->number = 4711;
	e->text = strdup("sim");
	cr_assert_eq(pk_records_encode(&m, &b, NULL), 0);
	expect_bytes(text, b.p, b.len);
	file.size = b.len;
	file.xxh3 = pk_xxh3(b.p, b.len);
	pk_model_free(&m);
	return file;
}

static struct pk_commit_file example_pages(const struct scratch *s, const char *text)
{
	struct pk_extent e = {.obj = 1, .addr = 0x1000, .len = 3};
	struct pk_commit_file file = {.name = "pages-0.lz4"};
	PK_FREE char *bytes = NULL;
	struct pk_pages_writer *w;
	struct pk_pages_stat stat;
	size_t n;

	cr_assert_eq(pk_pages_create(s->fd, file.name, &w, NULL), 0);
	cr_assert_eq(pk_pages_add(w, "abc", 3, &e, 1, NULL), 0);
	cr_assert_eq(pk_pages_finish(w, &stat, NULL), 0);
	bytes = pk_read_file(s->fd, file.name, 4096, &n);
	expect_bytes(text, (uint8_t *)bytes, n);
	file.size = stat.file_bytes;
	file.xxh3 = stat.footer_xxh3;
	return file;
}

Test(image_pkread, examples_in_the_specification)
{
	SCRATCH s = scratch_make();
	PK_FREE char *text = pk_read_file(AT_FDCWD, FORMAT, 1 << 20, NULL);
	PK_CLEAN_BUF struct pk_buf commit = {0};
	struct pk_commit_file file[2];
	char *save, *line;

	cr_assert_not_null(text);
	file[0] = example_records(text);
	file[1] = example_pages(&s, text);
	cr_assert_eq(pk_commit_format(file, 2, &commit, NULL), 0);
	pk_buf_u8(&commit, 0);
	line = strtok_r((char *)commit.p, "\n", &save);
	for (; line; line = strtok_r(NULL, "\n", &save))
		cr_expect_not_null(strstr(text, line), "not in docs/FORMAT.md: %s", line);
}
