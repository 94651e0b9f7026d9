/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "pckpt/pckpt.h"

static enum pk_log_level shown = PK_LOG_WARN;

void pk_log(enum pk_log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {"pckpt: warning: ", "pckpt: ", "pckpt: debug: "};
	char line[1024];
	int saved = errno;
	va_list ap;
	int n, m;

	if (level > shown)
		return;
	n = snprintf(line, sizeof(line), "%s", prefix[level]);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m > (int)sizeof(line) - n - 2)
		m = (int)sizeof(line) - n - 2;
	line[n + m] = '\n';
	(void)!write(STDERR_FILENO, line, (size_t)(n + m + 1));
	errno = saved;
}

void pckpt_verbose(int level)
{
	shown = level > 1 ? PK_LOG_DEBUG : level ? PK_LOG_INFO : PK_LOG_WARN;
}
