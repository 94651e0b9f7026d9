/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int code_of(const struct pk_error *err)
{
	return err ? -err->class : -PK_E_ERROR;
}

int pk_fail(struct pk_error *err, enum pk_class class, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -(int)class;
	memset(err, 0, sizeof(*err));
	err->class = (int)class;
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	return -(int)class;
}

static enum pk_class class_of_errno(int e)
{
	switch (e) {
	case ENOENT:
	case ESRCH:
		return PK_E_MISSING;
	case EACCES:
	case EPERM:
		return PK_E_NOPERM;
	case ENOSPC:
	case EDQUOT:
	case EROFS:
		return PK_E_CANTCREAT;
	case EIO:
		return PK_E_IO;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EAGAIN:
	case EINTR:
		return PK_E_TEMPFAIL;
	case ENOSYS:
		return PK_E_HOST;
	default:
		return PK_E_ERROR;
	}
}

static const char *remedy_of_errno(int e)
{
	switch (e) {
	case ENOSPC:
	case EDQUOT:
		return "free some space, or name a directory on another file system";
	case EROFS:
		return "name a directory on a file system that can be written";
	case EACCES:
	case EPERM:
		return "check the owner and the mode, or run pckpt as that user";
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return "try again when the machine is less busy, or raise the limit (ulimit -a)";
	case ENOENT:
		return "check the name";
	default:
		return "";
	}
}

int pk_fail_errno(struct pk_error *err, const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	if (!err)
		return -(int)class_of_errno(e);
	memset(err, 0, sizeof(*err));
	err->class = (int)class_of_errno(e);
	err->sys_errno = e;
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	snprintf(err->why, sizeof(err->why), "%s", strerror(e));
	snprintf(err->try, sizeof(err->try), "%s", remedy_of_errno(e));
	return -err->class;
}

int pk_why(struct pk_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code_of(err);
	va_start(ap, fmt);
	vsnprintf(err->why, sizeof(err->why), fmt, ap);
	va_end(ap);
	return code_of(err);
}

int pk_try(struct pk_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code_of(err);
	va_start(ap, fmt);
	vsnprintf(err->try, sizeof(err->try), fmt, ap);
	va_end(ap);
	return code_of(err);
}

int pk_wrap(struct pk_error *err, const char *fmt, ...)
{
	char before[sizeof(err->what)];
	char context[sizeof(err->what)];
	va_list ap;

	if (!err)
		return code_of(err);
	memcpy(before, err->what, sizeof(before));
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	snprintf(err->what, sizeof(err->what), "%.200s: %.300s", context, before);
	return code_of(err);
}

const char *pk_class_name(int class)
{
	switch (class) {
	case PK_OK:
		return "ok";
#define PK_ERROR(name, code, text)                                                                 \
	case PK_E_##name:                                                                          \
		return #name;
#include "pckpt/errors.def"
#undef PK_ERROR
	default:
		return "unknown";
	}
}

static const char *meaning(int class)
{
	switch (class) {
#define PK_ERROR(name, code, text)                                                                 \
	case PK_E_##name:                                                                          \
		return text;
#include "pckpt/errors.def"
#undef PK_ERROR
	default:
		return "no reason is known";
	}
}

static const char *remedy(int class)
{
	switch (class) {
	case PK_E_USAGE:
		return "pckpt --help";
	case PK_E_IMAGE:
		return "use an earlier checkpoint of the same store, if it has one";
	case PK_E_MISSING:
		return "check the name or the number";
	case PK_E_UNSUPPORTED:
		return "dump again when the program does without it";
	case PK_E_HOST:
		return "use a host that has it";
	case PK_E_CANTCREAT:
		return "name a directory that you can write to";
	case PK_E_IO:
		return "check the disk and its file system, then try again";
	case PK_E_TEMPFAIL:
		return "try again";
	case PK_E_NOPERM:
		return "run pckpt as the owner of the program";
	default:
		return "try again, and report it if it stays so";
	}
}

const char *pk_error_why(const struct pk_error *err)
{
	return err->why[0] ? err->why : meaning(err->class);
}

const char *pk_error_try(const struct pk_error *err)
{
	return err->try[0] ? err->
	try : remedy(err->class)
		;
}

void pk_error_print(const struct pk_error *err, const char *verb)
{
	fprintf(stderr, "pckpt: %s: %s\n", verb, err->what);
	fprintf(stderr, "  why: %s\n", pk_error_why(err));
	fprintf(stderr, "  try: %s\n", pk_error_try(err));
}
