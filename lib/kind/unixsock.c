/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets: unix(7). Pairs, connections through a listener with the names of both ends, bound
 * datagram sockets, connections that wait to be accepted. The kernel is asked who is connected with
 * whom (sock_diag). A connection is made anew under the process number that made it, so that
 * SO_PEERCRED tells the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "kind/rights.h"
#include "kind/sock.h"

#define NAME_AT offsetof(struct sockaddr_un, sun_path)

static const struct pk_type type;

/* The name as text in a file system, or NULL: it has none, or an abstract one. */
static const char *path_of(const struct pk_sock *s, char buf[sizeof(struct sockaddr_un) + 1])
{
	size_t n = s->name.n;

	if (n <= NAME_AT || n > sizeof(struct sockaddr_un) || !((const char *)s->name.p)[NAME_AT])
		return NULL;
	memcpy(buf, (const char *)s->name.p + NAME_AT, n - NAME_AT);
	buf[n - NAME_AT] = '\0';
	return buf;
}

static bool same(const struct pk_bytes *a, const struct pk_bytes *b)
{
	return a->n == b->n && a->n && !memcmp(a->p, b->p, a->n);
}

/* ---- dump */

static bool copy_diag(const struct pk_unix_diag *d, void *arg)
{
	struct pk_unix_diag *to = arg;

	*to = *d;
	to->icon = NULL;
	return false;
}

static int diag(
	const struct pk_view *v, uint64_t ino, struct pk_unix_diag *ret, struct pk_error *err)
{
	int r;

	*ret = (struct pk_unix_diag){0};
	r = pk_diag_unix((uint32_t)ino, copy_diag, ret, err);
	if (r < 0 || ret->ino)
		return r;
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: socket", v->file->fd);
	pk_why(err, "it is in another network namespace");
	return pk_try(err, "run pckpt in that one (nsenter --net)");
}

/* A standard stream that leads outside is the restorer's: stdstream.c. */
static bool match(const struct pk_view *v)
{
	struct pk_unix_diag d;
	struct pk_error err;

	if (!pk_sock_is(v, AF_UNIX))
		return false;
	if (v->file->std < 0 || diag(v, v->file->st.st_ino, &d, &err) < 0)
		return true;
	return !d.has_peer || !d.peer || pk_sock_in_job(v, d.peer);
}

struct waiting {
	uint32_t client;
	uint32_t listener;
};

static bool find_client(const struct pk_unix_diag *d, void *arg)
{
	struct waiting *w = arg;

	for (uint32_t i = 0; i < d->n_icon; i++)
		if (d->icon[i] == w->client)
			w->listener = d->ino;
	return !w->listener;
}

static int refuse_early(const struct pk_view *v, struct pk_error *err)
{
	pk_fail(err, PK_E_TEMPFAIL, "fd %u: bytes sent over a connection that was not accepted",
		v->file->fd);
	pk_why(err, "nobody but the one who will accept it can read them");
	return pk_try(err, "dump again when the program has accepted its connections");
}

static int collect_stream(struct pk_view *v, int fd, struct pk_sock *s,
	const struct pk_unix_diag *d, struct pk_error *err)
{
	struct waiting w = {.client = d->ino};
	int sent = 0, r;

	if (d->peer) {
		s->shape = pk_sock_in_job(v, d->peer) ? PK_SOCK_CONNECTED : PK_SOCK_LEFT;
		s->peer = s->shape == PK_SOCK_CONNECTED ? d->peer : 0;
		return s->peer ? 0 : pk_sock_outside(v, s, "the other end of this socket", err);
	}
	s->shape = PK_SOCK_LEFT;
	if (d->shut == 3)
		return 0;
	r = pk_diag_unix(0, find_client, &w, err);
	if (r < 0)
		return r;
	if (!pk_sock_in_job(v, w.listener))
		return pk_sock_outside(v, s, "the other end of this socket", err);
	if (ioctl(fd, SIOCOUTQ, &sent) < 0 || sent)
		return refuse_early(v, err);
	s->shape = PK_SOCK_PENDING;
	s->peer = w.listener;
	return 0;
}

struct icons {
	struct pk_view *v;
	struct pk_sock *s;
	unsigned lost;
	bool failed;
};

