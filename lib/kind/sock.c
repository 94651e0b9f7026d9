/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/log.h"

#define MAX_VALUE  128
#define MAX_PACKET (64u << 20)
#define MAX_RIGHTS 253 /* SCM_MAX_FD */

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

/* Options that may be set again as they are read. */
static const struct option {
	int family, protocol; /* 0: any */
	int level, name;
	const char *text;
} options[] = {
#define O(family, protocol, level, name)                                                           \
	{                                                                                          \
		family, protocol, level, name, #name                                               \
	}
	O(0, 0, SOL_SOCKET, SO_REUSEADDR),
	O(0, 0, SOL_SOCKET, SO_REUSEPORT),
	O(0, 0, SOL_SOCKET, SO_BINDTODEVICE),
	O(0, 0, SOL_SOCKET, SO_DONTROUTE),
	O(0, 0, SOL_SOCKET, SO_BROADCAST),
	O(0, 0, SOL_SOCKET, SO_KEEPALIVE),
	O(0, 0, SOL_SOCKET, SO_OOBINLINE),
	O(AF_INET, 0, IPPROTO_IP, IP_TOS), /* changes the priority */
	O(0, 0, SOL_SOCKET, SO_PRIORITY),
	O(0, 0, SOL_SOCKET, SO_LINGER),
	O(0, 0, SOL_SOCKET, SO_PASSCRED),
	O(0, 0, SOL_SOCKET, SO_PASSSEC),
	O(0, 0, SOL_SOCKET, SO_PASSPIDFD),
	O(0, 0, SOL_SOCKET, SO_RCVTIMEO),
	O(0, 0, SOL_SOCKET, SO_SNDTIMEO),
	O(0, 0, SOL_SOCKET, SO_TIMESTAMP),
	O(0, 0, SOL_SOCKET, SO_TIMESTAMPNS),
	O(0, 0, SOL_SOCKET, SO_TIMESTAMPING),
	O(0, 0, SOL_SOCKET, SO_MARK),
	O(0, 0, SOL_SOCKET, SO_RXQ_OVFL),
	O(0, 0, SOL_SOCKET, SO_PEEK_OFF),
	O(0, 0, SOL_SOCKET, SO_SELECT_ERR_QUEUE),
	O(0, 0, SOL_SOCKET, SO_BUSY_POLL),
	O(0, 0, SOL_SOCKET, SO_MAX_PACING_RATE),
	O(0, 0, SOL_SOCKET, SO_ZEROCOPY),
	O(0, 0, SOL_SOCKET, SO_RCVBUF),
	O(0, 0, SOL_SOCKET, SO_SNDBUF),
	O(0, 0, SOL_SOCKET, SO_RCVLOWAT), /* after the buffer's size */
	O(AF_INET, 0, IPPROTO_IP, IP_TTL),
	O(AF_INET, 0, IPPROTO_IP, IP_PKTINFO),
	O(AF_INET, 0, IPPROTO_IP, IP_MTU_DISCOVER),
	O(AF_INET, 0, IPPROTO_IP, IP_RECVERR),
	O(AF_INET, 0, IPPROTO_IP, IP_RECVTTL),
	O(AF_INET, 0, IPPROTO_IP, IP_RECVTOS),
	O(AF_INET, 0, IPPROTO_IP, IP_FREEBIND),
	O(AF_INET, 0, IPPROTO_IP, IP_TRANSPARENT),
	O(AF_INET, 0, IPPROTO_IP, IP_MINTTL),
	O(AF_INET, 0, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	O(AF_INET, 0, IPPROTO_IP, IP_MULTICAST_IF),
	O(AF_INET, 0, IPPROTO_IP, IP_MULTICAST_TTL),
	O(AF_INET, 0, IPPROTO_IP, IP_MULTICAST_LOOP),
	O(AF_INET, 0, IPPROTO_IP, IP_MULTICAST_ALL),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_V6ONLY),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_MULTICAST_IF),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVERR),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVPKTINFO),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_RECVTCLASS),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_TCLASS),
	O(AF_INET6, 0, IPPROTO_IPV6, IPV6_FREEBIND),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_NODELAY),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_CORK),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_KEEPIDLE),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_KEEPINTVL),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_KEEPCNT),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_SYNCNT),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_LINGER2),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_DEFER_ACCEPT),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_CONGESTION),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_USER_TIMEOUT),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_FASTOPEN),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	O(0, IPPROTO_TCP, IPPROTO_TCP, TCP_INQ),
	O(0, IPPROTO_UDP, IPPROTO_UDP, UDP_CORK),
	O(0, IPPROTO_UDP, IPPROTO_UDP, UDP_SEGMENT),
	O(0, IPPROTO_UDP, IPPROTO_UDP, UDP_GRO),
