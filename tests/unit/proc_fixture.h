/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded texts of /proc: tests/fixtures/proc/README.md. */
#ifndef PK_TEST_PROC_FIXTURE_H
#define PK_TEST_PROC_FIXTURE_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fs.h"

/* A text in memory that ends where the text ends, so that the sanitizer sees a step too far. */
struct text {
	char *p;
	size_t n;
};

static inline void text_free(struct text *t)
{
	free(t->p);
}
#define TEXT PK_CLEANUP(text_free) struct text

static inline struct text text_of(const void *p, size_t n)
{
	struct text t = {malloc(n ? n : 1), n};

	cr_assert_not_null(t.p);
	memcpy(t.p, p, n);
	return t;
}

static inline struct text fixture(const char *dir, const char *name)
{
	PK_FREE char *path = pk_asprintf(PK_TEST_FIXTURES "/proc/%s/%s", dir, name);
	size_t n;
	PK_FREE char *p = pk_read_file(AT_FDCWD, path, 1 << 20, &n);

	cr_assert_not_null(p, "%s: %m", path);
	return text_of(p, n);
}

static inline int open_self(void)
{
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

/* A refusal that says which line it is about. */
static inline void expect_refusal(int r, const struct pk_error *err, const char *what)
{
	cr_expect_eq(r, -PK_E_HOST, "%s: %d", what, r);
	cr_expect_eq(err->class, PK_E_HOST, "%s", what);
	cr_expect_not_null(strstr(err->what, "line "), "%s: %s", what, err->what);
	cr_expect(err->why[0] && err->try[0], "%s", what);
}

#endif
