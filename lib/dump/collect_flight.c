/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors in flight: sent through a Unix socket of the job, and not yet received. To look at
 * the messages gives duplicates to pckpt. What a process of the job has open too is known by that;
 * the rest is listed as open in pckpt, and collected like any other open file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "dump/dump_internal.h"
#include "kind/sock.h"

/* pckpt as a source of open files; the rest is as in the job's first process. */
static int open_self(struct pk_dump *d, struct pk_error *err)
{
	struct pk_source *s = &d->self;

	if (s->in_flight)
		return 0;
	*s = d->proc[0]->src;
	s->in_flight = true;
	s->pid = getpid();
	s->next = NULL;
	s->remote = NULL;
	s->procfd = pk_open_proc(s->pid, err);
	s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	return s->procfd < 0 ? -err->class : 0;
}

static int add_flight(struct pk_dump *d, const struct pk_flight *f, struct pk_error *err)
{
	void *p = pk_array_more(d->open.flight, d->open.n_flight, sizeof(*f));

	if (!p)
		return pk_fail_errno(err, "descriptors in flight");
	d->open.flight = p;
	d->open.flight[d->open.n_flight++] = *f;
	return 0;
}

/* The descriptor is the list's from now on. */
static int find_file(struct pk_dump *d, int fd, size_t *ret, struct pk_error *err)
{
	size_t n = d->open.n;
	int r = pk_look_at_fd(d, &d->self, (uint32_t)fd, err);

	if (r < 0)
		return r;
	d->open.v[n].view.info.flags &= ~(uint32_t)O_CLOEXEC;
	for (*ret = 0; *ret < n; ++*ret)
		if (pk_same_open_file(&d->open.v[*ret], &d->open.v[n]))
			break;
	if (*ret < n)
		pk_forget_last_fd(d);
	return 0;
}

static int take_rights(
	struct pk_dump *d, size_t sock, struct pk_sock_rights *rights, struct pk_error *err)
{
	int r = open_self(d, err);

	for (size_t i = 0; i < rights->n && r == 0; i++) {
		struct pk_flight f = {.sock = sock, .packet = rights->v[i].packet};

		r = find_file(d, rights->v[i].fd, &f.file, err);
		if (r == 0)
			r = add_flight(d, &f, err);
	}
	return r;
}

/* Kernels before 5.11 do not tell how many there are. */
static bool may_hold_any(const struct pk_open_fd *o)
{
	const char *count = strstr(o->view.info_text, "scm_fds:");

	return S_ISSOCK(o->view.st.st_mode) && (!count || strtoul(count + 8, NULL, 10));
}

static bool seen(const struct pk_dump *d, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (d->open.v[k].view.st.st_ino == d->open.v[i].view.st.st_ino &&
			pk_same_open_file(&d->open.v[k], &d->open.v[i]))
			return true;
	return false;
}

static struct pk_sock *add_seen(struct pk_dump *d, struct pk_error *err)
{
	void *p = pk_array_more(d->open.seen, d->open.n_seen, sizeof(*d->open.seen));
	struct pk_sock *s = p ? calloc(1, sizeof(*s)) : NULL;

	if (p)
		d->open.seen = p;
	if (s)
		d->open.seen[d->open.n_seen++] = s;
	else
		pk_fail_errno(err, "descriptors in flight");
	return s;
}

static int look_into(struct pk_dump *d, size_t i, struct pk_error *err)
{
	struct pk_file_view file = d->open.v[i].view; /* the list may move */
	struct pk_view v = {.src = d->open.v[i].src, .file = &file};
	struct pk_sock_rights rights = {0};
	struct pk_sock *s;
	int r;

	if (!may_hold_any(&d->open.v[i]) || seen(d, i) ||
		pk_kind_match(&v, PK_LV_FILE) != &pk_kind_unixsock)
		return 0;
	s = add_seen(d, err);
	if (!s)
		return -err->class;
	r = pk_unix_in_flight(&v, s, &rights, err);
	if (r == 0 && rights.n)
		r = take_rights(d, i, &rights, err);
	else
		for (size_t k = 0; k < rights.n; k++)
			close(rights.v[k].fd);
	free(rights.v);
	return r < 0 ? pk_wrap(err, "pid %d", v.src->pid) : 0;
}

/* The list grows by what is found, and what is found may be a socket that holds more. */
int pk_find_flights(struct pk_dump *d, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; i < d->open.n && r == 0; i++)
		r = look_into(d, i, err);
	return r;
}

static const struct pk_open_fd *socket_of(const struct pk_dump *d, size_t file)
{
	for (size_t i = 0; i < d->open.n_flight; i++)
		if (d->open.flight[i].file == file)
			return &d->open.v[d->open.flight[i].sock];
	return &d->open.v[file];
}

/* A file that nobody has open has no process that could set up the rest of its state. */
static int check_file(struct pk_dump *d, size_t i, struct pk_error *err)
{
	const struct pk_file_view *f = &d->open.v[i].view;
	struct pk_view v = {.src = &d->self, .file = f};
	const struct pk_kind *k = pk_kind_match(&v, PK_LV_FILE);

	if (!k->late && !k->place && !f->info.locks && !(f->info.flags & O_ASYNC))
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "%s", f->link);
	pk_why(err, f->info.locks ? "a file with locks that only a message has open"
		    : f->info.flags & O_ASYNC
			    ? "a file with signals that only a message has open"
			    : "nothing but a message has it open, and some of its "
			      "state can only be set by a process that has");
	return pk_try(err, "dump again when it has been received");
}

int pk_collect_flights(struct pk_dump *d, size_t first, struct pk_error *err)
{
	for (size_t i = first; i < d->open.n; i++) {
		const struct pk_open_fd *by = socket_of(d, i);
		int r = check_file(d, i, err);

		if (r == 0)
			r = pk_collect_open_file(d, i, err);
		if (r < 0)
			return pk_wrap(
				err, "pid %d fd %u: in flight in it", by->src->pid, by->view.fd);
	}
	return 0;
}

void pk_free_flights(struct pk_dump *d)
{
	if (d->self.in_flight) {
		close(d->self.procfd);
		if (d->self.pidfd >= 0)
			close(d->self.pidfd);
	}
	d->self = (struct pk_source){0};
	free(d->open.flight);
	for (size_t i = 0; i < d->open.n_seen; i++)
		pk_unix_free(d->open.seen[i]);
	free(d->open.seen);
}
