/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

Test(base_error, three_lines)
{
	struct pk_error err;

	cr_expect_eq(pk_fail(&err, PK_E_NOPERM, "pid %d", 7), -77);
	cr_expect(!err.why[0] && !err.try[0]);
	cr_expect_eq(pk_why(&err, "pid %d traces it", 8), -77);
	cr_expect_eq(pk_try(&err, "end it"), -77);
	cr_expect_eq(pk_wrap(&err, "fd %d", 9), -77);
	cr_expect_str_eq(err.what, "fd 9: pid 7");
	cr_expect_str_eq(err.why, "pid 8 traces it");
	cr_expect_str_eq(err.try, "end it");
	cr_expect(err.class == PK_E_NOPERM && err.sys_errno == 0);
	pk_fail(&err, PK_E_IO, "new");
	cr_expect(!err.why[0] && !err.try[0], "a new failure starts over");
}

Test(base_error, classes_of_errno)
{
	static const struct {
		int e, class;
	} cases[] = {
		{ENOENT, PK_E_MISSING},
		{ESRCH, PK_E_MISSING},
		{EACCES, PK_E_NOPERM},
		{EPERM, PK_E_NOPERM},
		{ENOSPC, PK_E_CANTCREAT},
		{EDQUOT, PK_E_CANTCREAT},
		{EROFS, PK_E_CANTCREAT},
		{EIO, PK_E_IO},
		{EMFILE, PK_E_TEMPFAIL},
		{ENFILE, PK_E_TEMPFAIL},
		{ENOMEM, PK_E_TEMPFAIL},
		{EAGAIN, PK_E_TEMPFAIL},
		{EINVAL, PK_E_ERROR},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pk_error err;

		errno = cases[i].e;
		cr_expect_eq(pk_fail_errno(&err, "x"), -cases[i].class);
		cr_expect_eq(err.sys_errno, cases[i].e);
		cr_expect_str_eq(err.why, strerror(cases[i].e));
	}
}

Test(base_error, nobody_listens)
{
	cr_expect_eq(pk_fail(NULL, PK_E_IMAGE, "x"), -PK_E_IMAGE);
	errno = EIO;
	cr_expect_eq(pk_fail_errno(NULL, "x"), -PK_E_IO);
	cr_expect_lt(pk_why(NULL, "x"), 0);
	cr_expect_lt(pk_try(NULL, "x"), 0);
	cr_expect_lt(pk_wrap(NULL, "x"), 0);
}

Test(base_error, long_texts_are_cut)
{
	char text[2000];
	struct pk_error err;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pk_fail(&err, PK_E_ERROR, "%s", text);
	cr_expect_eq(strlen(err.what), sizeof(err.what) - 1);
	pk_wrap(&err, "context");
	cr_expect_eq(strncmp(err.what, "context: xxx", 12), 0);
	for (int i = 0; i < 100; i++)
		pk_wrap(&err, "%s", text);
	cr_expect_lt(strlen(err.what), sizeof(err.what));
}

Test(base_error, names)
{
	cr_expect_str_eq(pk_class_name(PK_OK), "ok");
	cr_expect_str_eq(pk_class_name(65), "IMAGE");
	cr_expect_str_eq(pk_class_name(125), "unknown");
}

Test(base_error, printed, .init = cr_redirect_stderr)
{
	struct pk_error err;

	pk_fail(&err, PK_E_ERROR, "what");
	pk_error_print(&err, "dump");
	pk_why(&err, "why");
	pk_try(&err, "this");
	pk_error_print(&err, "dump");
	fflush(stderr);
	cr_assert_stderr_eq_str("pckpt: dump: what\n"
				"  why: failed; the job is untouched\n"
				"  try: try again, and report it if it stays so\n"
				"pckpt: dump: what\n  why: why\n  try: this\n");
}