#undef O
};
#define N_OPTIONS (sizeof(options) / sizeof(*options))

struct value {
	socklen_t n; /* 0: there is no such option */
	char p[MAX_VALUE];
};

static void get_option(int fd, const struct option *o, struct value *ret)
{
	ret->n = sizeof(ret->p);
	if (getsockopt(fd, o->level, o->name, ret->p, &ret->n) < 0 || ret->n > sizeof(ret->p))
		ret->n = 0;
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

static bool concerns(const struct option *o, const struct pk_sock *s)
{
	/* What an IPv6 socket does with IPv4 has options of its own. */
	bool v4 = o->family == AF_INET && s->family == AF_INET6;

	return (!o->family || o->family == (int)s->family || v4) &&
	       (!o->protocol || o->protocol == (int)s->protocol);
}

static const struct pk_sock_opt *recorded(const struct pk_sock *s, uint32_t level, uint32_t name)
{
	const struct pk_sock_opt *v = s->opt.p;

	for (size_t i = 0; i < s->opt.n; i++)
		if (v[i].level == level && v[i].name == name)
			return &v[i];
	return NULL;
}

#define P struct pk_sock_opt
static const struct pk_type opt_type = {
	.name = "option",
	.size = sizeof(P),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(P, 1, PK_F_U32, level, "setsockopt(2)"),
			PK_FIELD(P, 2, PK_F_U32, name, "the same"),
			PK_FIELD(P, 3, PK_F_BYTES, value, "as getsockopt(2) gives it"),
			PK_FIELD_END,
		},
};
#undef P

#define P struct pk_sock_packet
static const struct pk_type packet_type = {
	.name = "packet",
	.size = sizeof(P),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(P, 1, PK_F_BYTES, data, "its bytes"),
			PK_FIELD(P, 2, PK_F_BYTES, from, "struct sockaddr of the sender"),
			PK_FIELD(P, 3, PK_F_I32, pid,
				"process that sent it, if the receiver asked for that"),
			PK_FIELD_END,
		},
};
#undef P

#define P struct pk_sock_pending
static const struct pk_type pending_type = {
	.name = "pending connection",
	.size = sizeof(P),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(P, 1, PK_F_U64, ino, "number of the client's socket"),
			PK_FIELD_END,
		},
};
#undef P

#define S struct pk_sock
const struct pk_field pk_sock_fields[] = {
	PK_FIELD(S, 1, PK_F_U64, ino, "its number, by which others name it"),
	PK_FIELD(S, 2, PK_F_U32, family, "socket(2)"),
	PK_FIELD(S, 3, PK_F_U32, type, "socket(2)"),
	PK_FIELD(S, 4, PK_F_U32, protocol, "socket(2)"),
	PK_FIELD(S, 5, PK_F_U32, flags, "open(2) flags"),
	PK_FIELD(S, 6, PK_F_U32, shape,
		"0: not connected, or by name only; 1: listens; 2: connected with `peer`; 3: the "
		"other end is gone or outside the job; 4: connected, not yet accepted by listener "
		"`peer`"),
	PK_FIELD(S, 7, PK_F_U64, peer, "number of the other end, or of the listener"),
	PK_FIELD(S, 8, PK_F_U32, outside, "1: the other end is not in the job"),
	PK_FIELD(S, 9, PK_F_U32, reset, "1: an error waits to be reported"),
	PK_FIELD(S, 10, PK_F_U32, shut, "1: shut down for reading, 2: for writing"),
	PK_FIELD(S, 11, PK_F_BYTES, name, "struct sockaddr of getsockname(2); empty: none"),
	PK_FIELD(S, 12, PK_F_BYTES, peer_name, "the same of getpeername(2)"),
	PK_FIELD(S, 13, PK_F_U32, backlog, "listen(2)"),
	PK_FIELD_LIST(S, 14, pending, &pending_type, "connections that wait to be accepted"),
	PK_FIELD_LIST(S, 15, opt, &opt_type, "options that are not as in a new socket"),
	PK_FIELD_LIST(S, 16, queue, &packet_type,
		"what has arrived and was not read; of a stream one for all"),
	PK_FIELD(S, 17, PK_F_I32, cred_pid, "SO_PEERCRED: process"),
	PK_FIELD(S, 18, PK_F_STR, dir, "directory from which a relative name was bound"),
	PK_FIELD(S, 19, PK_F_U64, file_ino,
		"inode under its name in a file system; 0: it is not there"),
	PK_FIELD(S, 20, PK_F_U32, file_mode, "permissions of that"),
	PK_FIELD_END,
};
#undef S

