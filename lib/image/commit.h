/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a checkpoint's `commit` file: a line with the format's name, one line for each file,
 * a line with the sum of all lines before it.
 */
#ifndef PK_IMAGE_COMMIT_H
#define PK_IMAGE_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define PK_COMMIT_NAME  "commit"
#define PK_COMMIT_FILES 1024u /* at most so many files in a checkpoint */
#define PK_COMMIT_MAX   (128u << 10)

struct pk_commit_file {
	char name[32]; /* letters, digits, '.', '-', '_'; does not start with a dot */
	uint64_t size;
	uint64_t xxh3; /* of the whole file; of a page file: of its footer */
};

/* Append the text to an empty buffer. INTERNAL if a name is not as above or comes twice. */
int pk_commit_format(
	const struct pk_commit_file *file, size_t n, struct pk_buf *out, struct pk_error *err);

/*
 * Parse a text (n bytes and a NUL), which must be, byte for byte, what pk_commit_format makes of
 * the result. The caller frees *ret.
 */
int pk_commit_parse(const char *text, size_t n, struct pk_commit_file **ret, size_t *ret_n,
	struct pk_error *err);

#endif
