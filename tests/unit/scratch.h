/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own below /tmp, removed with all that is in it. */
#ifndef PK_TEST_SCRATCH_H
#define PK_TEST_SCRATCH_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

struct scratch {
	char path[64];
	int fd;
};

static inline struct scratch scratch_make(void)
{
	struct scratch s = {.path = "/tmp/pckpt-test-XXXXXX"};

	cr_assert_not_null(mkdtemp(s.path));
	s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(s.fd, 0);
	return s;
}

static inline void scratch_remove(struct scratch *s)
{
	close(s->fd);
	cr_expect_eq(pk_remove_dir(AT_FDCWD, s->path, 4), 0);
}

#define SCRATCH __attribute__((cleanup(scratch_remove))) struct scratch

/* Runs a command of the shell; the result is its exit code. */
static inline int scratch_run(const char *fmt, const char *a, const char *b)
{
	char *line = pk_asprintf(fmt, a, b);
	int status = system(line);

	free(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
