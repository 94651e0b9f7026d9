/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "pckpt/pckpt.h"

Test(base_log, levels, .init = cr_redirect_stderr)
{
	errno = E2BIG;
	pk_log(PK_LOG_WARN, "%d", 1);
	pk_log(PK_LOG_INFO, "hidden");
	pckpt_verbose(2);
	pk_log(PK_LOG_INFO, "2");
	pk_log(PK_LOG_DEBUG, "3");
	cr_expect_eq(errno, E2BIG);
	cr_assert_stderr_eq_str("pckpt: warning: 1\npckpt: 2\npckpt: debug: 3\n");
}

Test(base_log, long_lines_are_cut, .init = cr_redirect_stderr)
{
	char text[3000], line[3000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	pk_log(PK_LOG_WARN, "%s", text);
	fclose(stderr);
	cr_assert_not_null(fgets(line, sizeof(line), cr_get_redirected_stderr()));
	cr_expect_eq(strlen(line), 1023);
	cr_expect_eq(line[1022], '\n');
}