bool pk_sock_streams(const struct pk_sock *s)
{
	return s->type == SOCK_STREAM;
}

struct pk_sock_pending *pk_sock_add_pending(struct pk_sock *s)
{
	return pk_list_add(&s->pending, &pending_type);
}

/* ---- dump */

static int get_int(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, level, name, &v, &n) < 0 ? -1 : v;
}

int pk_sock_open(const struct pk_view *v, int family)
{
	struct pk_error none;
	int fd;

	if (!S_ISSOCK(v->file->st.st_mode))
		return -1;
	fd = pk_source_getfd(v->src, v->file->fd, &none);
	if (fd < 0 || get_int(fd, SOL_SOCKET, SO_DOMAIN) == family)
		return fd;
	close(fd);
	return -1;
}

bool pk_sock_is(const struct pk_view *v, int family)
{
	PK_CLOSE int fd = pk_sock_open(v, family);

	return fd >= 0;
}

bool pk_sock_in_job(const struct pk_view *v, uint64_t ino)
{
	const struct pk_open_fds *all = v->src->open;

	for (size_t i = 0; ino && i < all->n; i++)
		if (all->v[i].view.st.st_ino == ino && S_ISSOCK(all->v[i].view.st.st_mode))
			return true;
	return false;
}

int pk_sock_outside(struct pk_view *v, struct pk_sock *s, const char *what, struct pk_error *err)
{
	s->outside = 1;
	if (!v->src->strict) {
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: %s is outside the job: restored, it is as if that had "
			"gone away",
			v->src->pid, v->file->fd, what);
		return 0;
	}
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s is outside the job", v->file->fd, what);
	pk_why(err, "it cannot be restored, and --strict allows no loss");
	return pk_try(err, "dump without --strict, an ancestor of both ends, or when it is closed");
}

static int collect_options(int fd, struct pk_sock *s, struct pk_error *err)
{
	PK_CLOSE int fresh = socket((int)s->family, (int)s->type | SOCK_CLOEXEC, (int)s->protocol);
	int locked = get_int(fd, SOL_SOCKET, SO_BUF_LOCK);

	if (fresh < 0)
		return pk_fail_errno(err, "socket");
	if (locked < 0) /* before 5.14; the sizes that TCP chooses are its own affair */
		locked = s->protocol == IPPROTO_TCP ? 0 : 3;
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &options[i];
		struct value now, new;
		struct pk_sock_opt *opt;

		if (!concerns(o, s) ||
			(o->name == SO_SNDBUF && o->level == SOL_SOCKET && !(locked & 1)) ||
			(o->name == SO_RCVBUF && o->level == SOL_SOCKET && !(locked & 2)))
			continue;
		get_option(fd, o, &now);
		get_option(fresh, o, &new);
		if (same_value(&now, &new))
			continue;
		opt = pk_list_add(&s->opt, &opt_type);
		if (!opt || pk_bytes_set(&opt->value, now.p, now.n) < 0)
			return pk_fail_errno(err, "socket options");
		opt->level = (uint32_t)o->level;
		opt->name = (uint32_t)o->name;
	}
	return 0;
}

static int get_name(int (*get)(int, struct sockaddr *, socklen_t *), int fd, struct pk_bytes *ret,
	struct pk_error *err)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (get(fd, (struct sockaddr *)&a, &n) < 0 || n <= sizeof(sa_family_t) || n > sizeof(a))
		return 0;
	if (a.ss_family == AF_UNIX && n > sizeof(struct sockaddr_un))
		n = sizeof(
			struct sockaddr_un); /* a byte that ends it, which bind(2) does not take */
	return pk_bytes_set(ret, &a, n) < 0 ? pk_fail_errno(err, "socket") : 0;
}

