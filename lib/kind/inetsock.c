/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP and UDP sockets: tcp(7), udp(7). A connection with both ends in the job is made anew, with
 * the same addresses and ports and what is queued at both ends; no privilege is needed for that.
 * What one end has sent and the other could not take yet is let through at the dump, by a larger
 * buffer. A connection that leads outside comes back closed there. UDP sockets are bound and
 * connected again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kind/sock.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static const struct pk_type type;

/* ---- addresses: as those of IPv6, IPv4's mapped */

static struct sockaddr_in6 address(const struct pk_bytes *name)
{
	const struct sockaddr_in6 *six = name->p;
	const struct sockaddr_in *four = name->p;
	struct sockaddr_in6 a = {.sin6_family = AF_INET6};

	if (name->n >= sizeof(*six) && six->sin6_family == AF_INET6) {
		a.sin6_port = six->sin6_port;
		a.sin6_addr = six->sin6_addr;
	} else if (name->n >= sizeof(*four) && four->sin_family == AF_INET) {
		a.sin6_port = four->sin_port;
		if (four->sin_addr.s_addr) {
			a.sin6_addr.s6_addr[10] = a.sin6_addr.s6_addr[11] = 0xff;
			memcpy(a.sin6_addr.s6_addr + 12, &four->sin_addr, 4);
		}
	}
	return a;
}

static bool is_any(const struct sockaddr_in6 *a)
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

	return IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr) || !memcmp(&a->sin6_addr, mapped, 16);
}

static bool equal(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	return a->sin6_port == b->sin6_port &&
	       (!memcmp(&a->sin6_addr, &b->sin6_addr, 16) || (is_any(a) && is_any(b)));
}

/* Whether what is sent to b may arrive at a. */
static bool covers(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	return a->sin6_port == b->sin6_port && (is_any(a) || equal(a, b));
}

static bool is_loopback(const struct sockaddr_in6 *a)
{
	return IN6_IS_ADDR_LOOPBACK(&a->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&a->sin6_addr) && a->sin6_addr.s6_addr[12] == 127);
}

static const char *text_of(const struct pk_bytes *name, char *buf, size_t n)
{
	struct sockaddr_in6 a = address(name);
	char host[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_V4MAPPED(&a.sin6_addr))
		inet_ntop(AF_INET, a.sin6_addr.s6_addr + 12, host, sizeof(host));
	else
		inet_ntop(AF_INET6, &a.sin6_addr, host, sizeof(host));
	snprintf(buf, n, "%s port %u", is_any(&a) ? "any address," : host, ntohs(a.sin6_port));
	return buf;
}

static bool is_tcp(const struct pk_sock *s)
{
	return s->type == SOCK_STREAM;
}

/* ---- dump */

static int get_int(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, level, name, &v, &n) < 0 ? -1 : v;
}

/* A socket looked for by both its addresses, or by its inode. */
struct wanted {
	const struct sockaddr_in6 *from, *to;
	uint32_t ino;
	struct pk_inet_diag found;
	bool is_found;
};

static bool compare(const struct pk_inet_diag *d, void *arg)
{
	struct wanted *w = arg;

	if (w->ino ? d->ino != w->ino : !equal(&d->from, w->from) || !equal(&d->to, w->to))
		return true;
	w->found = *d;
	w->is_found = true;
	return false;
}

static bool find_peer(const struct pk_sock *s, struct pk_inet_diag *ret)
{
	struct sockaddr_in6 from = address(&s->peer_name), to = address(&s->name);
	struct wanted w = {.from = &from, .to = &to};
	struct pk_error none;

	if (pk_diag_inet((int)s->protocol, compare, &w, &none) < 0 || !w.is_found)
		return false;
	*ret = w.found;
	return true;
}

static int family_of(const struct pk_view *v)
{
	return pk_sock_is(v, AF_INET) ? AF_INET : pk_sock_is(v, AF_INET6) ? AF_INET6 : -1;
}