static bool add_icons(const struct pk_unix_diag *d, void *arg)
{
	struct icons *i = arg;
	struct pk_sock_pending *p = NULL;

	for (uint32_t k = 0; k < d->n_icon; k++) {
		if (!pk_sock_in_job(i->v, d->icon[k])) {
			i->lost++;
			continue;
		}
		p = pk_sock_add_pending(i->s);
		if (p)
			p->ino = d->icon[k];
		else
			i->failed = true;
	}
	return false;
}

static int collect_listener(
	struct pk_view *v, struct pk_sock *s, const struct pk_unix_diag *d, struct pk_error *err)
{
	struct icons i = {.v = v, .s = s};
	int r;

	s->shape = PK_SOCK_LISTENS;
	s->backlog = d->wqueue;
	r = pk_diag_unix(d->ino, add_icons, &i, err);
	if (r < 0)
		return r;
	if (i.failed)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	return i.lost ? pk_sock_outside(
				v, s, "a client that waits to be accepted by this socket", err)
		      : 0;
}

/* One without a name can be connected with by socketpair(2) only. */
static int check_mutual(struct pk_view *v, const struct pk_sock *s, struct pk_error *err)
{
	struct pk_unix_diag d;
	int r = diag(v, s->peer, &d, err);

	if (r < 0 || d.peer == s->ino)
		return r;
	pk_fail(err, PK_E_UNSUPPORTED,
		"fd %u: socket connected to one that has no name and was disconnected",
		v->file->fd);
	pk_why(err, "this version of pckpt cannot rebuild it");
	return pk_try(err, "dump when the program has closed it");
}

/* A datagram socket that is connected to a name outside finds that again, as syslog(3)'s does. */
static int collect_dgram(
	struct pk_view *v, struct pk_sock *s, const struct pk_unix_diag *d, struct pk_error *err)
{
	if (!d->has_peer)
		return 0;
	if (pk_sock_in_job(v, d->peer)) {
		s->shape = PK_SOCK_CONNECTED;
		s->peer = d->peer;
		return s->peer_name.n ? 0 : check_mutual(v, s, err);
	}
	if (s->peer_name.n)
		return 0;
	s->shape = PK_SOCK_LEFT;
	return d->peer ? pk_sock_outside(v, s, "the other end of this socket", err) : 0;
}

/* As the process sees it itself. */
static int collect_cred(struct pk_view *v, struct pk_sock *s, struct pk_error *err)
{
	struct pk_script script = {0};
	socklen_t n = sizeof(struct ucred);
	size_t cred = pk_script_data(&script, NULL, sizeof(struct ucred));
	size_t len = pk_script_data(&script, &n, sizeof(n));
	size_t op = pk_script_call(
		&script, &(struct pk_call){
				 .nr = SYS_getsockopt,
				 .a = {pk_num(v->file->fd), pk_num(SOL_SOCKET), pk_num(SO_PEERCRED),
					 pk_addr(cred), pk_addr(len)},
			 });
	int r = pk_source_run(v->src, &script, err);

	if (r == 0 && pk_script_ret(&script, op) == 0)
		s->cred_pid = ((const struct ucred *)pk_script_at(&script, cred))->pid;
	pk_script_free(&script);
	return r;
}

/* Without a process that has it, the number is known if it is one of the job's. */
static int guess_cred(const struct pk_view *v, int fd, struct pk_sock *s)
{
	struct ucred c = {0};
	socklen_t n = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0 || c.pid <= 0)
		return 0;
	for (const struct pk_source *i = v->src->first; i; i = i->next)
		if (i->pid == c.pid)
			s->cred_pid = pk_source_inner_tid(i, c.pid);
	if (!s->cred_pid)
		pk_log(PK_LOG_WARN,
			"a socket in flight in another: the process that connected it has ended, "
			"and SO_PEERCRED will tell of another");
	return 0;
}

/* What is there under its name: only the socket itself counts. */
static int collect_file(
	struct pk_view *v, struct pk_sock *s, const struct pk_unix_diag *d, struct pk_error *err)
{
	char buf[sizeof(struct sockaddr_un) + 1];
	const char *path = path_of(s, buf);
	const struct pk_source *from = v->src->in_flight ? v->src->first : v->src;
	PK_CLOSE int cwd = -1;
	struct stat st;