static int refuse_filter(const struct pk_view *v, int fd, struct pk_error *err)
{
	socklen_t n = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) == 0 && n == 0)
		return 0;
	if (errno == ENOPROTOOPT && n == 0)
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: socket with a packet filter", v->file->fd);
	pk_why(err, "this version of pckpt cannot rebuild it (SO_ATTACH_FILTER)");
	return pk_try(err, "dump when the program has closed it");
}

int pk_sock_collect(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err)
{
	struct pollfd p = {.fd = fd};
	int r;

	s->ino = v->file->st.st_ino;
	s->family = (uint32_t)get_int(fd, SOL_SOCKET, SO_DOMAIN);
	s->type = (uint32_t)get_int(fd, SOL_SOCKET, SO_TYPE);
	s->protocol = (uint32_t)get_int(fd, SOL_SOCKET, SO_PROTOCOL);
	s->flags = v->file->info.flags & ~(uint32_t)O_CLOEXEC;
	s->reset = poll(&p, 1, 0) > 0 && p.revents & POLLERR;
	if (s->flags & O_ASYNC)
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: signals for this socket (O_ASYNC) are not restored",
			v->src->pid, v->file->fd);
	r = refuse_filter(v, fd, err);
	if (r == 0)
		r = get_name(getsockname, fd, &s->name, err);
	if (r == 0)
		r = get_name(getpeername, fd, &s->peer_name, err);
	return r < 0 ? r : collect_options(fd, s, err);
}

/* One message that is looked at. */
struct look {
	char *buf;
	size_t room;
	struct sockaddr_storage from;
	socklen_t from_len;
	int32_t pid;
	bool cut;                      /* the buffer is too small */
	size_t limit;                  /* of bytes to look at; 0: as the buffer is large */
	struct pk_sock_rights *rights; /* gets them */
	int fd[MAX_RIGHTS];            /* descriptors that come with it, ours until the next look */
	size_t n_fds;
	bool lost; /* there were more than we may have open */
};

static void drop_rights(struct look *l)
{
	for (size_t i = 0; i < l->n_fds; i++)
		if (l->fd[i] >= 0)
			close(l->fd[i]);
	l->n_fds = 0;
}

static void look_at_control(struct look *l, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			l->pid = ((struct ucred *)CMSG_DATA(c))->pid;
		if (c->cmsg_type == SCM_PIDFD && *(int *)CMSG_DATA(c) >= 0)
			close(*(int *)CMSG_DATA(c));
		if (c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++)
			l->fd[l->n_fds++ % MAX_RIGHTS] = ((int *)CMSG_DATA(c))[i];
	}
}

static ssize_t look(int fd, struct look *l)
{
	union {
		struct cmsghdr h;
		char room[4096];
	} control;
	struct iovec iov = {l->buf, l->limit ? l->limit : l->room};
	struct msghdr m = {
		.msg_name = &l->from,
		.msg_namelen = sizeof(l->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	drop_rights(l);
	n = recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return n;
	l->pid = 0;
	l->cut = m.msg_flags & MSG_TRUNC;
	l->lost = m.msg_flags & MSG_CTRUNC;
	l->from_len = m.msg_namelen <= sizeof(l->from) ? m.msg_namelen : 0;
	look_at_control(l, &m);
	return n;
}

static int grow(struct look *l)
{
	char *p = l->room < MAX_PACKET ? realloc(l->buf, l->room * 2) : NULL;

	if (!p)
		return -1;
	l->buf = p;
	l->room *= 2;
	return 0;
}

struct question {
	struct msghdr m;
	struct iovec iov;
	char byte[8];
	char control[CMSG_SPACE(sizeof(struct ucred))];
};

/* Who sent the message at the socket's offset, as the process itself would see it. */
static int ask_sender(struct pk_view *v, int32_t *ret, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, sizeof(struct question));
	struct question *q;
	uint64_t base;
	int r;

	pk_script_call(
		&s, &(struct pk_call){
			    .nr = SYS_recvmsg,
			    .a = {pk_num(v->file->fd), pk_addr(at + offsetof(struct question, m)),
				    pk_num(MSG_PEEK | MSG_DONTWAIT)},
		    });
	base = pk_remote_address(v->src->remote, &s, at);
	q = (struct question *)(s.data.p + at);
	q->iov = (struct iovec){(void *)(base + offsetof(struct question, byte)), 1};
	q->m.msg_iov = (void *)(base + offsetof(struct question, iov));
	q->m.msg_iovlen = 1;
	q->m.msg_control = (void *)(base + offsetof(struct question, control));
	q->m.msg_controllen = sizeof(q->control);
	r = pk_source_run(v->src, &s, err);
	q = (struct question *)(s.data.p + at);
	if (r == 0)
		*ret = ((struct ucred *)CMSG_DATA((struct cmsghdr *)q->control))->pid;
	pk_script_free(&s);
	return r;
}

/* The number that the job knows a process by; one that has ended only the job itself can tell. */
static int inner_pid(struct pk_view *v, int fd, int at, int32_t *pid, struct pk_error *err)
{
	int r;

	for (const struct pk_source *i = v->src->first; *pid && i; i = i->next)
		if (i->pid == *pid) {
			*pid = pk_source_inner_tid(i, *pid);
			return 0;
		}
	if (v->src->in_flight)
		*pid = 0;
	if (!*pid || setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at)) < 0)
		return 0;
	r = ask_sender(v, pid, err);
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at));
	return r;
}

