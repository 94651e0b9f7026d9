/* SPDX-License-Identifier: Apache-2.0 */
/* Commit files: as they come, and with a good sum. What is accepted has one way to be written. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/commit.h"
#include "image/sum.h"

#define LAST_LINE 26 /* "sum xxh3 ", 16 digits, a line feed */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_and_write(const char *text, size_t n)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	PK_FREE struct pk_commit_file *file = NULL;
	struct pk_error err;
	size_t n_file;

	if (pk_commit_parse(text, n, &file, &n_file, &err))
		return;
	if (pk_commit_format(file, n_file, &b, &err) || b.len != n || memcmp(b.p, text, n) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	PK_FREE char *text = malloc(n + 1);

	memcpy(text, p, n);
	text[n] = '\0';
	read_and_write(text, n);
	if (n >= LAST_LINE) {
		snprintf(text + n - LAST_LINE, LAST_LINE + 1, "sum xxh3 %016" PRIx64 "\n",
			pk_xxh3(text, n - LAST_LINE));
		read_and_write(text, n);
	}
	return 0;
}