/* A standard stream that leads outside is the restorer's: stdstream.c. */
static bool match(const struct pk_view *v)
{
	int family = family_of(v);
	PK_CLOSE int fd = family < 0 ? -1 : pk_sock_open(v, family);
	struct sockaddr_storage name, peer;
	socklen_t n = sizeof(name), m = sizeof(peer);
	struct pk_inet_diag d;
	struct pk_sock s = {0};

	if (fd < 0)
		return false;
	s.protocol = (uint32_t)get_int(fd, SOL_SOCKET, SO_PROTOCOL);
	if (s.protocol != IPPROTO_TCP && s.protocol != IPPROTO_UDP)
		return false;
	if (v->file->std < 0 || getpeername(fd, (struct sockaddr *)&peer, &m) < 0 ||
		getsockname(fd, (struct sockaddr *)&name, &n) < 0)
		return true;
	s.name = (struct pk_bytes){&name, n};
	s.peer_name = (struct pk_bytes){&peer, m};
	return find_peer(&s, &d) && pk_sock_in_job(v, d.ino);
}

static int refuse_early(const struct pk_view *v, struct pk_error *err)
{
	pk_fail(err, PK_E_TEMPFAIL, "fd %u: bytes sent over a connection that was not accepted",
		v->file->fd);
	pk_why(err, "nobody but the one who will accept it can read them");
	return pk_try(err, "dump again when the program has accepted its connections");
}

/* Clients of a listener: the other ends of what it has not accepted. */
struct clients {
	struct sockaddr_in6 at;
	struct pk_inet_diag *v;
	size_t n;
};

static bool add_embryo(const struct pk_inet_diag *d, void *arg)
{
	struct clients *c = arg;
	void *v;

	if (d->ino || (d->state != TCP_ESTABLISHED && d->state != TCP_CLOSE_WAIT) ||
		!covers(&c->at, &d->from))
		return true;
	v = reallocarray(c->v, c->n + 1, sizeof(*c->v));
	if (v) {
		c->v = v;
		c->v[c->n++] = *d;
	}
	return v;
}

static int collect_client(struct pk_view *v, struct pk_sock *s, const struct pk_inet_diag *embryo,
	struct pk_error *err)
{
	struct wanted w = {.from = &embryo->to, .to = &embryo->from};
	struct pk_sock_pending *p;
	int r = pk_diag_inet(IPPROTO_TCP, compare, &w, err);

	if (r < 0)
		return r;
	if (!w.is_found || !pk_sock_in_job(v, w.found.ino))
		return pk_sock_outside(
			v, s, "a client that waits to be accepted by this socket", err);
	if (embryo->rqueue)
		return refuse_early(v, err);
	p = pk_sock_add_pending(s);
	if (!p)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	p->ino = w.found.ino;
	return 0;
}

/* The kernel does not tell who came first; their sockets were most likely made in that order. */
static int by_age(const void *a, const void *b)
{
	const struct pk_sock_pending *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static int collect_listener(
	struct pk_view *v, struct pk_sock *s, const struct pk_inet_diag *own, struct pk_error *err)
{
	struct clients c = {.at = address(&s->name)};
	int r = pk_diag_inet(IPPROTO_TCP, add_embryo, &c, err);

	s->shape = PK_SOCK_LISTENS;
	s->backlog = own->wqueue;
	for (size_t i = 0; i < c.n && r == 0; i++)
		r = collect_client(v, s, &c.v[i], err);
	free(c.v);
	if (s->pending.n)
		qsort(s->pending.p, s->pending.n, sizeof(struct pk_sock_pending), by_age);
	return r;
}

/* The listener of the job that has not accepted the connection yet. */
static uint64_t listener_in_job(const struct pk_view *v, const struct pk_sock *s)
{
	const struct pk_open_fds *all = v->src->open;
	struct sockaddr_in6 to = address(&s->peer_name);

	for (size_t i = 0; i < all->n; i++) {
		struct pk_view one = {.src = all->v[i].src, .file = &all->v[i].view};
		PK_CLOSE int fd = family_of(&one) < 0 ? -1 : pk_sock_open(&one, family_of(&one));
		struct sockaddr_storage name;
		socklen_t n = sizeof(name);
		struct sockaddr_in6 at;

		if (fd < 0 || get_int(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
			getsockname(fd, (struct sockaddr *)&name, &n) < 0)
			continue;
		at = address(&(struct pk_bytes){&name, n});
		if (covers(&at, &to))
			return all->v[i].view.st.st_ino;
	}
	return 0;
}

/* Who is at the other end? */
static int collect_peer(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err)
{
	struct sockaddr_in6 to = address(&s->peer_name), from = address(&s->name);
	struct pk_inet_diag d;
	int sent = 0;

	s->shape = PK_SOCK_LEFT;
	if (!find_peer(s, &d))
		return is_loopback(&to) || !memcmp(&to.sin6_addr, &from.sin6_addr, 16)
			       ? 0
			       : pk_sock_outside(v, s, "the other end of this connection", err);
	if (d.ino && !pk_sock_in_job(v, d.ino))
		return pk_sock_outside(v, s, "the other end of this connection", err);
	if (d.ino) {
		s->shape = PK_SOCK_CONNECTED;
		s->peer = d.ino;
		return 0;
	}
	if (d.state != TCP_ESTABLISHED && d.state != TCP_CLOSE_WAIT)
		return 0;
	s->peer = listener_in_job(v, s);
	if (!s->peer)
		return pk_sock_outside(v, s, "the other end of this connection", err);
	if (d.rqueue || ioctl(fd, SIOCOUTQ, &sent) < 0 || sent)
		return refuse_early(v, err);
	s->shape = PK_SOCK_PENDING;
	return 0;
}

/* A duplicate of the job's socket with this inode. */
static int open_ino(const struct pk_view *v, uint64_t ino, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;

	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].view.st.st_ino == ino && S_ISSOCK(all->v[i].view.st.st_mode))
			return pk_source_getfd(all->v[i].src, all->v[i].view.fd, err);
	return pk_fail(err, PK_E_INTERNAL, "socket %lu", (unsigned long)ino);
}