	if (!path)
		return 0;
	cwd = openat(from->procfd, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (path[0] != '/') {
		s->dir = pk_read_link(from->procfd, "cwd");
		if (!s->dir)
			return pk_fail_errno(err, "fd %u: working directory", v->file->fd);
	}
	if (fstatat(cwd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode) &&
		(uint32_t)st.st_ino == d->file_ino) {
		s->file_ino = st.st_ino;
		s->file_mode = st.st_mode & 07777;
	}
	return 0;
}

int pk_unix_in_flight(
	struct pk_view *v, struct pk_sock *s, struct pk_sock_rights *rights, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	struct pollfd p = {.fd = fd};
	socklen_t n = sizeof(s->type);
	struct pk_unix_diag d;
	int r;

	if (fd < 0)
		return -err->class;
	r = diag(v, v->file->st.st_ino, &d, err);
	if (r < 0 || d.state == TCP_LISTEN || getsockopt(fd, SOL_SOCKET, SO_TYPE, &s->type, &n) < 0)
		return r;
	s->ino = v->file->st.st_ino;
	s->family = AF_UNIX;
	s->shut = d.shut;
	s->reset = poll(&p, 1, 0) > 0 && p.revents & POLLERR;
	return pk_sock_collect_queue(v, fd, s, rights, err);
}

void pk_unix_free(struct pk_sock *s)
{
	pk_type_free(&type, s);
	free(s);
}

/* The queue may have been looked at for what is in flight. */
static int collect_queue(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;

	for (size_t i = 0; i < all->n_seen; i++)
		if (all->seen[i]->ino == s->ino) {
			s->queue = all->seen[i]->queue;
			all->seen[i]->queue = (struct pk_list){0};
			return 0;
		}
	return pk_sock_collect_queue(v, fd, s, NULL, err);
}

static int collect_end(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err)
{
	struct pk_unix_diag d;
	int r = diag(v, s->ino, &d, err);

	if (r < 0)
		return r;
	s->shut = d.shut;
	r = collect_file(v, s, &d, err);
	if (r == 0)
		r = v->src->in_flight ? guess_cred(v, fd, s) : collect_cred(v, s, err);
	if (r < 0)
		return r;
	if (d.state == TCP_LISTEN)
		return collect_listener(v, s, &d, err);
	r = s->type == SOCK_DGRAM ? collect_dgram(v, s, &d, err)
	    : d.has_peer          ? collect_stream(v, fd, s, &d, err)
				  : 0;
	return r < 0 ? r : collect_queue(v, fd, s, err);
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	int r = fd < 0 ? -err->class : pk_sock_collect(v, fd, obj, err);

	return r < 0 ? r : collect_end(v, fd, obj, err);
}

/* ---- restore: is the name free? */

/* A name that the kernel chose: nobody expects it to be just this one. */
static bool is_automatic(const struct pk_sock *s)
{
	const char *p = s->name.p;

	if (s->name.n != NAME_AT + 6 || p[NAME_AT])
		return false;
	for (size_t i = NAME_AT + 1; i < s->name.n; i++)
		if (!strchr("0123456789abcdef", p[i]) || !p[i])
			return false;
	return true;
}

struct name_user {
	const struct pk_sock *s;
	uint32_t file_ino;
	uint32_t ino;
};

static bool uses_name(const struct pk_unix_diag *d, void *arg)
{
	struct name_user *u = arg;
	size_t n = u->s->name.n - NAME_AT;

	if (u->file_ino ? d->file_ino == u->file_ino
			: d->name_len == n &&
				  !memcmp(d->name, (const char *)u->s->name.p + NAME_AT, n))
		u->ino = d->ino;
	return !u->ino;
}

static int taken(const struct pk_sock *s, uint32_t file_ino, const char *name, struct pk_error *err)
{
	struct name_user u = {.s = s, .file_ino = file_ino};
	char who[100];
	int r = pk_diag_unix(0, uses_name, &u, err);

	if (r < 0 || !u.ino)
		return r;
	pk_fail(err, PK_E_TEMPFAIL, "socket name %s is taken by %s", name,
		pk_diag_owner(u.ino, who, sizeof(who)));
	pk_why(err, "the program had a socket of that name");
	return pk_try(err, "end that process, then restore again");
}

/* 0: nothing there, 1: a socket that nobody has open, or an obstacle. */
static int look_at_path(const struct pk_sock *s, const char *path, struct pk_error *err)
{
	PK_CLOSE int dir = s->dir && s->dir[0] ? pk_open_dir(AT_FDCWD, s->dir) : -1;
	struct stat st;
	int r;

	if (path[0] != '/' && dir < 0)
		return pk_fail_errno(err, "directory %s of socket %s", s->dir ? s->dir : "", path);
	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : pk_fail_errno(err, "socket %s", path);
	if (!S_ISSOCK(st.st_mode)) {
		pk_fail(err, PK_E_TEMPFAIL, "socket name %s is taken", path);
		pk_why(err, "there is something else under the name of the program's socket");
		return pk_try(err, "move it out of the way");
	}
	r = taken(s, (uint32_t)st.st_ino, path, err);
	return r < 0 ? r : 1;
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct pk_sock *s = o->data;
	char buf[sizeof(struct sockaddr_un) + 1];
	const char *path = path_of(s, buf);
	struct pk_error err = {0};
	int r = 0;

	if (path)
		r = look_at_path(s, path, &err);
	else if (s->name.n > NAME_AT && s->name.n <= sizeof(struct sockaddr_un) && !is_automatic(s))
		r = taken(s, 0, "(abstract)", &err);
	if (r < 0)
		pk_report_add(&t->report, &err);
}

/* ---- restore: make them */

static bool has_name(const struct pk_sock *s)
{
	return s->name.n > NAME_AT && s->name.n <= sizeof(struct sockaddr_un);
}

/* Checked by look_at_path before; what is there now may be a socket of ours. */
static int clear_path(struct pk_sock_bench *b, const struct pk_sock_item *i, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	return unlink(path) < 0 ? pk_sock_fail(b, i, path) : 0;
}

/* Go where a relative name starts; the way back is *ret, -1 if there is none to go. */
static int enter(struct pk_sock_bench *b, struct pk_sock_item *i, const struct pk_sock *s, int *ret)
{
	char buf[sizeof(struct sockaddr_un) + 1];
	const char *path = path_of(s, buf);

	if (!path || path[0] == '/')
		return 0;
	*ret = pk_open_dir(AT_FDCWD, ".");
	return *ret < 0 || chdir(s->dir) < 0 ? pk_sock_fail(b, i, s->dir) : 0;
}

static int go_back(struct pk_sock_bench *b, struct pk_sock_item *i, int back)
{
	return back >= 0 && fchdir(back) < 0 ? pk_sock_fail(b, i, "working directory") : 0;
}

/* Give a socket its name. */
static int bind_to(struct pk_sock_bench *b, struct pk_sock_item *i, int fd)
{
	const struct pk_sock *s = i->s;
	char buf[sizeof(struct sockaddr_un) + 1];
	const char *path = path_of(s, buf);
	PK_CLOSE int back = -1;
	int r = enter(b, i, s, &back);

	if (r == 0 && path)
		r = clear_path(b, i, path);
	if (r == 0 && bind(fd, s->name.p, (socklen_t)s->name.n) < 0 &&
		(!is_automatic(s) || bind(fd, s->name.p, sizeof(sa_family_t)) < 0))
		r = pk_sock_fail(b, i, path ? path : "bind to an abstract name");
	if (r == 0 && path && chmod(path, s->file_ino ? s->file_mode & 07777 : 0700) < 0)
		r = pk_sock_fail(b, i, path);
	return r < 0 ? r : go_back(b, i, back);
}

/* Some names have no file any more. */
static int drop_name(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	char buf[sizeof(struct sockaddr_un) + 1];
	const char *path = path_of(i->s, buf);
	PK_CLOSE int back = -1;
	int r;

	if (!path || i->s->file_ino)
		return 0;
	for (size_t k = 0; k < b->n; k++) /* unless one that came later has the same name */
		if (b->v[k].s->file_ino && same(&b->v[k].s->name, &i->s->name))
			return 0;
	r = enter(b, i, i->s, &back);
	if (r == 0)
		r = clear_path(b, i, path);
	return r < 0 ? r : go_back(b, i, back);
}

struct step {
	int type, fd[2];
	const struct pk_bytes *name;
};

static int do_pair(void *arg)
{
	struct step *s = arg;

	return socketpair(AF_UNIX, s->type | SOCK_CLOEXEC, 0, s->fd);
}

static int do_listen(void *arg)
{
	return listen(((struct step *)arg)->fd[0], 4096);
}

static int do_connect(void *arg)
{
	struct step *s = arg;

	return connect(s->fd[0], s->name->p, (socklen_t)s->name->n);
}

static struct pk_sock_item *listener_of(struct pk_sock_bench *b, const struct pk_bytes *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].s->shape == PK_SOCK_LISTENS && same(&b->v[i].s->name, name))
			return &b->v[i];
	return NULL;
}

