/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * UDP sockets: bound, connected, neither; packets that wait, with their senders, also empty ones.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "victim.h"

static struct sockaddr_in name_of(int fd, bool peer)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	must((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &n));
	return a;
}

static int bound(uint32_t address)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
	int fd = must(socket(AF_INET, SOCK_DGRAM, 0));

	must(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static void get(int fd, const char *want, int from)
{
	struct sockaddr_in a = {0}, sender = name_of(from, false);
	socklen_t n = sizeof(a);
	char buf[64] = "";

	expect((long long)strlen(want),
		recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&a, &n),
		"bytes of %s", want);
	expect_text(want, buf, "packet");
	expect(sender.sin_port, a.sin_port, "port of the sender of %s", want);
}

static void put(int fd, const struct sockaddr_in *to, const char *text)
{
	must(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)to, to ? sizeof(*to) : 0));
}

int main(void)
{
	int one = bound(INADDR_LOOPBACK), any = bound(INADDR_ANY), fresh, conn, on = 1, v = 0;
	struct sockaddr_in at = name_of(one, false), all = name_of(any, false), from;
	socklen_t n = sizeof(v);

	fresh = must(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	conn = must(socket(AF_INET, SOCK_DGRAM, 0));
	must(connect(conn, (struct sockaddr *)&at, sizeof(at)));
	must(setsockopt(conn, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
	from = name_of(conn, false);
	put(conn, NULL, "first");
	put(conn, NULL, "");
	all.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	put(one, &all, "to any");
	put(any, &at, "from any");
	put(one, &from, "to the connected");
	victim_ready();
	if (victim_broken())
		put(conn, NULL, "more");
	get(one, "first", conn);
	get(one, "", conn);
	get(one, "from any", any);
	expect(EAGAIN, errno_of(recv(one, &v, 1, MSG_DONTWAIT)), "no more packets");
	get(any, "to any", one);
	get(conn, "to the connected", one);
	expect(at.sin_port, name_of(one, false).sin_port, "port");
	expect(from.sin_port, name_of(conn, false).sin_port, "port of the connected one");
	expect(at.sin_port, name_of(conn, true).sin_port, "port that it is connected to");
	must(getsockopt(conn, SOL_SOCKET, SO_BROADCAST, &v, &n));
	expect(1, v, "SO_BROADCAST");
	expect(O_NONBLOCK, fcntl(fresh, F_GETFL) & O_NONBLOCK, "O_NONBLOCK");
	put(conn, NULL, "again");
	get(one, "again", conn);
	return victim_done();
}