/*
 * Take what the other end has sent but could not deliver: as the program may ask for more at once
 * (SO_RCVLOWAT), the kernel makes the buffer larger, and tells the sender when one looks at it.
 */
static void take_more(int fd)
{
	int most = INT32_MAX, quick = 1, old = get_int(fd, SOL_SOCKET, SO_RCVLOWAT);
	char c;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &most, sizeof(most));
	(void)!recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &old, sizeof(old));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof(quick));
}

static int take_all(struct pk_view *v, int fd, const struct pk_sock *s, struct pk_error *err)
{
	PK_CLOSE int peer = s->shape == PK_SOCK_CONNECTED ? open_ino(v, s->peer, err) : -1;
	struct timespec ms = {.tv_nsec = 1000000};
	int left = 0;

	if (s->shape != PK_SOCK_CONNECTED)
		return 0;
	if (peer < 0)
		return -err->class;
	for (int i = 0; i < 300; i++) {
		if (ioctl(peer, SIOCOUTQ, &left) < 0 || !left)
			return 0;
		if (!s->reset)
			take_more(fd);
		if (i)
			nanosleep(&ms, NULL);
	}
	pk_fail(err, PK_E_TEMPFAIL, "fd %u: %d bytes on their way to this socket", v->file->fd,
		left);
	pk_why(err, "they do not fit into its buffer, and the sender's cannot be read");
	return pk_try(err, "dump again when the program has read, or raise net.ipv4.tcp_rmem");
}

static uint32_t halves(int fd, int state)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};
	uint32_t shut = poll(&p, 1, 0) > 0 && p.revents & POLLRDHUP ? 1 : 0;

	if (state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSING ||
		state == TCP_LAST_ACK || state == TCP_TIME_WAIT || (state == TCP_CLOSE && shut))
		shut |= 2;
	return shut;
}

static int collect_tcp(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err)
{
	struct wanted own = {.ino = (uint32_t)s->ino};
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);
	int r;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
		return pk_fail_errno(err, "fd %u: socket", v->file->fd);
	if (info.tcpi_state == TCP_LISTEN) {
		r = pk_diag_inet(IPPROTO_TCP, compare, &own, err);
		return r < 0 ? r : collect_listener(v, s, &own.found, err);
	}
	s->shut = halves(fd, info.tcpi_state);
	if (info.tcpi_state == TCP_CLOSE) {
		s->shape = s->shut == 3 || s->reset ? PK_SOCK_LEFT : PK_SOCK_PLAIN;
		return s->shape == PK_SOCK_LEFT ? pk_sock_collect_queue(v, fd, s, NULL, err) : 0;
	}
	if (info.tcpi_state == TCP_SYN_SENT || info.tcpi_state == TCP_SYN_RECV) {
		s->shape = PK_SOCK_LEFT;
		return pk_sock_outside(v, s, "where this socket is being connected to", err);
	}
	r = collect_peer(v, fd, s, err);
	if (r == 0)
		r = take_all(v, fd, s, err);
	return r < 0 ? r : pk_sock_collect_queue(v, fd, s, NULL, err);
}

