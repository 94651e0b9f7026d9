/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink sockets: netlink(7), such as those by which libraries look at network interfaces. Made
 * anew with their groups; what waits in them and what was asked is forgotten, which programs have
 * to be prepared for (ENOBUFS).
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kind/sock.h"

#define MAX_GROUPS 1024

static const struct pk_type type;

static bool match(const struct pk_view *v)
{
	return v->file->std < 0 && pk_sock_is(v, AF_NETLINK);
}

/* Those that hand things to the kernel, or are told of everything, hold more than a socket. */
static bool is_plain(int protocol)
{
	return protocol == NETLINK_ROUTE || protocol == NETLINK_SOCK_DIAG ||
	       protocol == NETLINK_GENERIC || protocol == NETLINK_KOBJECT_UEVENT;
}

static int collect_groups(int fd, struct pk_sock *s, struct pk_error *err)
{
	uint32_t groups[MAX_GROUPS / 32] = {0};
	socklen_t n = sizeof(groups);

	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &n) < 0)
		return 0;
	if (n > sizeof(groups))
		n = sizeof(groups);
	return pk_bytes_set(&s->peer_name, groups, n) < 0 ? pk_fail_errno(err, "socket") : 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	struct pk_sock *s = obj;
	int there = 0;
	int r = fd < 0 ? -err->class : pk_sock_collect(v, fd, s, err);

	if (r < 0)
		return r;
	if (!is_plain((int)s->protocol)) {
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: netlink socket of protocol %u", v->file->fd,
			s->protocol);
		pk_why(err, "this version of pckpt cannot rebuild what the kernel keeps for it");
		return pk_try(err, "dump when the program has closed it");
	}
	free(s->peer_name.p);
	s->peer_name = (struct pk_bytes){0};
	if (ioctl(fd, FIONREAD, &there) == 0 && there)
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: what waits in this netlink socket is not restored",
			v->src->pid, v->file->fd);
	return collect_groups(fd, s, err);
}

static void join_groups(const struct pk_sock_item *i)
{
	const struct pk_bytes *b = &i->s->peer_name;
	const uint8_t *set = b->p;

	for (int g = 1; g <= MAX_GROUPS && (size_t)(g - 1) / 8 < b->n; g++)
		if (set[(g - 1) / 8] & 1u << (g - 1) % 8 &&
			setsockopt(i->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &g, sizeof(g)) < 0)
			pk_log(PK_LOG_WARN, "netlink group %d could not be joined again: %s", g,
				strerror(errno));
}

/* The number that it had is mostly that of the process, and free again. */
static int bind_again(struct pk_sock_bench *b, struct pk_sock_item *i)
{
	struct sockaddr_nl any = {.nl_family = AF_NETLINK}, own;

	if (i->s->name.n != sizeof(own))
		return 0;
	memcpy(&own, i->s->name.p, sizeof(own));
	own.nl_groups = 0;
	if (!own.nl_pid || bind(i->fd, (struct sockaddr *)&own, sizeof(own)) == 0)
		return 0;
	return bind(i->fd, (struct sockaddr *)&any, sizeof(any)) < 0 ? pk_sock_fail(b, i, "bind")
								     : 0;
}

static int build(struct pk_sock_bench *b)
{
	int r = 0;

	for (size_t k = 0; k < b->n && r == 0; k++) {
		r = pk_sock_new(b, &b->v[k]);
		if (r == 0)
			r = bind_again(b, &b->v[k]);
		if (r < 0)
			break;
		join_groups(&b->v[k]);
		r = pk_sock_set_options(b, &b->v[k]);
		if (r == 0)
			r = pk_sock_finish(b, &b->v[k]);
	}
	return r;
}

static int make(struct pk_target *t, struct pk_error *err)
{
	return pk_sock_make(t, &type, build, err);
}

static const struct pk_type type = {
	.name = "netlinksock",
	.id = 102,
	.size = sizeof(struct pk_sock),
	.fields = pk_sock_fields,
};

const struct pk_kind pk_kind_netlinksock = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "netlink sockets of the protocols route, generic, sock_diag and uevent; what "
		   "waits in them is lost",
	.match = match,
	.collect = collect,
	.prepare = pk_sock_prepare,
	.make = make,
	.plan = pk_sock_plan,
};
