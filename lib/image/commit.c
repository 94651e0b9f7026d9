/* SPDX-License-Identifier: Apache-2.0 */
#include "image/commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/io.h"
#include "image/sum.h"

#define FORMAT  "pckpt-commit "
#define VERSION FORMAT "1\n"
#define LINE    96
#define CHARS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool name_ok(const struct pk_commit_file *file, size_t i)
{
	const char *name = file[i].name;
	size_t n = strnlen(name, sizeof(file[i].name));

	if (n == 0 || n == sizeof(file[i].name) || name[0] == '.' || strspn(name, CHARS) != n ||
		!strcmp(name, PK_COMMIT_NAME))
		return false;
	for (size_t j = 0; j < i; j++)
		if (!strcmp(file[j].name, name))
			return false;
	return true;
}

static void put_text(struct pk_buf *out, const char *text)
{
	pk_buf_put(out, text, strlen(text));
}

int pk_commit_format(
	const struct pk_commit_file *file, size_t n, struct pk_buf *out, struct pk_error *err)
{
	char line[LINE];

	if (n > PK_COMMIT_FILES)
		return pk_fail(err, PK_E_INTERNAL, "%zu files are too many for a checkpoint", n);
	put_text(out, VERSION);
	for (size_t i = 0; i < n; i++) {
		if (!name_ok(file, i))
			return pk_fail(err, PK_E_INTERNAL,
				"a checkpoint cannot have a file '%.32s'", file[i].name);
		snprintf(line, sizeof(line), "%s %" PRIu64 " %016" PRIx64 "\n", file[i].name,
			file[i].size, file[i].xxh3);
		put_text(out, line);
	}
	if (!out->failed) {
		snprintf(
			line, sizeof(line), "sum xxh3 %016" PRIx64 "\n", pk_xxh3(out->p, out->len));
		put_text(out, line);
	}
	return out->failed ? pk_fail(err, PK_E_TEMPFAIL, "out of memory") : 0;
}

/* Reads the file lines loosely; the comparison afterwards is what is strict. */
static size_t scan_lines(const char *text, struct pk_commit_file *file, size_t max)
{
	const char *at = strchr(text, '\n');
	size_t n = 0;

	for (; at && n < max; at = strchr(at, '\n')) {
		struct pk_commit_file *f = &file[n];
		size_t len = strcspn(++at, "\n");
		char line[LINE];

		if (len >= sizeof(line))
			break;
		memcpy(line, at, len);
		line[len] = '\0';
		if (sscanf(line, "%31s %" SCNu64 " %" SCNx64, f->name, &f->size, &f->xxh3) != 3)
			break;
		n++;
	}
	return n;
}

static int check_version(const char *text, struct pk_error *err)
{
	if (!strncmp(text, VERSION, strlen(VERSION)))
		return 0;
	if (strncmp(text, FORMAT, strlen(FORMAT)) != 0)
		return pk_fail(err, PK_E_IMAGE, "the commit file is damaged");
	pk_fail(err, PK_E_IMAGE, "the commit file is of an unknown format");
	return pk_from_newer(err);
}

int pk_commit_parse(const char *text, size_t n, struct pk_commit_file **ret, size_t *ret_n,
	struct pk_error *err)
{
	PK_CLEAN_BUF struct pk_buf again = {0};
	PK_FREE struct pk_commit_file *file = calloc(PK_COMMIT_FILES, sizeof(*file));
	int rc = check_version(text, err);

	if (rc)
		return rc;
	if (!file)
		return pk_fail_errno(err, "the commit file");
	*ret_n = scan_lines(text, file, PK_COMMIT_FILES);
	/* One comparison covers syntax, names, order, trailing bytes and the sum. */
	if (pk_commit_format(file, *ret_n, &again, NULL) || again.len != n ||
		memcmp(again.p, text, n) != 0)
		return pk_fail(err, PK_E_IMAGE, "the commit file is damaged");
	*ret = pk_steal_ptr(&file);
	return 0;
}