static int collect_udp(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err)
{
	struct wanted own = {.ino = (uint32_t)s->ino};
	int r = pk_diag_inet(IPPROTO_UDP, compare, &own, err);

	if (r < 0)
		return r;
	if (own.is_found && own.found.shut > 0)
		s->shut = (uint32_t)own.found.shut;
	return pk_sock_collect_queue(v, fd, s, NULL, err);
}

static int refuse_ulp(const struct pk_view *v, int fd, struct pk_error *err)
{
	char name[16] = "";
	socklen_t n = sizeof(name);

	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &n) < 0 || !n || !name[0])
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: socket with %.15s in the kernel", v->file->fd, name);
	pk_why(err, "its keys and its place in the stream cannot be rebuilt");
	return pk_try(err, "switch that off in the program or its library");
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	struct pk_sock *s = obj;
	int r = fd < 0 ? -err->class : pk_sock_collect(v, fd, s, err);

	if (r == 0 && is_tcp(s))
		r = refuse_ulp(v, fd, err);
	if (r < 0)
		return r;
	return is_tcp(s) ? collect_tcp(v, fd, s, err) : collect_udp(v, fd, s, err);
}

/* Connections that end by a reset leave nothing that holds their ports for a minute. */
static void doom(const struct pk_view *v)
{
	const struct pk_obj *o = pk_model_find(v->src->model, v->id, &type);
	const struct pk_sock *s = o ? o->data : NULL;
	const struct linger now = {1, 0};
	struct pk_error none;
	PK_CLOSE int fd = -1;

	if (!s || !is_tcp(s) || s->outside || s->shape == PK_SOCK_LISTENS ||
		s->shape == PK_SOCK_PLAIN)
		return;
	fd = pk_source_getfd(v->src, v->file->fd, &none);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* ---- restore: are the ports free? */

struct rival {
	const struct pk_sock *s;
	struct sockaddr_in6 name, peer_name;
	bool connected, shares;
	uint32_t ino, uid;
};

static bool is_rival(const struct pk_inet_diag *d, void *arg)
{
	struct rival *r = arg;
	bool found = false;

	if (r->connected)
		found = d->ino && equal(&d->from, &r->name) && equal(&d->to, &r->peer_name);
	else if (!is_tcp(r->s) || d->state == TCP_LISTEN)
		found = !r->shares && (covers(&d->from, &r->name) || covers(&r->name, &d->from));
	if (found && d->ino)
		r->ino = d->ino;
	return !r->ino;
}

static bool has_option(const struct pk_sock *s, uint32_t name)
{
	const struct pk_sock_opt *v = s->opt.p;

	for (size_t i = 0; i < s->opt.n; i++)
		if (v[i].level == SOL_SOCKET && v[i].name == name)
			return true;
	return false;
}

static bool named(const struct pk_sock *s)
{
	struct sockaddr_in6 a = address(&s->name);

	return a.sin6_port && s->name.n <= sizeof(struct sockaddr_storage);
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct pk_sock *s = o->data;
	struct rival r = {.s = s,
		.name = address(&s->name),
		.peer_name = address(&s->peer_name),
		.connected = s->shape == PK_SOCK_CONNECTED || s->shape == PK_SOCK_PENDING ||
			     s->shape == PK_SOCK_LEFT,
		.shares =
			has_option(s, SO_REUSEPORT) || (!is_tcp(s) && has_option(s, SO_REUSEADDR))};
	char at[100], who[100];
	struct pk_error err = {0};
	int e = 0;

	if (s->outside || !named(s) || (is_tcp(s) && s->shape == PK_SOCK_PLAIN))
		return;
	e = pk_diag_inet(is_tcp(s) ? IPPROTO_TCP : IPPROTO_UDP, is_rival, &r, &err);
	if (e == 0 && r.ino) {
		pk_fail(&err, PK_E_TEMPFAIL, "%s %s is taken by %s", is_tcp(s) ? "TCP" : "UDP",
			text_of(&s->name, at, sizeof(at)), pk_diag_owner(r.ino, who, sizeof(who)));
		pk_why(&err, "the program had a socket there");
		e = pk_try(&err, "end that process, then restore again");
	}
	if (e < 0)
		pk_report_add(&t->report, &err);
}

/* ---- restore: make them */

static void set_int(int fd, int level, int name, int v)
{
	(void)setsockopt(fd, level, name, &v, sizeof(v));
}

static int new_socket(const struct pk_sock *s)
{
	int fd = socket((int)s->family, (int)s->type | SOCK_CLOEXEC, (int)s->protocol);

	if (fd >= 0)
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return fd;
}

static int begin(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	i->fd = new_socket(i->s);
	if (i->fd < 0)
		return pk_sock_fail(b, i, "cannot be made");
	pk_sock_set_early(i, IPPROTO_IPV6, IPV6_V6ONLY);
	pk_sock_set_early(i, SOL_SOCKET, SO_REUSEPORT);
	pk_sock_set_early(i, SOL_SOCKET, SO_BINDTODEVICE);
	pk_sock_set_early(i, IPPROTO_IP, IP_FREEBIND);
	pk_sock_set_early(i, IPPROTO_IP, IP_TRANSPARENT);
	pk_sock_set_early(i, IPPROTO_IPV6, IPV6_FREEBIND);
	return 0;
}

/* Connections that have ended and still hold a port for a minute (TIME_WAIT). */
struct remains {
	struct sockaddr_in6 at;
	struct pk_inet_diag *v;
	size_t n;
};

static bool add_remains(const struct pk_inet_diag *d, void *arg)
{
	struct remains *w = arg;
	void *v;

	if (d->state != TCP_TIME_WAIT || d->from.sin6_port != w->at.sin6_port ||
		(!covers(&w->at, &d->from) && !is_any(&d->from)))
		return true;
	v = reallocarray(w->v, w->n + 1, sizeof(*w->v));
	if (v) {
		w->v = v;
		w->v[w->n++] = *d;
	}
	return v;
}

static socklen_t native(const struct sockaddr_in6 *a, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret, a, sizeof(*a));
	if (!IN6_IS_ADDR_V4MAPPED(&a->sin6_addr))
		return sizeof(*a);
	memset(ret, 0, sizeof(*ret));
	four->sin_family = AF_INET;
	four->sin_port = a->sin6_port;
	memcpy(&four->sin_addr, a->sin6_addr.s6_addr + 12, 4);
	return sizeof(*four);
}

