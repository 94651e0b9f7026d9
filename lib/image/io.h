/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PK_IMAGE_IO_H
#define PK_IMAGE_IO_H

#include "base/error.h"

/* What failed was something that this version does not know: the reason and the remedy. */
int pk_from_newer(struct pk_error *err);

/*
 * pk_fail_errno for the writing side: whatever keeps an image from being written (no space, no
 * permission, a limit on file sizes, no such directory) is CANTCREAT. EIO and what may pass by
 * itself keep their class.
 */
int pk_write_failed(struct pk_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
