/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure looks like to a caller of the library: a class, and three lines for people. */
#ifndef PCKPT_ERROR_H
#define PCKPT_ERROR_H

enum pk_class {
	PK_OK = 0,
#define PK_ERROR(name, code, text) PK_E_##name = (code),
#include "pckpt/errors.def"
#undef PK_ERROR
};

struct pk_error {
	int class;      /* enum pk_class, which is also the exit code; 0 while nothing failed */
	int sys_errno;  /* the errno behind it, 0 if there was none */
	char what[512]; /* what failed, with pid, fd, path */
	char why[512];
	char try[512];
};

/* The name of a class ("NOPERM"), or "unknown". */
const char *pk_class_name(int class);

/* The second and the third line; where they are empty the class speaks. */
const char *pk_error_why(const struct pk_error *err);
const char *pk_error_try(const struct pk_error *err);

/*
 * Print the three lines to stderr: "pckpt: <verb>: what", "  why: ...", "  try: ...".
 */
void pk_error_print(const struct pk_error *err, const char *verb);

#endif