/* They are the list's from now on, or closed with the next look. */
static int add_rights(
	struct pk_view *v, const struct pk_sock *s, struct look *l, struct pk_error *err)
{
	struct pk_sock_rights *r = l->rights;

	if (l->lost) {
		pk_fail(err, PK_E_HOST, "fd %u: descriptors in flight", v->file->fd);
		pk_why(err, "there are more than pckpt may have open");
		return pk_try(err, "raise the limit on open files (ulimit -n)");
	}
	for (size_t i = 0; r && i < l->n_fds; i++) {
		void *p = pk_array_more(r->v, r->n, sizeof(*r->v));

		if (!p)
			return pk_fail_errno(err, "fd %u: descriptors in flight", v->file->fd);
		r->v = p;
		r->v[r->n++] = (struct pk_sock_right){(uint32_t)s->queue.n - 1, l->fd[i]};
		l->fd[i] = -1;
	}
	return 0;
}

static int add_packet(
	struct pk_view *v, struct pk_sock *s, struct look *l, size_t n, struct pk_error *err)
{
	struct pk_sock_packet *p = pk_list_add(&s->queue, &packet_type);

	if (!p || pk_bytes_set(&p->data, l->buf, n) < 0)
		return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	if (l->from_len > sizeof(sa_family_t) && pk_bytes_set(&p->from, &l->from, l->from_len) < 0)
		return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	p->pid = l->pid;
	return add_rights(v, s, l, err);
}

static ssize_t look_from(int fd, struct look *l, int at, size_t n)
{
	ssize_t got;

	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at)) < 0)
		return -1;
	l->limit = n;
	got = look(fd, l);
	l->limit = 0;
	return got;
}

/*
 * One look at a stream goes on through messages until the end of one that has descriptors. How many
 * of the n bytes come before that one: where there is no memory for its last byte, nothing of it is
 * copied, and the look ends before it.
 */
static size_t plain_bytes(int fd, int at, size_t n)
{
	const size_t page = 4096, room = (n + page - 1) / page * page;
	char *m = mmap(NULL, room + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct look l = {.buf = m + room + 1 - n, .room = n};
	ssize_t got = -1;

	if (m == MAP_FAILED)
		return 0;
	if (mprotect(m, room, PROT_READ | PROT_WRITE) == 0)
		got = look_from(fd, &l, at, n);
	drop_rights(&l);
	munmap(m, room + page);
	return got > 0 && (size_t)got < n ? (size_t)got : 0;
}

/* Those bytes by themselves; then look at the rest. */
static int split(struct pk_view *v, int fd, struct pk_sock *s, struct look *l, int *at, ssize_t *n,
	struct pk_error *err)
{
	int32_t pid = l->pid;
	size_t plain = plain_bytes(fd, *at, (size_t)*n);
	int r = 0;

	if (plain && look_from(fd, l, *at, plain) == (ssize_t)plain) {
		drop_rights(l); /* they are seen before their time */
		l->pid = pid;
		r = add_packet(v, s, l, plain, err);
	}
	*at += (int)plain;
	*n -= (ssize_t)plain;
	if (r == 0 && look_from(fd, l, *at, (size_t)*n) != *n)
		return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	l->pid = pid;
	return r;
}

/* All messages, one after the other, by an offset that each look moves on. */
static int look_on(
	struct pk_view *v, int fd, struct pk_sock *s, struct look *l, struct pk_error *err)
{
	bool streams = pk_sock_streams(s);
	int at = 0, r = 0, there = 0;
	ssize_t n;

	(void)ioctl(fd, FIONREAD, &there);
	while (r == 0 && (n = look(fd, l)) >= 0) {
		if (n == 0 && (streams || (s->type == SOCK_SEQPACKET && s->shut & 1)))
			return 0; /* the end */
		if (!streams && l->cut) {
			if (grow(l) < 0)
				return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
			if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at)) < 0)
				break;
			continue;
		}
		r = inner_pid(v, fd, at, &l->pid, err);
		if (r == 0 && streams && l->n_fds)
			r = split(v, fd, s, l, &at, &n, err);
		at += (int)n;
		if (r == 0 && l->pid)
			(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at));
		if (r == 0)
			r = add_packet(v, s, l, (size_t)n, err);
		if (streams && at >= there)
			return r;
	}
	if (r == 0 && errno != EAGAIN && errno != ENOTCONN && errno != EINVAL)
		return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	return r;
}

