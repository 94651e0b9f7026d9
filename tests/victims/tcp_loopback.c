/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * TCP between two processes of the job, over IPv4 and IPv6: names, what is queued both ways (also
 * what only the sender holds yet), halves that are shut down, connections that wait, an other end
 * that has gone, options, epoll; the listener works on.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "family.h"

#define BIG (1 << 20)

struct name {
	union {
		struct sockaddr a;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	};
	socklen_t n;
};

static struct name loopback(int version)
{
	struct name r = {.n = sizeof(r.four)};

	if (version == AF_INET) {
		r.four.sin_family = AF_INET;
		r.four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return r;
	}
	r.six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	r.n = sizeof(r.six);
	return r;
}

static struct name name_of(int fd, bool peer)
{
	struct name r = {.n = sizeof(r.six)};

	must((peer ? getpeername : getsockname)(fd, &r.a, &r.n));
	return r;
}

static int listener(int version)
{
	struct name at = loopback(version);
	int fd = must(socket(version, SOCK_STREAM, 0));

	must(bind(fd, &at.a, at.n));
	must(listen(fd, 6));
	return fd;
}

static int client(int to)
{
	struct name at = name_of(to, false);
	int fd = must(socket(at.a.sa_family, SOCK_STREAM, 0));

	must(connect(fd, &at.a, at.n));
	return fd;
}

static void expect_name(const struct name *want, int fd, bool peer, const char *what)
{
	struct name got = name_of(fd, peer);

	expect_bytes(want, &got, want->n, "%s", what);
}

static void put(int fd, const char *text)
{
	must_true(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void get(int fd, const char *want, const char *what)
{
	char buf[64] = "";

	expect((long long)strlen(want), recv(fd, buf, strlen(want), MSG_WAITALL), "bytes: %s",
		what);
	expect_text(want, buf, "%s", what);
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	must(getsockopt(fd, level, name, &v, &n));
	return v;
}

static void set(int fd, int level, int name, int v)
{
	must(setsockopt(fd, level, name, &v, sizeof(v)));
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 7 + (i >> 11));
}

static int four, six, conn, conn6, big;
static struct name own, own6;

static void child(int i)
{
	unsigned char *buf = malloc(BIG);
	struct name before;

	(void)i;
	must_true(buf);
	conn = client(four);
	conn6 = client(six);
	big = client(four);
	before = name_of(conn, false);
	put(conn, "from the child");
	put(conn6, "last");
	must(shutdown(conn6, SHUT_WR));
	family_wait();
	expect_name(&before, conn, false, "the client's name");
	get(conn, "to the child", "what the child gets");
	get(conn6, "half open", "through the open half");
	expect(EPIPE, errno_of(send(conn6, "x", 1, MSG_NOSIGNAL)), "the closed half");
	expect(family->value[0], recv(big, buf, (size_t)family->value[0], MSG_WAITALL),
		"bytes of the large one");
	for (size_t k = 0; k < (size_t)family->value[0]; k++)
		if (buf[k] != pattern(k)) {
			expect(pattern(k), buf[k], "byte %zu of the large one", k);
			break;
		}
	put(conn, "answer");
	free(buf);
}

static long fill(int fd)
{
	unsigned char *buf = malloc(BIG);
	ssize_t n;
	long at = 0;

	must_true(buf);
	for (size_t k = 0; k < BIG; k++)
		buf[k] = pattern(k);
	while (at < BIG && (n = send(fd, buf + at, (size_t)(BIG - at), MSG_DONTWAIT)) > 0)
		at += n;
	free(buf);
	return at;
}

int main(void)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 7}, got;
	int server, server6, server_big, waits[2], gone, epoll, fd;
	struct name peer, peer6, gone_name;
	pid_t pid;
	char c;

	family_begin();
	four = listener(AF_INET);
	six = listener(AF_INET6);
	own = name_of(four, false);
	own6 = name_of(six, false);
	pid = family_fork(child, 0);
	server = must(accept(four, NULL, NULL));
	server6 = must(accept(six, NULL, NULL));
	server_big = must(accept(four, NULL, NULL));
	peer = name_of(server, true);
	peer6 = name_of(server6, true);
	family->value[0] = fill(server_big);
	put(server, "to the child");
	set(server, IPPROTO_TCP, TCP_NODELAY, 1);
	set(server, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(server, IPPROTO_TCP, TCP_KEEPIDLE, 123);
	set(server6, SOL_SOCKET, SO_RCVBUF, 60000);
	set(four, SOL_SOCKET, SO_REUSEADDR, 1);
	gone = client(four);
	fd = must(accept(four, NULL, NULL));
	put(fd, "last words");
	must(close(fd));
	gone_name = name_of(gone, false);
	waits[0] = client(four);
	waits[1] = client(four);
	epoll = must(epoll_create1(0));
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &ev));
	family_await(1);
	while (option(server6, IPPROTO_TCP, TCP_INFO) % 256 != TCP_CLOSE_WAIT)
		;
	family_meet(1);

	if (victim_broken())
		set(server, IPPROTO_TCP, TCP_NODELAY, 0);
	expect_name(&own, four, false, "the listener's name");
	expect_name(&own6, six, false, "the listener's name, IPv6");
	expect_name(&own, server, false, "the server's name");
	expect_name(&peer, server, true, "the server's peer");
	expect_name(&peer6, server6, true, "the server's peer, IPv6");
	expect(1, option(server, IPPROTO_TCP, TCP_NODELAY), "TCP_NODELAY");
	expect(0, option(server6, IPPROTO_TCP, TCP_NODELAY), "TCP_NODELAY of another");
	expect(1, option(server, SOL_SOCKET, SO_KEEPALIVE), "SO_KEEPALIVE");
	expect(123, option(server, IPPROTO_TCP, TCP_KEEPIDLE), "TCP_KEEPIDLE");
	expect(120000, option(server6, SOL_SOCKET, SO_RCVBUF), "SO_RCVBUF");
	expect(1, option(four, SOL_SOCKET, SO_REUSEADDR), "SO_REUSEADDR");
	expect(0, option(six, SOL_SOCKET, SO_REUSEADDR), "SO_REUSEADDR of another");
	expect(1, epoll_wait(epoll, &got, 1, 0), "sockets that are ready");
	get(server, "from the child", "what the child sent");
	expect(0, epoll_wait(epoll, &got, 1, 0), "no sockets that are ready");
	get(server6, "last", "before the end");
	expect(0, recv(server6, &c, 1, 0), "end of the half");
	put(server6, "half open");
	expect_name(&gone_name, gone, false, "name of one whose other end has gone");
	get(gone, "last words", "what the other end left");
	expect(0, recv(gone, &c, 1, 0), "end after that");
	for (int i = 0; i < 2; i++) {
		fd = must(accept(four, NULL, NULL));
		peer = name_of(waits[i], false);
		expect_name(&peer, fd, true, "the client that waited");
		put(waits[i], "waited");
		get(fd, "waited", "from the client that waited");
	}
	fd = client(six);
	put(fd, "new");
	get(must(accept(six, NULL, NULL)), "new", "over a new connection");
	family_over();
	get(server, "answer", "the child's answer");
	family_join(pid);
	expect(0, recv(server, &c, 1, 0), "end of the child's connection");
	return victim_done();
}
