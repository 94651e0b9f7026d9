/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * A netlink socket as libraries keep it open to look at interfaces: its groups, its number, and
 * that it answers.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "victim.h"

static void ask(int fd)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {.h = {.nlmsg_len = sizeof(req),
			 .nlmsg_type = RTM_GETLINK,
			 .nlmsg_flags = NLM_F_REQUEST,
			 .nlmsg_seq = 5},
		.i = {.ifi_index = 1}};
	char buf[8192];

	must(send(fd, &req, sizeof(req), 0));
	must(recv(fd, buf, sizeof(buf), 0));
	expect(RTM_NEWLINK, ((struct nlmsghdr *)buf)->nlmsg_type, "answer");
	expect(5, ((struct nlmsghdr *)buf)->nlmsg_seq, "number of the answer");
}

int main(void)
{
	int fd = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK}, b = {0};
	socklen_t n = sizeof(a);
	int group = RTNLGRP_LINK, fresh = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

	must(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	must(getsockname(fd, (struct sockaddr *)&a, &n));
	ask(fd);
	victim_ready();
	if (victim_broken())
		must(setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)));
	must(getsockname(fd, (struct sockaddr *)&b, &n));
	expect(a.nl_pid, b.nl_pid, "number of the socket");
	expect(a.nl_groups, b.nl_groups, "groups");
	ask(fd);
	must(getsockname(fresh, (struct sockaddr *)&b, &n));
	expect(0, b.nl_pid, "number of the one that is not bound");
	ask(fresh);
	return victim_done();
}
