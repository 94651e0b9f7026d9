/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"

int pk_contents_add(struct pk_contents *c, const struct pk_content *one, struct pk_error *err)
{
	void *v = pk_array_more(c->v, c->n, sizeof(*c->v));

	if (!v)
		return pk_fail_errno(err, "list of memory to save");
	c->v = v;
	c->v[c->n++] = *one;
	return 0;
}

void pk_contents_free(struct pk_contents *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].fd >= 0)
			close(c->v[i].fd);
	free(c->v);
	*c = (struct pk_contents){0};
}

int64_t pk_answer_ret(const struct pk_view *v, size_t i)
{
	return pk_script_ret(v->script, v->op + i);
}

const void *pk_answer_data(const struct pk_view *v)
{
	return pk_script_at(v->script, v->data);
}

int pk_source_run(struct pk_source *s, struct pk_script *script, struct pk_error *err)
{
	if (!s->in_flight)
		return pk_remote_run(s->remote, s->freeze->v[0], script, NULL, err);
	pk_fail(err, PK_E_UNSUPPORTED, "open file that only a message in flight has");
	pk_why(err, "what has to be known of it can only be asked by a process that has it open");
	return pk_try(err, "dump again when it has been received");
}

pid_t pk_source_inner_tid(const struct pk_source *s, pid_t tid)
{
	for (size_t i = 0; i < s->freeze->n; i++)
		if (s->freeze->v[i]->tid == tid)
			return s->inner[i];
	return 0;
}

uint32_t pk_source_known(
	const struct pk_source *s, uint64_t dev, uint64_t ino, const struct pk_type *type)
{
	const struct pk_known *k = s->known;

	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].dev == dev && k->v[i].ino == ino && k->v[i].type == type)
			return k->v[i].id;
	return 0;
}

int pk_source_know(struct pk_source *s, uint64_t dev, uint64_t ino, const struct pk_type *type,
	uint32_t id, struct pk_error *err)
{
	struct pk_known *k = s->known;
	void *v = pk_array_more(k->v, k->n, sizeof(*k->v));

	if (!v)
		return pk_fail_errno(err, "list of files");
	k->v = v;
	k->v[k->n++] = (struct pk_known_one){dev, ino, type, id};
	return 0;
}

bool pk_map_is(const struct pk_map *m, const struct stat *st)
{
	return st->st_ino == m->ino && major(st->st_dev) == m->dev_major &&
	       minor(st->st_dev) == m->dev_minor;
}

static int64_t find_fd(const struct pk_source *s, const struct pk_map *m, struct stat *st)
{
	PK_FREE uint32_t *fds = NULL;
	size_t n;

	if (pk_list_numbers(s->procfd, "fd", &fds, &n) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "fd/%u", fds[i]);
		if (fstatat(s->procfd, name, st, 0) == 0 && pk_map_is(m, st))
			return fds[i];
	}
	return -1;
}

int64_t pk_source_find_fd(struct pk_source **s, const struct pk_map *m, struct stat *st)
{
	for (struct pk_source *o = (*s)->first; o; o = o->next) {
		int64_t fd = find_fd(o, m, st);

		if (fd < 0)
			continue;
		*s = o;
		return fd;
	}
	return -1;
}

int pk_source_getfd(const struct pk_source *s, uint32_t fd, struct pk_error *err)
{
	char name[32];
	int dup = (int)syscall(SYS_pidfd_getfd, s->pidfd, fd, 0);

	if (dup >= 0)
		return dup;
	/* Before 5.6. The link opens a new description of the same file: fine for its content. */
	snprintf(name, sizeof(name), "fd/%u", fd);
	dup = openat(s->procfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (dup < 0)
		return pk_fail_errno(err, "pid %d fd %u: cannot duplicate it", s->pid, fd);
	return dup;
}

const char *pk_source_name(const struct pk_source *s, char *buf, size_t n)
{
	snprintf(buf, n, "pid %d (%s)", s->pid, s->status.name);
	return buf;
}
