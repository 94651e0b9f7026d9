/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes: pipe(7). What is in them is read without being taken out (tee(2)). A pipe whose other end
 * is outside the job comes back as if that end had been closed, with a warning; a standard stream
 * is the restorer's, stdstream.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "kind/kind.h"

struct pipe_end {
	uint64_t pipe; /* the same for both ends */
	uint32_t flags;
	uint32_t size;        /* F_GETPIPE_SZ */
	uint32_t outside;     /* the other end is not in the job */
	struct pk_bytes data; /* with the record that comes first */
};

static const struct pk_type type;

static bool is_pipe(const char *link)
{
	return !strncmp(link, "pipe:", 5);
}

static bool writes(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* Whether the job has the other end too. */
static bool has_other_end(const struct pk_view *v)
{
	const struct pk_open_fds *all = v->src->open;

	for (size_t i = 0; i < all->n; i++) {
		const struct pk_file_view *f = &all->v[i].view;

		if (f->st.st_ino == v->file->st.st_ino && f->st.st_dev == v->file->st.st_dev &&
			(writes(f->info.flags) != writes(v->file->info.flags) ||
				(f->info.flags & O_ACCMODE) == O_RDWR))
			return true;
	}
	return false;
}

static bool match(const struct pk_view *v)
{
	return is_pipe(v->file->link) && (v->file->std < 0 || has_other_end(v));
}

/* All that is in the pipe, which stays in it. */
static int peek(int fd, uint32_t size, struct pk_bytes *ret, struct pk_error *err)
{
	int copy[2];
	ssize_t n;

	if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
		return pk_fail_errno(err, "pipe");
	(void)fcntl(copy[1], F_SETPIPE_SZ, (int)size);
	n = tee(fd, copy[1], INT32_MAX, SPLICE_F_NONBLOCK);
	if (n > 0) {
		ret->p = malloc((size_t)n);
		ret->n = ret->p ? (size_t)read(copy[0], ret->p, (size_t)n) : 0;
	}
	close(copy[0]);
	close(copy[1]);
	if ((n < 0 && errno != EAGAIN) || (n > 0 && ret->n != (size_t)n))
		return pk_fail_errno(err, "content of a pipe");
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct pipe_end *e = obj;
	char name[32];
	PK_CLOSE int fd = -1;
	int size;

	e->pipe = v->file->st.st_ino;
	e->flags = v->file->info.flags & ~(uint32_t)O_CLOEXEC;
	snprintf(name, sizeof(name), "fd/%u", v->file->fd);
	/* The link opens the pipe anew, for reading whichever end it is. */
	fd = openat(v->src->procfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size = fd < 0 ? -1 : fcntl(fd, F_GETPIPE_SZ);
	if (size < 0)
		return pk_fail_errno(err, "fd %u: pipe", v->file->fd);
	e->size = (uint32_t)size;
	e->outside = !has_other_end(v);
	if (e->outside)
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: the other end of this pipe is outside the job: restored, it "
			"is as if that end had been closed",
			v->src->pid, v->file->fd);
	if (pk_source_known(v->src, v->file->st.st_dev, e->pipe, &type))
		return 0;
	if (pk_source_know(v->src, v->file->st.st_dev, e->pipe, &type, v->id, err) < 0)
		return -PK_E_TEMPFAIL;
	return peek(fd, e->size, &e->data, err);
}

/* The pipe is made with the record that has its content, which comes first. */
static int make(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct pipe_end *e = o->data;
	int ends[2];

	/* Not to wait forever where a pipe may not become as large as it was. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return pk_fail_errno(err, "pipe");
	(void)fcntl(ends[1], F_SETPIPE_SZ, (int)e->size);
	if (pk_write_all(ends[1], e->data.p, e->data.n) == 0 &&
		pk_target_keep_pipe(t, e->pipe, ends, err) == 0)
		return 0;
	pk_fail_errno(err, "pipe of %zu bytes", e->data.n);
	close(ends[0]);
	close(ends[1]);
	return pk_try(err, "raise /proc/sys/fs/pipe-user-pages-soft");
}

static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct pipe_end *e = o->data;
	const int *ends = pk_target_pipe(t, e->pipe);
	char name[32];
	int fd;

	if (!ends && make(t, o, err) < 0)
		return -err->class;
	ends = pk_target_pipe(t, e->pipe);
	/* A description of its own for each record, with its own flags. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[writes(e->flags)]);
	fd = open(name, (int)(e->flags & (O_ACCMODE | O_NONBLOCK | O_DIRECT)) | O_CLOEXEC);
	return fd < 0 ? pk_fail_errno(err, "pipe") : pk_target_give(t, o->id, fd, err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	(void)err;
	pk_plan_call(p, PK_PH_FILES, 0,
		&(struct pk_call){
			.nr = SYS_dup,
			.a = {pk_num((uint64_t)pk_target_given(p->target, o->id))},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
	return 0;
}

#define P struct pipe_end
static const struct pk_type type = {
	.name = "pipe",
	.id = 38,
	.size = sizeof(P),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(P, 1, PK_F_U64, pipe, "its number: the same for both ends"),
			PK_FIELD(P, 2, PK_F_U32, flags, "open(2) flags of this end"),
			PK_FIELD(P, 3, PK_F_U32, size, "capacity, F_GETPIPE_SZ"),
			PK_FIELD(P, 4, PK_F_BYTES, data,
				"content, with the first record of the pipe"),
			PK_FIELD(P, 5, PK_F_U32, outside, "1: the other end is not in the job"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_pipe = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "pipes, with their content; one whose other end is outside the job comes back "
		   "closed there",
	.match = match,
	.collect = collect,
	.prepare = prepare,
	.plan = plan,
};
