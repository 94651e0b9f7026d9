/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/sockdiag.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define ROOM (64 << 10)

/* One request and its answers, one message each, until fn gives false. */
static int ask(void *req, size_t len, bool (*fn)(const struct nlmsghdr *h, void *arg), void *arg,
	struct pk_error *err)
{
	PK_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	PK_FREE char *buf = malloc(ROOM);
	ssize_t n;

	if (fd < 0 || !buf || send(fd, req, len, 0) != (ssize_t)len)
		return pk_fail_errno(err, "list of sockets (sock_diag)");
	while ((n = recv(fd, buf, ROOM, 0)) > 0) {
		const struct nlmsghdr *h = (const void *)buf;

		for (; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR) {
				errno = -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
				return errno == ENOENT
					       ? 0
					       : pk_fail_errno(err, "list of sockets (sock_diag)");
			}
			if (!fn(h, arg) || !(h->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
	return pk_fail_errno(err, "list of sockets (sock_diag)");
}

struct unix_ask {
	bool (*fn)(const struct pk_unix_diag *d, void *arg);
	void *arg;
};

static void unix_attr(struct pk_unix_diag *d, const struct rtattr *a)
{
	const void *p = RTA_DATA(a);
	size_t n = RTA_PAYLOAD(a);

	switch (a->rta_type & NLA_TYPE_MASK) {
	case UNIX_DIAG_NAME:
		d->name_len = (uint32_t)(n < sizeof(d->name) ? n : sizeof(d->name));
		memcpy(d->name, p, d->name_len);
		break;
	case UNIX_DIAG_VFS:
		d->file_ino = ((const struct unix_diag_vfs *)p)->udiag_vfs_ino;
		break;
	case UNIX_DIAG_PEER:
		d->has_peer = true;
		d->peer = *(const uint32_t *)p;
		break;
	case UNIX_DIAG_ICONS:
		d->icon = p;
		d->n_icon = (uint32_t)(n / sizeof(uint32_t));
		break;
	case UNIX_DIAG_RQLEN:
		d->rqueue = ((const struct unix_diag_rqlen *)p)->udiag_rqueue;
		d->wqueue = ((const struct unix_diag_rqlen *)p)->udiag_wqueue;
		break;
	case UNIX_DIAG_SHUTDOWN:
		d->shut = *(const uint8_t *)p;
		break;
	default:
		break;
	}
}

static bool unix_answer(const struct nlmsghdr *h, void *arg)
{
	const struct unix_ask *q = arg;
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)(m + 1);
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	struct pk_unix_diag d = {
		.ino = m->udiag_ino, .type = m->udiag_type, .state = m->udiag_state};

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		unix_attr(&d, a);
	return q->fn(&d, q->arg);
}

int pk_diag_unix(uint32_t ino, bool (*fn)(const struct pk_unix_diag *d, void *arg), void *arg,
	struct pk_error *err)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req q;
	} req = {
		.h = {.nlmsg_len = sizeof(req),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (ino ? 0 : NLM_F_DUMP))},
		.q = {.sdiag_family = AF_UNIX,
			.udiag_states = ~0u,
			.udiag_ino = ino,
			.udiag_cookie = {~0u, ~0u},
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER |
				      UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN},
	};
	struct unix_ask q = {fn, arg};

	return ask(&req, sizeof(req), unix_answer, &q, err);
}

struct inet_ask {
	bool (*fn)(const struct pk_inet_diag *d, void *arg);
	void *arg;
	bool go;
};

static void set_address(struct sockaddr_in6 *a, int family, const void *addr, uint16_t port)
{
	*a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
	if (family == AF_INET6) {
		memcpy(&a->sin6_addr, addr, 16);
		return;
	}
	if (*(const uint32_t *)addr == 0)
		return; /* any address is any address */
	a->sin6_addr.s6_addr[10] = a->sin6_addr.s6_addr[11] = 0xff;
	memcpy(a->sin6_addr.s6_addr + 12, addr, 4);
}

static bool inet_answer(const struct nlmsghdr *h, void *arg)
{
	struct inet_ask *q = arg;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)(m + 1);
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	struct pk_inet_diag d = {.ino = m->idiag_inode,
		.state = m->idiag_state,
		.uid = m->idiag_uid,
		.rqueue = m->idiag_rqueue,
		.wqueue = m->idiag_wqueue,
		.shut = -1};

	set_address(&d.from, m->idiag_family, m->id.idiag_src, m->id.idiag_sport);
	set_address(&d.to, m->idiag_family, m->id.idiag_dst, m->id.idiag_dport);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == INET_DIAG_SHUTDOWN)
			d.shut = *(const uint8_t *)RTA_DATA(a);
	q->go = q->fn(&d, q->arg);
	return q->go;
}

int pk_diag_inet(int protocol, bool (*fn)(const struct pk_inet_diag *d, void *arg), void *arg,
	struct pk_error *err)
{
	const uint8_t family[] = {AF_INET, AF_INET6};
	struct inet_ask q = {fn, arg, true};
	int r = 0;

	for (size_t i = 0; i < 2 && r == 0 && q.go; i++) {
		struct {
			struct nlmsghdr h;
			struct inet_diag_req_v2 q;
		} req = {
			.h = {.nlmsg_len = sizeof(req),
				.nlmsg_type = SOCK_DIAG_BY_FAMILY,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
			.q = {.sdiag_family = family[i],
				.sdiag_protocol = (uint8_t)protocol,
				.idiag_states = ~0u},
		};

		r = ask(&req, sizeof(req), inet_answer, &q, err);
	}
	return r;
}

static bool has_socket(const char *pid, const char *link)
{
	char path[300];
	PK_CLOSEDIR DIR *dir = NULL;
	const struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		char found[64];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, found, sizeof(found) - 1);

		found[n < 0 ? 0 : n] = '\0';
		if (!strcmp(found, link))
			return true;
	}
	return false;
}

const char *pk_diag_owner(uint64_t ino, char *buf, size_t n)
{
	PK_CLOSEDIR DIR *dir = opendir("/proc");
	const struct dirent *e;
	char link[64];

	snprintf(link, sizeof(link), "socket:[%lu]", (unsigned long)ino);
	snprintf(buf, n, "a process of somebody else");
	while (dir && (e = readdir(dir))) {
		char path[300];
		PK_FREE char *comm = NULL;

		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !has_socket(e->d_name, link))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		comm = pk_read_file(AT_FDCWD, path, 64, NULL);
		if (comm)
			comm[strcspn(comm, "\n")] = '\0';
		snprintf(buf, n, "pid %s (%s)", e->d_name, comm ? comm : "?");
		break;
	}
	return buf;
}