static int make_listener(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct step s;
	int r = pk_sock_new(b, i);

	if (r == 0)
		r = bind_to(b, i, i->fd);
	if (r < 0)
		return r;
	s.fd[0] = i->fd;
	return pk_sock_as(b->t, i->s->cred_pid, do_listen, &s, sizeof(s)) < 0
		       ? pk_sock_fail(b, i, "listen")
		       : 0;
}

static int make_dgram(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	int r = pk_sock_new(b, i);

	return r == 0 && has_name(i->s) ? bind_to(b, i, i->fd) : r;
}

static struct pk_sock_item *peer_of(const struct pk_sock_bench *b, const struct pk_sock_item *i)
{
	struct pk_sock_item *peer =
		i->s->shape == PK_SOCK_CONNECTED ? pk_sock_find(b, i->s->peer) : NULL;

	return peer != i ? peer : NULL;
}

/* The other end's descriptor: of its item, or one that is closed when all is done. */
static int *end_of(const struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct pk_sock_item *peer = peer_of(b, i);

	return peer ? &peer->fd : &i->far;
}

static int make_pair(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct pk_sock_item *peer = peer_of(b, i);
	struct step s = {.type = (int)i->s->type};
	int r = 0;

	if (pk_sock_as(b->t, i->s->cred_pid, do_pair, &s, sizeof(s)) < 0)
		return pk_sock_fail(b, i, "socketpair");
	i->fd = s.fd[0];
	*end_of(b, i) = s.fd[1];
	if (has_name(i->s))
		r = bind_to(b, i, i->fd);
	if (r == 0 && peer && has_name(peer->s))
		r = bind_to(b, peer, peer->fd);
	return r;
}

