/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of all other sorts: refused by name. */
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kind/sock.h"

#define ANY (-1)

static const struct sort {
	int family, type, protocol;
	const char *what, *try;
} sorts[] = {
	{AF_PACKET, ANY, ANY, "packet socket",
		"end the capture of packets (tcpdump, libpcap) first"},
	{AF_INET, SOCK_RAW, ANY, "raw IP socket", "dump when the program has closed it (ping)"},
	{AF_INET6, SOCK_RAW, ANY, "raw IP socket", "dump when the program has closed it (ping)"},
	{AF_INET, SOCK_DGRAM, IPPROTO_ICMP, "ping socket", "dump when the program has closed it"},
	{AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6, "ping socket",
		"dump when the program has closed it"},
	{AF_INET, ANY, IPPROTO_SCTP, "SCTP socket", "let the program use TCP"},
	{AF_INET6, ANY, IPPROTO_SCTP, "SCTP socket", "let the program use TCP"},
	{AF_INET, ANY, IPPROTO_MPTCP, "Multipath TCP socket", "let the program use TCP"},
	{AF_INET6, ANY, IPPROTO_MPTCP, "Multipath TCP socket", "let the program use TCP"},
	{AF_VSOCK, ANY, ANY, "socket to a virtual machine", "dump when it is closed"},
	{AF_ALG, ANY, ANY, "kernel crypto socket (AF_ALG)",
		"let the program's library do it (switch its afalg engine off)"},
	{AF_RDS, ANY, ANY, "RDS socket", "let the program use TCP"},
	{AF_TIPC, ANY, ANY, "TIPC socket", "let the program use TCP"},
	{AF_CAN, ANY, ANY, "CAN socket", "dump when the program has closed it"},
	{AF_BLUETOOTH, ANY, ANY, "Bluetooth socket", "dump when the program has closed it"},
	{AF_XDP, ANY, ANY, "XDP socket", "dump when the program has closed it"},
	{0},
};

static bool match(const struct pk_view *v)
{
	PK_CLOSE int fd = -1;
	struct pk_error none;

	if (!S_ISSOCK(v->file->st.st_mode) || v->file->std >= 0)
		return false;
	fd = pk_source_getfd(v->src, v->file->fd, &none);
	return fd >= 0;
}

static int get_int(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, name, &v, &n) < 0 ? -1 : v;
}

static bool fits(int want, int found)
{
	return want == ANY || want == found;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	int family, kind, protocol;
	const struct sort *s = sorts;

	(void)obj;
	if (fd < 0)
		return -err->class;
	family = get_int(fd, SO_DOMAIN);
	kind = get_int(fd, SO_TYPE);
	protocol = get_int(fd, SO_PROTOCOL);
	while (s->what &&
		(s->family != family || !fits(s->type, kind) || !fits(s->protocol, protocol)))
		s++;
	if (s->what)
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s", v->file->fd, s->what);
	else
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: socket of family %d, type %d, protocol %d",
			v->file->fd, family, kind, protocol);
	pk_why(err, "this version of pckpt cannot rebuild it");
	return pk_try(err, "%s", s->what ? s->try : "dump when the program has closed it");
}

static const struct pk_type type = {
	.name = "othersock",
	.id = 103,
	.fields = (const struct pk_field[]){PK_FIELD_END},
};

const struct pk_kind pk_kind_othersock = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "other sockets (packet, raw, ping, SCTP, AF_ALG ...): refused by name",
	.match = match,
	.collect = collect,
};
