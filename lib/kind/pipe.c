/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and fifos: pipe(7), fifo(7). What is in them is read without being taken out (tee(2)). A
 * pipe whose other end is outside the job comes back as if that end had been closed, with a
 * warning; a standard stream is the restorer's, stdstream.c. A fifo is opened again by path, and
 * meets whoever has it open.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "kind/anonfd.h"

#define MAX_PACKET 4096 /* PIPE_BUF */
#define LARGEFILE  0100000

struct pipe_end {
	uint64_t pipe; /* the same for all its ends: the record that comes first */
	uint32_t flags;
	uint32_t size;           /* F_GETPIPE_SZ */
	uint32_t outside;        /* the other end is not in the job */
	char *path;              /* of a fifo */
	uint32_t mode;           /* of a fifo: permission bits */
	struct pk_bytes data;    /* with the record that comes first */
	struct pk_bytes packets; /* uint32_t: lengths of the packets that data consists of */
	uint32_t removed;        /* a fifo that has no name any more */
};

static const struct pk_type type;

static bool writes(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static bool is_fifo(const struct pipe_end *e)
{
	return e->path && *e->path;
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

/* Whether nobody at all has the other end any more: then there is nothing outside. */
static bool is_closed(const struct pk_view *v)
{
	struct pk_error err;
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, &err);
	struct pollfd p = {.fd = fd};

	return fd >= 0 && poll(&p, 1, 0) == 1 &&
	       p.revents & (writes(v->file->info.flags) ? POLLERR : POLLHUP);
}

/*
 * A standard stream of the first process is the restorer's also when it has been closed; a closed
 * pipe between others stays one.
 */
static bool match(const struct pk_view *v)
{
	if (!S_ISFIFO(v->file->st.st_mode))
		return false;
	return v->file->std < 0 || has_other_end(v) || (v->src != v->src->first && is_closed(v));
}

/* A description for reading whichever end it is: the link opens the pipe anew. */
static int open_anew(const struct pk_source *s, uint32_t fd)
{
	char name[32];

	snprintf(name, sizeof(name), "fd/%u", fd);
	return openat(s->procfd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/*
 * A pipe that somebody else made, before a change of user, cannot be opened: then one end that the
 * job has for reading is duplicated. -1 if there is none.
 */
static int borrow(const struct pk_view *v)
{
	const struct pk_open_fds *all = v->src->open;

	for (size_t i = 0; i < all->n; i++) {
		const struct pk_file_view *f = &all->v[i].view;
		struct pk_error err;

		if (f->st.st_ino == v->file->st.st_ino && f->st.st_dev == v->file->st.st_dev &&
			(f->info.flags & O_ACCMODE) != O_WRONLY)
			return pk_source_getfd(all->v[i].src, f->fd, &err);
	}
	return -1;
}

static bool has_packets(const struct pk_view *v)
{
	const struct pk_open_fds *all = v->src->open;

	for (size_t i = 0; i < all->n; i++) {
		const struct pk_file_view *f = &all->v[i].view;

		if (f->st.st_ino == v->file->st.st_ino && f->st.st_dev == v->file->st.st_dev &&
			f->info.flags & O_DIRECT)
			return true;
	}
	return false;
}

/* Read n bytes out of the copy: each read returns what is there, or one packet. */
static int drain(int fd, size_t n, bool packets, struct pipe_end *e)
{
	struct pk_buf lengths = {0};
	bool lost;
	int r = 0;

	e->data.p = malloc(n);
	if (!e->data.p)
		return -1;
	while (e->data.n < n) {
		ssize_t got = read(fd, (char *)e->data.p + e->data.n, n - e->data.n);
		uint32_t len = (uint32_t)got;

		if (got <= 0)
			break;
		e->data.n += (size_t)got;
		pk_buf_put(&lengths, &len, sizeof(len));
	}
	if (packets)
		r = pk_bytes_set(&e->packets, lengths.p, lengths.len);
	lost = lengths.failed;
	pk_buf_free(&lengths);
	return r < 0 || lost || e->data.n != n ? -1 : 0;
}

/* All that is in the pipe, which stays in it. */
static int peek(int fd, bool packets, struct pipe_end *e, struct pk_error *err)
{
	PK_CLOSE int from = -1;
	PK_CLOSE int to = -1;
	int copy[2];
	ssize_t n;

	if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
		return pk_fail_errno(err, "pipe");
	from = copy[0];
	to = copy[1];
	(void)fcntl(to, F_SETPIPE_SZ, (int)e->size);
	n = tee(fd, to, INT32_MAX, SPLICE_F_NONBLOCK);
	if ((n < 0 && errno != EAGAIN) || (n > 0 && drain(from, (size_t)n, packets, e) < 0))
		return pk_fail_errno(err, "content of a pipe");
	return 0;
}

/* A pipe comes back as if that end had been closed; a fifo finds whoever has it open then. */
static int say_outside(const struct pk_view *v, const struct pipe_end *e, struct pk_error *err)
{
	if (!e->path && v->src->strict) {
		pk_fail(err, PK_E_UNSUPPORTED,
			"fd %u: the other end of this pipe is outside the job", v->file->fd);
		pk_why(err, "it cannot be restored, and --strict allows no loss");
		return pk_try(err, "dump without --strict, or an ancestor of both ends");
	}
	if (e->path)
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: no other end of fifo %s is in the job: restored, it meets "
			"whoever has it open then",
			v->src->pid, v->file->fd, e->path);
	else
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: the other end of this pipe is outside the job: restored, it "
			"is as if that end had been closed",
			v->src->pid, v->file->fd);
	return 0;
}

static int set_path(const struct pk_view *v, struct pipe_end *e, struct pk_error *err)
{
	if (v->file->link[0] != '/')
		return 0;
	/* A removed fifo is a pipe: nobody else can find it. */
	e->removed = v->file->deleted;
	if (e->removed)
		return 0;
	e->mode = v->file->st.st_mode & 07777;
	e->path = strdup(v->file->link);
	return e->path ? 0 : pk_fail_errno(err, "fd %u: fifo", v->file->fd);
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct stat *st = &v->file->st;
	struct pipe_end *e = obj;
	PK_CLOSE int fd = -1;
	int size, r;

	r = set_path(v, e, err);
	if (r < 0)
		return r;
	e->pipe = pk_source_known(v->src, st->st_dev, st->st_ino, &type);
	e->flags = v->file->info.flags & ~(uint32_t)O_CLOEXEC;
	e->outside = !has_other_end(v) && !is_closed(v);
	if (e->outside && say_outside(v, e, err) < 0)
		return -err->class;
	if (!e->pipe) {
		e->pipe = v->id;
		r = pk_source_know(v->src, st->st_dev, st->st_ino, &type, v->id, err);
		if (r < 0)
			return r;
	}
	fd = open_anew(v->src, v->file->fd);
	if (fd < 0)
		fd = borrow(v);
	/* It has no reader here, and what is in it is for one outside. */
	if (fd < 0 && !has_other_end(v))
		return 0;
	size = fd < 0 ? -1 : fcntl(fd, F_GETPIPE_SZ);
	if (size < 0)
		return pk_fail_errno(err, "fd %u: pipe", v->file->fd);
	e->size = (uint32_t)size;
	if (e->pipe != v->id)
		return 0;
	return peek(fd, has_packets(v), e, err);
}

/* A fifo that is not there is made again: all that it has is its name. */
static int open_named(const struct pipe_end *e, int flags, struct pk_error *err)
{
	struct stat st;
	bool there = stat(e->path, &st) == 0;
	PK_CLOSE int fd = -1;

	if (!there && mkfifo(e->path, e->mode & 0777) == 0)
		pk_log(PK_LOG_INFO, "fifo %s was not there, and has been made again", e->path);
	/* Not to open what may do something by that. */
	if (!there || S_ISFIFO(st.st_mode)) {
		fd = open(e->path, flags | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
			return pk_steal_fd(&fd);
		if (fd < 0)
			return pk_fail_errno(err, "fifo %s", e->path);
	}
	pk_fail(err, PK_E_MISSING, "fifo %s: it is something else now", e->path);
	return pk_try(err, "put it back (mkfifo), then restore again");
}

static int open_fifo(const struct pipe_end *e, int ends[2], struct pk_error *err)
{
	ends[0] = open_named(e, O_RDWR, err);
	if (ends[0] < 0)
		return -err->class;
	ends[1] = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
	if (ends[1] >= 0)
		return 0;
	close(ends[0]);
	return pk_fail_errno(err, "fifo %s", e->path);
}

static int open_ends(const struct pipe_end *e, int ends[2], struct pk_error *err)
{
	if (is_fifo(e))
		return open_fifo(e, ends, err);
	/* Not to wait forever where a pipe may not become as large as it was. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return pk_fail_errno(err, "pipe");
	return 0;
}

/* Packet by packet; more than one can hold was no packet. */
static int fill(int fd, const struct pipe_end *e)
{
	const uint32_t *len = e->packets.p;
	const char *p = e->data.p;
	size_t left = e->data.n;
	int r = 0;

	if (e->packets.n / sizeof(*len) == 0)
		return pk_write_all(fd, p, left);
	for (size_t i = 0; i < e->packets.n / sizeof(*len) && r == 0; i++) {
		size_t n = len[i] < left ? len[i] : left;

		r = fcntl(fd, F_SETFL, O_NONBLOCK | (n <= MAX_PACKET ? O_DIRECT : 0));
		r = r < 0 ? r : pk_write_all(fd, p, n);
		p += n;
		left -= n;
	}
	return r;
}

/* A fifo that somebody outside has kept open may still hold what it held at the dump. */
static bool holds_data(const struct pipe_end *e, int fd)
{
	int there = 0;

	if (!is_fifo(e) || !e->data.n || ioctl(fd, FIONREAD, &there) < 0 || !there)
		return false;
	pk_log(PK_LOG_WARN,
		"fifo %s is in use and holds %d bytes: they stay, and the %zu bytes that it held "
		"at the dump are not added",
		e->path, there, e->data.n);
	return true;
}

/* The pipe is made with the record that has its content, which comes first. */
static int make(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct pipe_end *e = o->data;
	int ends[2], r = open_ends(e, ends, err);

	if (r < 0)
		return r;
	if (e->size)
		(void)fcntl(ends[1], F_SETPIPE_SZ, (int)e->size);
	r = holds_data(e, ends[0]) ? 0 : fill(ends[1], e);
	if (r == 0 && pk_target_keep_pipe(t, e->pipe, ends, err) == 0)
		return 0;
	pk_fail_errno(err, "pipe of %zu bytes", e->data.n);
	close(ends[0]);
	close(ends[1]);
	return pk_try(err, "raise /proc/sys/fs/pipe-user-pages-soft");
}

static int open_removed_in(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	if (!dir)
		return -1;
	snprintf(
		path, sizeof(path), "%s/pckpt-fifo-%d-%lx", dir, getpid(), (unsigned long)pk_now());
	if (mkfifo(path, 0600) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	(void)unlink(path);
	return fd;
}

static int open_removed(struct pk_error *err)
{
	const char *const dirs[] = {getenv("TMPDIR"), "/tmp", "/dev/shm"};
	int fd = -1;

	for (size_t i = 0; i < 3 && fd < 0; i++)
		fd = open_removed_in(dirs[i]);
	if (fd >= 0)
		return fd;
	pk_fail_errno(err, "removed fifo");
	return pk_try(err, "make /tmp writable, or set TMPDIR");
}

/*
 * A reader of a fifo hears of a hang-up once there has been a writer, if only for a moment and
 * because of us. One that is alone is opened with nobody else, as its program did.
 */
static bool is_alone(const struct pipe_end *e)
{
	return (is_fifo(e) || e->removed) && e->outside && !writes(e->flags) && !e->data.n;
}

static int give_alone(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct pipe_end *e = o->data;
	int fd = e->removed ? open_removed(err) : open_named(e, O_RDONLY, err);

	return fd < 0 ? -err->class : pk_target_give(t, o->id, fd, err);
}

static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct pipe_end *e = o->data;
	const int *ends = pk_target_pipe(t, e->pipe);
	char name[32];
	int end, fd;

	if (!ends && is_alone(e))
		return give_alone(t, o, err);
	if (!ends && make(t, o, err) < 0)
		return -err->class;
	ends = pk_target_pipe(t, e->pipe);
	end = ends[writes(e->flags)];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", end);
	/* Those of pipe(2) itself are told by a flag that open(2) always sets. */
	if (!is_fifo(e) && !(e->flags & LARGEFILE))
		fd = fcntl(end, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(name, (int)(e->flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC);
	return fd < 0 ? pk_fail_errno(err, "pipe") : pk_target_give(t, o->id, fd, err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pipe_end *e = o->data;

	(void)err;
	pk_plan_dup(p, o);
	/* Packet mode (O_DIRECT) is nothing that open(2) takes here. */
	pk_plan_setfl(p, e->flags);
	return 0;
}

#define P struct pipe_end
static const struct pk_type type = {
	.name = "pipe",
	.id = 38,
	.size = sizeof(P),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(P, 1, PK_F_U64, pipe, "the record of it that comes first"),
			PK_FIELD(P, 2, PK_F_U32, flags, "open(2) flags of this end"),
			PK_FIELD(P, 3, PK_F_U32, size, "capacity, F_GETPIPE_SZ"),
			PK_FIELD(P, 4, PK_F_BYTES, data,
				"content, with the first record of the pipe"),
			PK_FIELD(P, 5, PK_F_U32, outside, "1: the other end is not in the job"),
			PK_FIELD(P, 6, PK_F_STR, path, "of a fifo, absolute"),
			PK_FIELD(P, 7, PK_F_U32, mode, "of a fifo: permission bits"),
			PK_FIELD(P, 8, PK_F_BYTES, packets,
				"uint32_t: lengths of the packets that the content is, if it is"),
			PK_FIELD(P, 9, PK_F_U32, removed, "1: a fifo without a name"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_pipe = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary =
		"pipes and fifos, with their content, also in packets; a pipe whose other end is "
		"outside the job comes back closed there",
	.match = match,
	.collect = collect,
	.prepare = prepare,
	.plan = plan,
};
