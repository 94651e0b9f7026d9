/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values.
 *
 * A function that can fail returns 0 or a negative class (-PK_E_...), and fills a struct pk_error
 * that its caller owns. The struct has a fixed size: nothing is allocated on a failure path,
 *because a job may be frozen at that moment. What the user reads is three lines: what failed (with
 *pid, fd, path), why, and what to try; each is set by one call:
 *
 *	pk_fail(err, PK_E_NOPERM, "pid %d (%s): cannot be traced", pid, comm);
 *	pk_why(err, "pid %d traces it already", tracer);
 *	return pk_try(err, "end that debugger, then dump again");
 *
 * Every call returns the negative class, so the last one is the return statement. `err` may be NULL
 * where a caller only wants to know whether something works.
 */
#ifndef PK_BASE_ERROR_H
#define PK_BASE_ERROR_H

#include "pckpt/error.h"

/* Start a failure of this class. Clears why and try. Returns -class. */
int pk_fail(struct pk_error *err, enum pk_class class, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Start a failure from errno, which is read on entry: chooses the class, the reason and, where one
 * exists, the remedy. ENOENT -> MISSING, EACCES and EPERM -> NOPERM, ENOSPC, EDQUOT and EROFS ->
 * CANTCREAT, EIO -> IO, EMFILE, ENFILE, ENOMEM, EAGAIN -> TEMPFAIL, everything else -> ERROR.
 */
int pk_fail_errno(struct pk_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set the reason or the remedy of a started failure. Return -class. */
int pk_why(struct pk_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int pk_try(struct pk_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put context ("pid 12 fd 9: ") before what failed. Returns -class. */
int pk_wrap(struct pk_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