/*
 * Take the other end's name. If that end is not forgotten either, only somebody who may repair
 * connections can bind to it; else connect(2) may choose that port if no program had bound to it.
 */
static void take_port(int fd, const struct sockaddr_storage *name, socklen_t n)
{
	uint32_t port = ntohs(((const struct sockaddr_in *)name)->sin_port);
	uint32_t range = port << 16 | port;

	if (bind(fd, (const struct sockaddr *)name, n) == 0)
		return;
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
	if (bind(fd, (const struct sockaddr *)name, n) < 0)
		(void)setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
	set_int(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
}

/*
 * One that was between two addresses of this host is forgotten at once when its other end begins
 * anew: it answers with what it knows, is told by a reset that nobody knows of that, and goes
 * (RFC 1337). Nothing listens at the port, or it could not be bound later either. An other end that
 * is remembered as well can begin anew after a second (tcp_tw_reuse).
 */
static void end_remains(const struct pk_inet_diag *d)
{
	struct sockaddr_storage from, to;
	socklen_t n = native(&d->from, &from), m = native(&d->to, &to);
	PK_CLOSE int fd = socket(from.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	take_port(fd, &to, m);
	(void)connect(fd, (struct sockaddr *)&from, n);
}

static void free_port(const struct pk_bytes *name)
{
	struct remains w = {.at = address(name)};
	struct pk_error none;

	if (pk_diag_inet(IPPROTO_TCP, add_remains, &w, &none) == 0)
		for (size_t i = 0; i < w.n; i++)
			end_remains(&w.v[i]);
	free(w.v);
}

/* Where something else holds the port for a moment, or a connection that has ended does. */
static int bind_patiently(int fd, const struct pk_sock *s, const struct pk_bytes *name)
{
	struct timespec some = {.tv_nsec = 100000000};
	char at[100];
	int r;

	for (int i = 0; i < 620; i++) {
		r = bind(fd, name->p, (socklen_t)name->n);
		if (r == 0 || errno != EADDRINUSE)
			break;
		if (i < 20 && is_tcp(s))
			free_port(name);
		if (i == 20)
			pk_log(PK_LOG_WARN, "waiting up to a minute for %s, which is in use",
				text_of(name, at, sizeof(at)));
		if (i > 0)
			nanosleep(&some, NULL);
	}
	return r;
}

static int fail_at(struct pk_sock_bench *b, struct pk_sock_item *i, const struct pk_bytes *name)
{
	char at[100], what[160];

	snprintf(what, sizeof(what), "%s %s", is_tcp(i->s) ? "TCP" : "UDP",
		text_of(name, at, sizeof(at)));
	return pk_sock_fail(b, i, what);
}

static int make_bound(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	int r = begin(b, i);

	if (r < 0 || !named(i->s))
		return r;
	if (!is_tcp(i->s) && !has_option(i->s, SO_REUSEADDR))
		set_int(i->fd, SOL_SOCKET, SO_REUSEADDR, 0);
	return bind_patiently(i->fd, i->s, &i->s->name) < 0 ? fail_at(b, i, &i->s->name) : 0;
}

static int make_listener(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	int r;

	if (i->s->shape != PK_SOCK_LISTENS)
		return 0;
	r = make_bound(b, i);
	return r == 0 && listen(i->fd, 4096) < 0 ? fail_at(b, i, &i->s->name) : r;
}

static bool is_at(int fd, const struct pk_bytes *name)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);
	struct sockaddr_in6 x, y = address(name);

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return false;
	x = address(&(struct pk_bytes){&a, n});
	return equal(&x, &y);
}

