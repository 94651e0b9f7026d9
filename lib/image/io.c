/* SPDX-License-Identifier: Apache-2.0 */
#include "image/io.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *remedy(int e)
{
	switch (e) {
	case EFBIG:
		return "raise the limit on the size of files (ulimit -f)";
	case ENOENT:
		return "make the directory above it first";
	default:
		return "name a directory that you can write to";
	}
}

int pk_from_newer(struct pk_error *err)
{
	if (err)
		err->sys_errno = ENOTSUP; /* nothing is wrong with it */
	pk_why(err, "a newer version of pckpt wrote this image");
	return pk_try(err, "read it with the version that wrote it, or a newer one");
}

int pk_write_failed(struct pk_error *err, const char *fmt, ...)
{
	struct pk_error own;
	char what[sizeof(own.what)];
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!err)
		err = &own;
	errno = e;
	pk_fail_errno(err, "%s", what);
	if (err->class == PK_E_IO || err->class == PK_E_TEMPFAIL)
		return -err->class;
	err->class = PK_E_CANTCREAT;
	if (e != ENOSPC && e != EDQUOT && e != EROFS)
		pk_try(err, "%s", remedy(e));
	return -err->class;
}