static int connect_as(struct pk_sock_bench *b, struct pk_sock_item *i, int fd, int32_t pid,
	const struct pk_sock *to)
{
	struct step s = {.fd = {fd}, .name = &to->name};
	PK_CLOSE int back = -1;
	int r = enter(b, i, to, &back);

	if (r == 0 && pk_sock_as(b->t, pid, do_connect, &s, sizeof(s)) < 0)
		r = pk_sock_fail(b, i, "connect");
	return r < 0 ? r : go_back(b, i, back);
}

/* `server` has the name that was listened at, or its `far` end does: a listener for a moment. */
static int temporary_listener(
	struct pk_sock_bench *b, struct pk_sock_item *server, int32_t pid, int *ret)
{
	struct step s;
	PK_CLOSE int fd = socket(AF_UNIX, (int)server->s->type | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return pk_sock_fail(b, server, "cannot be made");
	r = bind_to(b, server, fd);
	if (r < 0)
		return r;
	s.fd[0] = fd;
	if (pk_sock_as(b->t, pid, do_listen, &s, sizeof(s)) < 0)
		return pk_sock_fail(b, server, "listen");
	*ret = pk_steal_fd(&fd);
	return 0;
}

/* i has the name of a listener; its other end connects to that. */
static int make_accepted(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct pk_sock_item *listener = listener_of(b, &i->s->name);
	struct pk_sock_item *peer = peer_of(b, i);
	int *far = end_of(b, i);
	PK_CLOSE int own = -1;
	int r = 0;

	if (!listener)
		r = temporary_listener(b, i, peer ? peer->s->cred_pid : 0, &own);
	if (r < 0)
		return r;
	*far = socket(AF_UNIX, (int)i->s->type | SOCK_CLOEXEC, 0);
	if (*far < 0)
		return pk_sock_fail(b, i, "cannot be made");
	if (peer && has_name(peer->s))
		r = bind_to(b, peer, *far);
	if (r == 0)
		r = connect_as(b, i, *far, i->s->cred_pid, i->s);
	if (r < 0)
		return r;
	i->fd = accept4(listener ? listener->fd : own, NULL, NULL, SOCK_CLOEXEC);
	return i->fd < 0 ? pk_sock_fail(b, i, "accept") : 0;
}

/* Which end was accepted: the one whose name a listener has, else the only one with a name. */
static bool is_accepted(struct pk_sock_bench *b, const struct pk_sock_item *i)
{
	struct pk_sock_item *peer = peer_of(b, i);

	if (!has_name(i->s))
		return false;
	if (!peer || !has_name(peer->s) || listener_of(b, &i->s->name))
		return true;
	return !listener_of(b, &peer->s->name) && i < peer;
}

static int make_connected(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct pk_sock_item *peer = peer_of(b, i);

	if (i->fd >= 0)
		return 0;
	if (i->s->shape == PK_SOCK_CONNECTED && (!peer || peer == i || peer->fd >= 0))
		return 0; /* hand_over() will find it missing */
	if (is_accepted(b, i))
		return make_accepted(b, i);
	if (peer && is_accepted(b, peer))
		return make_accepted(b, peer);
	return make_pair(b, i);
}

/* Connected with each other, not both by name: that is how socketpair(2) makes them. */
static bool is_dgram_pair(const struct pk_sock_bench *b, const struct pk_sock_item *i)
{
	const struct pk_sock_item *peer = peer_of(b, i);

	if (i->s->shape == PK_SOCK_LEFT)
		return true;
	return peer && peer_of(b, peer) == i && !(has_name(i->s) && has_name(peer->s));
}

static int connect_dgram(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock_item *peer = peer_of(b, i);

	if (i->s->type != SOCK_DGRAM || is_dgram_pair(b, i))
		return 0;
	if (peer)
		return connect_as(b, i, i->fd, 0, peer->s);
	if (i->s->peer_name.n && i->s->shape == PK_SOCK_PLAIN &&
		connect(i->fd, i->s->peer_name.p, (socklen_t)i->s->peer_name.n) < 0)
		pk_log(PK_LOG_WARN,
			"a datagram socket of the program could not be connected again: %s",
			strerror(errno));
	return 0;
}

static int make_one(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	switch (i->s->shape) {
	case PK_SOCK_LISTENS:
		return 0;
	case PK_SOCK_CONNECTED:
	case PK_SOCK_LEFT:
		if (i->s->type != SOCK_DGRAM)
			return make_connected(b, i);
		if (i->fd >= 0 || !is_dgram_pair(b, i))
			return i->fd >= 0 ? 0 : make_dgram(b, i);
		return make_pair(b, i);
	case PK_SOCK_PENDING:
		if (pk_sock_new(b, i) < 0)
			return -b->err->class;
		return has_name(i->s) ? bind_to(b, i, i->fd) : 0;
	default:
		return make_dgram(b, i);
	}
}

static int sender_of(
	struct pk_sock_bench *b, struct pk_sock_item *i, const struct pk_sock_packet *p)
{
	for (size_t k = 0; i->s->type == SOCK_DGRAM && k < b->n; k++)
		if (same(&b->v[k].s->name, &p->from))
			return b->v[k].fd;
	return *end_of(b, i);
}

/*
 * Descriptors can be sent only when all files are made: see rights.c, which gets a socket to send
 * from.
 */
static int hand_feeder(struct pk_sock_bench *b, struct pk_sock_item *i, bool by_name)
{
	int *end = end_of(b, i), old = 0;
	int fd = by_name ? socket(AF_UNIX, (int)i->s->type | SOCK_CLOEXEC, 0)
			 : fcntl(*end, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return pk_sock_fail(b, i, "what descriptors were sent from");
	if (by_name || end == &i->far)
		(void)pk_sock_widen(fd, &old);
	pk_sock_given(b->t, i->rights)->fd = fd;
	return by_name ? connect_as(b, i, fd, 0, i->s) : 0;
}

/* Before datagram sockets are connected: later they take from one sender only. */
static int fill(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock_packet *p = i->s->queue.p;
	bool by_name = i->s->type == SOCK_DGRAM && has_name(i->s) && !is_dgram_pair(b, i);
	PK_CLOSE int back = -1;
	int r;

	if (i->rights)
		return hand_feeder(b, i, by_name);
	r = i->s->queue.n ? enter(b, i, i->s, &back) : 0;

	for (size_t k = 0; k < i->s->queue.n && r == 0; k++) {
		PK_CLOSE int other = -1;
		int from = sender_of(b, i, &p[k]);

		if (from < 0)
			from = other = socket(AF_UNIX, (int)i->s->type | SOCK_CLOEXEC, 0);
		r = pk_sock_send(b, i, from, &p[k], by_name ? &i->s->name : NULL);
	}
	return r < 0 ? r : go_back(b, i, back);
}

/* What was lost with the other end is seen as an error: it goes with something unread. */
static void leave(struct pk_sock_item *i)
{
	if (i->far < 0)
		return;
	if (i->s->reset)
		(void)send(i->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(i->far);
	i->far = -1;
}

static int queue_up(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock_pending *p = i->s->pending.p;
	int r = 0;

	for (size_t k = 0; k < i->s->pending.n && r == 0; k++) {
		struct pk_sock_item *client = pk_sock_find(b, p[k].ino);

		if (client && client->s->shape == PK_SOCK_PENDING && client->fd >= 0)
			r = connect_as(b, client, client->fd, 0, i->s);
	}
	if (r == 0 && listen(i->fd, (int)i->s->backlog) < 0)
		r = pk_sock_fail(b, i, "listen");
	return r;
}

typedef int each_fn(struct pk_sock_bench *b, struct pk_sock_item *i);

static int each(struct pk_sock_bench *b, each_fn *fn)
{
	int r = 0;

	for (size_t i = 0; i < b->n && r == 0; i++)
		r = fn(b, &b->v[i]);
	return r;
}

static int if_listener(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	return i->s->shape == PK_SOCK_LISTENS ? make_listener(b, i) : 0;
}

static int if_made(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	int r;

	if (i->fd < 0) {
		pk_fail(b->err, PK_E_IMAGE, "record %u", i->o->id);
		return pk_why(b->err, "the socket's other end is missing");
	}
	r = pk_sock_set_options(b, i);
	return r < 0 ? r : fill(b, i);
}

static int finish_one(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	int r = 0;

	leave(i);
	if (i->s->shape == PK_SOCK_LISTENS)
		r = queue_up(b, i);
	return r;
}

/* Neither end is shut down before what is in flight is sent. */
static int find_rights(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct pk_sock_item *peer = peer_of(b, i);

	i->rights = pk_rights_of(b->t, i->o->id);
	if (i->rights)
		i->open = true;
	if (i->rights && peer)
		peer->open = true;
	return 0;
}

static int build(struct pk_sock_bench *b)
{
	int r = each(b, find_rights);

	if (r == 0)
		r = each(b, if_listener);

	if (r == 0)
		r = each(b, make_one);
	if (r == 0)
		r = each(b, if_made);
	if (r == 0)
		r = each(b, connect_dgram);
	if (r == 0)
		r = each(b, finish_one);
	if (r == 0)
		r = each(b, drop_name);
	return r < 0 ? r : each(b, pk_sock_finish);
}

static int make(struct pk_target *t, struct pk_error *err)
{
	return pk_sock_make(t, &type, build, err);
}

static const struct pk_type type = {
	.name = "unixsock",
	.id = 100,
	.size = sizeof(struct pk_sock),
	.fields = pk_sock_fields,
};

const struct pk_kind pk_kind_unixsock = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "Unix sockets with names, options and what is queued; one whose other end is "
		   "outside the job comes back closed there",
	.match = match,
	.collect = collect,
	.check = check,
	.prepare = pk_sock_prepare,
	.make = make,
	.plan = pk_sock_plan,
};
