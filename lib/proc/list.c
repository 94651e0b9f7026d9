/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "proc/status.h"
#include "proc/text.h"

struct numbers {
	uint32_t *v;
	size_t n;
};

static int add_number(struct numbers *l, uint32_t number)
{
	uint32_t *v = pk_array_more(l->v, l->n, sizeof(*v));

	if (!v)
		return -1;
	l->v = v;
	v[l->n++] = number;
	return 0;
}

static bool read_name(const char *name, uint32_t *ret)
{
	struct pk_span s = {name, name + strlen(name)};

	return pk_span_u32(&s, 10, ret) && s.p == s.end;
}

static int collect(DIR *d, struct numbers *l)
{
	struct dirent *e;
	uint32_t number;

	while (errno = 0, (e = readdir(d))) {
		if (read_name(e->d_name, &number) && add_number(l, number) < 0)
			return -1;
	}
	return errno ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int pk_list_numbers(int dirfd, const char *name, uint32_t **ret, size_t *ret_n)
{
	PK_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	PK_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct numbers l = {0};

	*ret = NULL;
	*ret_n = 0;
	if (!d)
		return -1;
	pk_steal_fd(&fd);
	if (collect(d, &l) < 0) {
		free(l.v);
		return -1;
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(l.v[0]), compare);
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}