static int look_through(
	struct pk_view *v, int fd, struct pk_sock *s, struct look *l, struct pk_error *err)
{
	int old = get_int(fd, SOL_SOCKET, SO_PEEK_OFF), start = 0, r = 0;

	/* A first packet without bytes is seen by offset only if nobody has looked at it before. */
	start = -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start));
	if (!pk_sock_streams(s) && look(fd, l) == 0 &&
		!(s->type == SOCK_SEQPACKET && s->shut & 1)) {
		r = inner_pid(v, fd, start, &l->pid, err);
		if (r == 0)
			r = add_packet(v, s, l, 0, err);
	}
	start = 0;
	if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &start, sizeof(start)) < 0)
		r = pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	if (r == 0)
		r = look_on(v, fd, s, l, err);
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &old, sizeof(old));
	return r;
}

/* Where one look shows all that there is, the socket's offset need not be touched. */
static int look_at_stream(
	struct pk_view *v, int fd, struct pk_sock *s, struct look *l, struct pk_error *err)
{
	ssize_t n;
	int there = 0;

	while ((n = look(fd, l)) == (ssize_t)l->room)
		if (grow(l) < 0)
			return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	if (n <= 0)
		return 0;
	if (s->family != AF_UNIX || ioctl(fd, FIONREAD, &there) < 0 ||
		(there == n && !l->pid && !l->n_fds))
		return add_packet(v, s, l, (size_t)n, err);
	return look_through(v, fd, s, l, err);
}

static int refuse_error(const struct pk_view *v, struct pk_error *err)
{
	pk_fail(err, PK_E_TEMPFAIL, "fd %u: packets behind an error in a socket", v->file->fd);
	pk_why(err, "they cannot be read before the program has seen the error");
	return pk_try(err, "dump again in a moment");
}

int pk_sock_collect_queue(struct pk_view *v, int fd, struct pk_sock *s,
	struct pk_sock_rights *rights, struct pk_error *err)
{
	struct look l = {.room = 256 << 10, .rights = rights};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int there = 0, r;

	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
		return 0;
	/* To look where there is nothing, or where packets are, would take the error away. */
	if (s->reset && (ioctl(fd, FIONREAD, &there) < 0 || !there))
		return 0;
	if (s->reset && !pk_sock_streams(s))
		return refuse_error(v, err);
	l.buf = malloc(l.room);
	if (!l.buf)
		return pk_fail_errno(err, "fd %u: what is queued", v->file->fd);
	r = pk_sock_streams(s) ? look_at_stream(v, fd, s, &l, err)
			       : look_through(v, fd, s, &l, err);
	drop_rights(&l);
	free(l.buf);
	return r;
}

/* ---- restore */

int pk_sock_prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct pk_sock *s = o->data;

	if (pk_file_overridden(t, o->id))
		return 0;
	if (s->outside)
		pk_log(PK_LOG_WARN,
			"a socket of the program had its other end outside the job: that is as "
			"if it had gone away");
	return pk_target_give(t, o->id, -1, err);
}

int pk_sock_plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
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

int pk_sock_fail(struct pk_sock_bench *b, const struct pk_sock_item *i, const char *what)
{
	const struct pk_sock *s = i->s;

	(void)s;
	return pk_fail_errno(b->err, "socket (record %u): %s", i->o->id, what);
}

