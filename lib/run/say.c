/* SPDX-License-Identifier: Apache-2.0 */
/* Lines about what happens, and the report of how it ended. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "run/run_internal.h"

static void out(struct pk_run *run, const char *text)
{
	size_t n = strlen(text);

	/* Nobody can be told of a failure here. */
	if (run->events >= 0)
		(void)!pk_write_all(run->events, text, n);
	if (run->holding)
		pk_buf_put(&run->held, text, n);
	else
		(void)!pk_write_all(STDERR_FILENO, text, n);
}

void pk_say_held(struct pk_run *run)
{
	run->holding = false;
	if (run->held.len)
		(void)!pk_write_all(STDERR_FILENO, run->held.p, run->held.len);
	run->held.len = 0;
}

void pk_say(struct pk_run *run, const char *fmt, ...)
{
	PK_FREE char *text = NULL;
	PK_FREE char *line = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return;
	}
	line = pk_asprintf("pckpt: %s\n", text);
	if (line)
		out(run, line);
}

void pk_say_failure(
	struct pk_run *run, const char *happened, const struct pk_error *err, const char *now)
{
	PK_FREE char *text = pk_asprintf("pckpt: %s: %s%s%s\n  why: %s\n  try: %s\n", happened,
		err->what, now[0] ? "; " : "", now, pk_error_why(err), pk_error_try(err));

	if (text)
		out(run, text);
}

/* It may be a pipe whose reader has gone or is slow: the program is worth more than these lines. */
void pk_open_events(struct pk_run *run)
{
	if (!run->o->events)
		return;
	run->events = open(run->o->events,
		O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (run->events < 0)
		pk_say(run, "warning: file of events %s: %s", run->o->events, strerror(errno));
}

void pk_size_text(uint64_t bytes, char *text, size_t n)
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes / 1024;
	size_t i = 0;

	while (size >= 1000 && i < 3) {
		size /= 1024;
		i++;
	}
	snprintf(text, n, size < 10 ? "%.1f %s" : "%.0f %s", size, unit[i]);
}

static bool plain(const char *word)
{
	for (const char *c = word; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_-+=./:,@%^", *c))
			return false;
	return word[0];
}

static void put(char **at, char *end, const char *text)
{
	while (*text && *at < end)
		*(*at)++ = *text++;
}

static void put_quoted(char **at, char *end, const char *word)
{
	char text[8];

	put(at, end, "$'");
	for (const char *c = word; *c; c++) {
		bool odd = (unsigned char)*c < 0x20 || *c == 0x7f;

		if (*c == '\n')
			snprintf(text, sizeof(text), "\\n");
		else if (odd)
			snprintf(text, sizeof(text), "\\x%02x", (unsigned char)*c);
		else
			snprintf(text, sizeof(text), "%s%c", *c == '\'' || *c == '\\' ? "\\" : "",
				*c);
		put(at, end, text);
	}
	put(at, end, "'");
}

void pk_command_text(char *const *argv, char *text, size_t n)
{
	static const char more[] = "...";
	char *at = text, *end = text + n - sizeof(more);

	for (size_t i = 0; argv[i]; i++) {
		if (i)
			put(&at, end, " ");
		if (plain(argv[i]))
			put(&at, end, argv[i]);
		else
			put_quoted(&at, end, argv[i]);
	}
	strcpy(at, at == end ? more : "");
}

int pk_put_file(const char *path, const char *text, struct pk_error *err)
{
	PK_FREE char *draft = pk_asprintf("%s.%d", path, getpid());
	PK_CLOSE int fd = -1;

	if (!draft)
		return pk_fail_errno(err, "%s", path);
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return pk_fail_errno(err, "%s: cannot create it", draft);
	if (pk_write_all(fd, text, strlen(text)) == 0 && pk_fsync(fd) == 0 &&
		rename(draft, path) == 0)
		return 0;
	pk_fail_errno(err, "%s: cannot write it", path);
	unlink(draft);
	return err ? -err->class : -PK_E_IO;
}

int pk_write_report(const struct pk_run *run, struct pk_error *err)
{
	static const char *const word[] = {
		[PCKPT_RUN_FAILED] = "failed",
		[PCKPT_RUN_EXITED] = "exited",
		[PCKPT_RUN_KILLED] = "killed",
		[PCKPT_RUN_SAVED] = "saved",
		[PCKPT_RUN_FENCED] = "fenced",
	};
	const struct pckpt_run_result *r = run->ret;
	char text[64];

	if (!run->o->report)
		return 0;
	snprintf(text, sizeof(text), "%s %u\n", word[r->end],
		r->end == PCKPT_RUN_FAILED ? (unsigned)r->code : r->value);
	return pk_put_file(run->o->report, text, err);
}