/*
 * Let connect(2) choose from a range that has this port only (6.3): then a connection of before
 * that has ended, and is not quite forgotten, is not in the way. The address is what the kernel
 * chooses, as it nearly always was.
 */
static int connect_in_range(int fd, const struct pk_bytes *name, const struct pk_bytes *to)
{
	struct sockaddr_in6 a = address(name);
	uint32_t port = ntohs(a.sin6_port), range = port << 16 | port, none = 0;
	struct timespec some = {.tv_nsec = 100000000};
	int r = -1;

	if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) < 0)
		return -1;
	for (int i = 0; i < 25; i++) {
		r = connect(fd, to->p, (socklen_t)to->n);
		if (r == 0 || errno != EADDRNOTAVAIL)
			break;
		nanosleep(&some, NULL);
	}
	(void)setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &none, sizeof(none));
	return r == 0 && is_at(fd, name) ? 0 : -1;
}

/* A connection from one name to another; *fd is a socket of the same sort as i's. */
static int connect_from(struct pk_sock_bench *b, struct pk_sock_item *i, int *fd,
	const struct pk_bytes *name, const struct pk_bytes *to)
{
	*fd = new_socket(i->s);
	if (*fd >= 0 && connect_in_range(*fd, name, to) == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = new_socket(i->s);
	if (*fd < 0)
		return pk_sock_fail(b, i, "cannot be made");
	if (bind_patiently(*fd, i->s, name) < 0)
		return fail_at(b, i, name);
	return connect(*fd, to->p, (socklen_t)to->n) < 0 ? fail_at(b, i, to) : 0;
}

static struct pk_sock_item *listener_of(struct pk_sock_bench *b, const struct pk_bytes *name)
{
	struct sockaddr_in6 to = address(name);

	for (size_t i = 0; i < b->n; i++) {
		struct sockaddr_in6 at = address(&b->v[i].s->name);

		if (b->v[i].s->shape == PK_SOCK_LISTENS && covers(&at, &to))
			return &b->v[i];
	}
	return NULL;
}

/* Anybody may connect to a listener: only the expected one is taken. */
static int accept_from(int listener, const struct pk_bytes *peer)
{
	struct sockaddr_in6 want = address(peer);

	for (;;) {
		struct sockaddr_storage a;
		socklen_t n = sizeof(a);
		int fd = accept4(listener, (struct sockaddr *)&a, &n, SOCK_CLOEXEC);
		struct sockaddr_in6 found;

		if (fd < 0)
			return fd;
		found = address(&(struct pk_bytes){&a, n});
		if (equal(&found, &want))
			return fd;
		close(fd);
	}
}

/* The pair of descriptors of a connection with the names of `i`, which is the accepted end. */
static int connect_names(struct pk_sock_bench *b, struct pk_sock_item *i,
	const struct pk_bytes *server, const struct pk_bytes *client, int *ret_server,
	int *ret_client)
{
	struct pk_sock_item *l = listener_of(b, server);
	PK_CLOSE int own = -1;
	int r;

	if (!l) {
		own = new_socket(i->s);
		if (own < 0 || bind_patiently(own, i->s, server) < 0 || listen(own, 1) < 0)
			return fail_at(b, i, server);
	}
	r = connect_from(b, i, ret_client, client, server);
	if (r < 0)
		return r;
	*ret_server = accept_from(l ? l->fd : own, client);
	return *ret_server < 0 ? fail_at(b, i, server) : 0;
}

static struct pk_sock_item *peer_of(const struct pk_sock_bench *b, const struct pk_sock_item *i)
{
	struct pk_sock_item *peer =
		i->s->shape == PK_SOCK_CONNECTED ? pk_sock_find(b, i->s->peer) : NULL;

	return peer != i ? peer : NULL;
}

static int *end_of(const struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct pk_sock_item *peer = peer_of(b, i);

	return peer ? &peer->fd : &i->far;
}

/* Which end was accepted: where a listener is, else that with the lower port. */
static bool is_accepted(struct pk_sock_bench *b, const struct pk_sock *s)
{
	struct sockaddr_in6 name = address(&s->name), peer = address(&s->peer_name);

	if (listener_of(b, &s->name))
		return true;
	return !listener_of(b, &s->peer_name) && ntohs(name.sin6_port) < ntohs(peer.sin6_port);
}

static int make_connected(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_bytes *name = &i->s->name, *peer = &i->s->peer_name;
	int *far = end_of(b, i);

	if (i->fd >= 0)
		return 0;
	if (is_accepted(b, i->s))
		return connect_names(b, i, name, peer, &i->fd, far);
	return connect_names(b, i, peer, name, far, &i->fd);
}

/* A connection whose other end is gone, whatever it was called. */
static int make_any(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct sockaddr_storage a = {.ss_family = (sa_family_t)i->s->family};
	PK_CLOSE int listener = new_socket(i->s);
	socklen_t n = sizeof(a);

	if (i->s->family == AF_INET6)
		((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_loopback;
	else
		((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	i->fd = new_socket(i->s);
	if (listener < 0 || i->fd < 0 ||
		bind(listener, (struct sockaddr *)&a,
			i->s->family == AF_INET6 ? sizeof(struct sockaddr_in6)
						 : sizeof(struct sockaddr_in)) < 0 ||
		listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&a, &n) < 0 ||
		connect(i->fd, (struct sockaddr *)&a, n) < 0)
		return pk_sock_fail(b, i, "cannot be made");
	i->far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return i->far < 0 ? pk_sock_fail(b, i, "cannot be made") : 0;
}

static bool good_names(const struct pk_sock *s)
{
	return named(s) && s->peer_name.n && s->peer_name.n <= sizeof(struct sockaddr_storage) &&
	       s->peer_name.n == s->name.n;
}

static int make_one(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	switch (i->s->shape) {
	case PK_SOCK_LISTENS:
	case PK_SOCK_PENDING:
		return 0;
	case PK_SOCK_LEFT:
		return i->s->outside || !good_names(i->s) ? make_any(b, i) : make_connected(b, i);
	case PK_SOCK_CONNECTED:
		return good_names(i->s) ? make_connected(b, i) : 0;
	default:
		return make_bound(b, i);
	}
}

/* Its clients that wait come in the order in which they came. */
static int queue_up(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock_pending *p = i->s->pending.p;
	int r = 0;

	for (size_t k = 0; k < i->s->pending.n && r == 0; k++) {
		struct pk_sock_item *c = pk_sock_find(b, p[k].ino);

		if (c && c->s->shape == PK_SOCK_PENDING && c->fd < 0 && good_names(c->s))
			r = connect_from(b, c, &c->fd, &c->s->name, &c->s->peer_name);
	}
	return r;
}

static int if_listener(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	return i->s->shape == PK_SOCK_LISTENS ? queue_up(b, i) : 0;
}

static int set_options(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	if (i->fd >= 0)
		return pk_sock_set_options(b, i);
	pk_fail(b->err, PK_E_IMAGE, "record %u", i->o->id);
	return pk_why(b->err, "the socket's other end is missing");
}

static int fill_stream(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock_packet *p = i->s->queue.p;
	int from = *end_of(b, i), tries = 0;
	size_t at = 0;

	while (i->s->queue.n && at < p->data.n) {
		ssize_t n = send(from, (const char *)p->data.p + at, p->data.n - at,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		struct pollfd w = {.fd = from, .events = POLLOUT};

		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		if (errno != EAGAIN || tries++ > 100)
			return pk_sock_fail(b, i, "what was queued in it does not fit");
		take_more(i->fd);
		poll(&w, 1, 20);
	}
	return 0;
}

/* The job's socket that sent a packet. */
static int sender_of(struct pk_sock_bench *b, const struct pk_bytes *from)
{
	struct sockaddr_in6 a = address(from);

	for (size_t k = 0; k < b->n; k++) {
		struct sockaddr_in6 at = address(&b->v[k].s->name);

		if (!is_tcp(b->v[k].s) && b->v[k].fd >= 0 && covers(&at, &a))
			return b->v[k].fd;
	}
	return -1;
}

/* Where a packet has to be sent to arrive at a socket that may listen at any address. */
static struct pk_bytes reach(const struct pk_sock *s, struct sockaddr_storage *buf)
{
	struct sockaddr_in6 a = address(&s->name);

	memset(buf, 0, sizeof(*buf));
	memcpy(buf, s->name.p, s->name.n);
	if (is_any(&a) && s->family == AF_INET)
		((struct sockaddr_in *)buf)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (is_any(&a))
		((struct sockaddr_in6 *)buf)->sin6_addr = in6addr_loopback;
	return (struct pk_bytes){buf, s->name.n};
}

static int fill_dgram(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock_packet *p = i->s->queue.p;
	unsigned lost = 0;

	for (size_t k = 0; k < i->s->queue.n; k++) {
		PK_CLOSE int other = -1;
		struct sockaddr_storage buf;
		struct pk_bytes to = reach(i->s, &buf);
		int from = sender_of(b, &p[k].from);

		if (from < 0) {
			from = other = new_socket(i->s);
			if (from >= 0 && bind(from, p[k].from.p, (socklen_t)p[k].from.n) < 0)
				from = -1;
		}
		if (from < 0 || sendto(from, p[k].data.p, p[k].data.n, MSG_DONTWAIT, to.p,
					(socklen_t)to.n) < 0)
			lost++;
	}
	if (lost)
		pk_log(PK_LOG_WARN,
			"%u datagrams that the program had not read yet are lost: their sender is "
			"not here",
			lost);
	return 0;
}

static int fill(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	if (is_tcp(i->s))
		return *end_of(b, i) >= 0 ? fill_stream(b, i) : 0;
	return named(i->s) ? fill_dgram(b, i) : 0;
}

/* Datagram sockets take from everybody before they are connected. */
static int connect_dgram(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_bytes *to = &i->s->peer_name;
	char at[100];

	(void)b;
	if (is_tcp(i->s) || !to->n || connect(i->fd, to->p, (socklen_t)to->n) == 0)
		return 0;
	pk_log(PK_LOG_WARN, "UDP %s could not be connected again: %s", text_of(to, at, sizeof(at)),
		strerror(errno));
	return 0;
}

static int finish(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct linger now = {1, 0};
	int none;
	socklen_t n = sizeof(none);

	if (i->far >= 0 && (i->s->reset || i->s->shut == 3))
		(void)setsockopt(i->far, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (i->far >= 0)
		close(i->far);
	if (i->far >= 0 && i->s->shut == 3 && !i->s->reset)
		(void)getsockopt(i->fd, SOL_SOCKET, SO_ERROR, &none, &n);
	i->far = -1;
	if (i->s->shape == PK_SOCK_LISTENS && listen(i->fd, (int)i->s->backlog) < 0)
		return pk_sock_fail(b, i, "listen");
	return pk_sock_finish(b, i);
}

typedef int each_fn(struct pk_sock_bench *b, struct pk_sock_item *i);

static int build(struct pk_sock_bench *b)
{
	static each_fn *const steps[] = {
		make_listener, make_one, if_listener, set_options, fill, connect_dgram, finish};
	int r = 0;

	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++)
		for (size_t i = 0; i < b->n && r == 0; i++)
			r = steps[s](b, &b->v[i]);
	return r;
}

static int make(struct pk_target *t, struct pk_error *err)
{
	return pk_sock_make(t, &type, build, err);
}

static const struct pk_type type = {
	.name = "inetsock",
	.id = 101,
	.size = sizeof(struct pk_sock),
	.fields = pk_sock_fields,
};

const struct pk_kind pk_kind_inetsock = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "TCP and UDP sockets; TCP connections with both ends in the job, with what is "
		   "queued; others come back closed by the other end. Multicast groups are not "
		   "joined again",
	.match = match,
	.collect = collect,
	.doom = doom,
	.check = check,
	.prepare = pk_sock_prepare,
	.make = make,
	.plan = pk_sock_plan,
};