struct pk_sock_item *pk_sock_find(const struct pk_sock_bench *b, uint64_t ino)
{
	for (size_t i = 0; ino && i < b->n; i++)
		if (b->v[i].s->ino == ino)
			return &b->v[i];
	return NULL;
}

int pk_sock_new(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock *s = i->s;

	i->fd = socket((int)s->family, (int)s->type | SOCK_CLOEXEC, (int)s->protocol);
	return i->fd < 0 ? pk_sock_fail(b, i, "cannot be made") : 0;
}

struct pk_given *pk_sock_given(struct pk_target *t, uint32_t obj)
{
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].obj == obj)
			return &t->given[i];
	return NULL;
}

static int hand_over(struct pk_sock_bench *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (b->v[i].far >= 0)
			close(b->v[i].far);
		b->v[i].far = -1;
		if (b->v[i].fd < 0) {
			pk_fail(b->err, PK_E_IMAGE, "record %u", b->v[i].o->id);
			return pk_why(b->err, "the socket's other end is missing");
		}
		pk_sock_given(b->t, b->v[i].o->id)->fd = b->v[i].fd;
	}
	return 0;
}

int pk_sock_make(struct pk_target *t, const struct pk_type *type,
	int (*build)(struct pk_sock_bench *b), struct pk_error *err)
{
	struct pk_sock_bench b = {.t = t, .err = err};
	const struct pk_obj *o = NULL;
	int r;

	while ((o = pk_model_next(t->model, o, type, PK_ANY_OWNER))) {
		void *v;

		if (!pk_sock_given(t, o->id))
			continue;
		v = pk_array_more(b.v, b.n, sizeof(*b.v));
		if (!v)
			return pk_fail_errno(err, "sockets");
		b.v = v;
		b.v[b.n++] = (struct pk_sock_item){.o = o, .s = o->data, .fd = -1, .far = -1};
	}
	r = b.n ? build(&b) : 0;
	if (r == 0)
		r = hand_over(&b);
	free(b.v);
	return r;
}

static int set_option(int fd, const struct option *o, const struct value *want)
{
	int half;

	/* The kernel doubles what it is told, for its own needs. */
	if (o->level == SOL_SOCKET && (o->name == SO_RCVBUF || o->name == SO_SNDBUF)) {
		int force = o->name == SO_RCVBUF ? SO_RCVBUFFORCE : SO_SNDBUFFORCE;

		memcpy(&half, want->p, sizeof(half));
		half /= 2;
		if (setsockopt(fd, o->level, force, &half, sizeof(half)) == 0)
			return 0;
		return setsockopt(fd, o->level, o->name, &half, sizeof(half));
	}
	return setsockopt(fd, o->level, o->name, want->p, want->n);
}

static const struct option *known(uint32_t level, uint32_t name)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if ((uint32_t)options[i].level == level && (uint32_t)options[i].name == name)
			return &options[i];
	return NULL;
}

void pk_sock_set_early(const struct pk_sock_item *i, uint32_t level, uint32_t name)
{
	const struct pk_sock_opt *opt = recorded(i->s, level, name);
	const struct option *o = known(level, name);
	struct value v;

	if (!opt || !o || opt->value.n > sizeof(v.p))
		return;
	v.n = (socklen_t)opt->value.n;
	memcpy(v.p, opt->value.p, v.n);
	(void)set_option(i->fd, o, &v); /* tried again with the others, and said then */
}

int pk_sock_set_options(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const struct pk_sock *s = i->s;
	PK_CLOSE int fresh = socket((int)s->family, (int)s->type | SOCK_CLOEXEC, (int)s->protocol);

	if (fresh < 0)
		return pk_sock_fail(b, i, "cannot be made");
	for (size_t k = 0; k < N_OPTIONS; k++) {
		const struct option *o = &options[k];
		const struct pk_sock_opt *opt = recorded(s, (uint32_t)o->level, (uint32_t)o->name);
		bool size =
			o->level == SOL_SOCKET && (o->name == SO_RCVBUF || o->name == SO_SNDBUF);
		struct value want = {0}, now;

		/* A connection is of one version of IP, and no socket with a port can change it. */
		if (o->level == IPPROTO_IPV6 && o->name == IPV6_V6ONLY)
			continue;
		if (!concerns(o, s) || (size && !opt))
			continue;
		get_option(fresh, o, &want);
		if (opt && opt->value.n <= sizeof(want.p)) {
			want.n = (socklen_t)opt->value.n;
			memcpy(want.p, opt->value.p, want.n);
		}
		get_option(i->fd, o, &now);
		if (!want.n || same_value(&want, &now))
			continue;
		if (set_option(i->fd, o, &want) == 0) {
			get_option(i->fd, o, &now);
			if (!size || memcmp(now.p, want.p, sizeof(int)) >= 0)
				continue;
		}
		pk_log(PK_LOG_WARN, "option %s of a socket of the program could not be set",
			o->text);
	}
	return 0;
}

struct send {
	int fd;
	const struct pk_bytes *data, *to;
	size_t at;
};

static int do_send(void *arg)
{
	struct send *s = arg;

	return (int)sendto(s->fd, (const char *)s->data->p + s->at, s->data->n - s->at,
		MSG_DONTWAIT | MSG_NOSIGNAL, s->to ? s->to->p : NULL,
		s->to ? (socklen_t)s->to->n : 0);
}

/* Memory is charged to the sender: let it have as much as is allowed, for now. */
int pk_sock_widen(int fd, int *ret_old)
{
	int old = get_int(fd, SOL_SOCKET, SO_SNDBUF), most = INT32_MAX / 4;

	if (*ret_old || old <= 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof(most)) < 0)
		return -1;
	*ret_old = old;
	return 0;
}

int pk_sock_send(struct pk_sock_bench *b, struct pk_sock_item *i, int from,
	const struct pk_sock_packet *p, const struct pk_bytes *to)
{
	struct send s = {from, &p->data, to, 0};
	int old = 0, n;

	do {
		n = pk_sock_as(b->t, p->pid, do_send, &s, sizeof(s));
		if (n >= 0)
			s.at += (size_t)n;
		else if (errno != EAGAIN || pk_sock_widen(from, &old) < 0)
			break;
	} while (n < 0 || (s.at < p->data.n && pk_sock_streams(i->s)));
	if (old) {
		int e = errno;

		old /= 2;
		(void)setsockopt(from, SOL_SOCKET, SO_SNDBUF, &old, sizeof(old));
		errno = e;
	}
	if (n >= 0)
		return 0;
	pk_sock_fail(b, i, "what was queued in it does not fit");
	return pk_try(b->err, "raise /proc/sys/net/core/wmem_max and net/unix/max_dgram_qlen");
}

int pk_sock_finish(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	const uint32_t settable = O_NONBLOCK;
	int how = i->s->shut == 3 ? SHUT_RDWR : i->s->shut == 2 ? SHUT_WR : SHUT_RD;

	if (i->s->shut && !i->open && i->s->shape != PK_SOCK_LISTENS && shutdown(i->fd, how) < 0 &&
		errno != ENOTCONN)
		return pk_sock_fail(b, i, "cannot be shut down");
	if (fcntl(i->fd, F_SETFL, (int)(i->s->flags & settable)) < 0)
		return pk_sock_fail(b, i, "flags");
	return 0;
}

static pid_t fork_sharing(int32_t wanted)
{
	const pid_t tid = wanted;
	struct clone_args a = {.flags = CLONE_FILES, .set_tid = (uint64_t)&tid, .set_tid_size = 1};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* What that process and this one both see. */
struct common {
	int ret, error;
	_Alignas(16) char arg[256];
};

static int run_as(struct common *c, int32_t pid, int (*fn)(void *))
{
	pid_t child = fork_sharing(pid);

	if (child < 0)
		return -1;
	if (child == 0) {
		c->ret = fn(c->arg);
		c->error = errno;
		_exit(0);
	}
	while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
		;
	return 0;
}

int pk_sock_as(const struct pk_target *t, int32_t pid, int (*fn)(void *), void *arg, size_t size)
{
	struct common *c = MAP_FAILED;
	int r = -1, ret = 0, error = 0;

	if (pid > 0 && t->pids != PK_PID_ANY && pid != getpid() && size <= sizeof(c->arg))
		c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			0);
	if (c != MAP_FAILED) {
		memcpy(c->arg, arg, size);
		r = run_as(c, pid, fn);
		memcpy(arg, c->arg, size);
		ret = c->ret;
		error = c->error;
		munmap(c, sizeof(*c));
	}
	if (r < 0)
		return fn(arg); /* the number is that of one who outlives this moment */
	errno = error;
	return ret;
}
