/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Descriptors that were sent through Unix sockets and not yet received: several in a message, with
 * plain messages before and behind; files that only the message has open; one that shares its
 * offset with an open descriptor, and one twice; a sender that has gone, or is shut down; a socket
 * in a socket, with something in flight in itself; a sender that is asked for (SO_PASSCRED).
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "family.h"

static int stream[2], dgram[2], gone[2], shut[2], own[2], named, cred[2];

static void pass(int to, const char *text, const int *fd, size_t n)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} c = {.h = {CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {(char *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		memcpy(CMSG_DATA(&c.h), fd, n * sizeof(int));
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	must_true(sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* What one receives has this text and so many descriptors; the process that sent it, or 0. */
static pid_t take(int from, const char *want, int *fd, size_t n)
{
	union {
		struct cmsghdr h;
		char room[512];
	} c;
	char buf[256];
	struct iovec iov = {buf, sizeof(buf) - 1};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof(c),
	};
	ssize_t len = recvmsg(from, &m, MSG_DONTWAIT);
	size_t got = 0;
	pid_t pid = 0;

	buf[len < 0 ? 0 : len] = '\0';
	expect_text(want, buf, "message");
	for (size_t i = 0; i < n; i++)
		fd[i] = -1;
	if (len < 0)
		return 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_type == SCM_CREDENTIALS)
			pid = ((struct ucred *)CMSG_DATA(h))->pid;
		if (h->cmsg_type != SCM_RIGHTS)
			continue;
		got = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fd, CMSG_DATA(h), (got < n ? got : n) * sizeof(int));
	}
	expect((long long)n, (long long)got, "descriptors with '%s'", want);
	return pid;
}

static void reads(int fd, const char *want, const char *what)
{
	char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	expect_text(want, buf, "%s", what);
}

static void pair(int type, int p[2])
{
	must(socketpair(AF_UNIX, type, 0, p));
}

static int file_at(const char *name, off_t at)
{
	int fd;

	write_text(victim_path(name).s, "0123456789");
	fd = must(open(victim_path(name).s, O_RDONLY));
	must(lseek(fd, at, SEEK_SET));
	return fd;
}

static int memory(void)
{
	int fd = must(memfd_create("message", 0));

	must(write(fd, "in memory", 9));
	must(lseek(fd, 3, SEEK_SET));
	return fd;
}

static void send_stream(int shared)
{
	int p[2], fd[3];

	must(pipe(p));
	must(write(p[1], "in the pipe", 11));
	must(close(p[1]));
	pass(stream[0], "plain ", NULL, 0);
	pass(stream[0], "words ", NULL, 0);
	fd[0] = p[0];
	fd[1] = file_at("offset", 4);
	fd[2] = shared;
	pass(stream[0], "three", fd, 3);
	pass(stream[0], "more ", NULL, 0);
	pass(stream[0], "words", NULL, 0);
	pass(stream[0], "again", &shared, 1);
	pass(stream[0], "end", NULL, 0);
	must(close(fd[0]));
	must(close(fd[1]));
}

static void check_stream(int shared)
{
	char c[16];
	int fd[3];

	expect(3, must(recv(stream[1], c, 3, 0)), "first bytes of the stream");
	take(stream[1], "in words three", fd, 3);
	reads(fd[0], "in the pipe", "pipe in flight");
	expect(0, read(fd[0], c, 1), "end of the pipe in flight");
	reads(fd[1], "456789", "file in flight");
	reads(fd[2], "23456789", "shared file in flight");
	expect(10, lseek(shared, 0, SEEK_CUR), "offset of the shared file");
	take(stream[1], "more wordsagain", fd, 1);
	must(lseek(fd[0], 7, SEEK_SET));
	expect(7, lseek(shared, 0, SEEK_CUR), "offset that was moved");
	take(stream[1], "end", fd, 0);
	pass(stream[0], "new", NULL, 0);
	take(stream[1], "new", fd, 0);
}

static void send_dgram(void)
{
	int fd[2] = {file_at("unlinked", 1), memory()};

	must(unlink(victim_path("unlinked").s));
	pass(dgram[0], "first", NULL, 0);
	pass(dgram[0], "both", fd, 2);
	pass(dgram[0], "", fd, 1);
	pass(dgram[0], "last", NULL, 0);
	must(close(fd[0]));
	must(close(fd[1]));
}

static void check_dgram(void)
{
	int fd[2], same[1];

	take(dgram[1], "first", fd, 0);
	take(dgram[1], "both", fd, 2);
	take(dgram[1], "", same, 1);
	take(dgram[1], "last", fd, 0);
	take(dgram[1], "", fd, 0);
	expect(1, lseek(same[0], 0, SEEK_CUR), "offset of the unlinked file");
	reads(fd[0], "123456789", "unlinked file in flight");
	expect(10, lseek(same[0], 0, SEEK_CUR), "offset that both share");
	reads(fd[1], "memory", "memory in flight");
}

/* Senders that are gone, and one that will send no more. */
static void send_last(void)
{
	int fd = must(eventfd(17, 0));

	pass(gone[0], "last words", &fd, 1);
	must(close(gone[0]));
	pass(shut[0], "no more", &fd, 1);
	must(shutdown(shut[0], SHUT_WR));
	must(close(fd));
}

static void check_last(void)
{
	uint64_t count;
	int fd[1], other[1];
	char c;

	take(gone[1], "last words", fd, 1);
	expect(0, recv(gone[1], &c, 1, MSG_DONTWAIT), "end after the sender that has gone");
	take(shut[1], "no more", other, 1);
	expect(0, recv(shut[1], &c, 1, MSG_DONTWAIT), "end after the shutdown");
	expect(EPIPE, errno_of(send(shut[0], "x", 1, MSG_NOSIGNAL)), "sending after the shutdown");
	must(read(fd[0], &count, sizeof(count)));
	expect(17, (long long)count, "eventfd in flight");
	must(fcntl(other[0], F_SETFL, O_NONBLOCK));
	expect(EAGAIN, errno_of(read(other[0], &count, sizeof(count))), "the same eventfd");
}

/* Both ends of a pair only in flight, the first with a file in its queue; and a socket in itself.
 */
static void send_sockets(void)
{
	int inner[2], fd = file_at("deep", 6);

	pair(SOCK_STREAM, inner);
	pass(inner[1], "deep", &fd, 1);
	pass(own[0], "pair", inner, 2);
	pass(own[0], "self", &own[1], 1);
	must(close(fd));
	must(close(inner[0]));
	must(close(inner[1]));
}

static void check_sockets(void)
{
	int inner[2], fd[1];

	take(own[1], "pair", inner, 2);
	take(own[1], "self", fd, 1);
	pass(own[0], "to both", NULL, 0);
	take(fd[0], "to both", NULL, 0);
	take(inner[0], "deep", fd, 1);
	reads(fd[0], "6789", "file in a socket in a socket");
	pass(inner[0], "back", NULL, 0);
	take(inner[1], "back", NULL, 0);
}

static struct sockaddr_un name(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	must_true(strlen(victim_path("sock").s) < sizeof(a.sun_path));
	strcpy(a.sun_path, victim_path("sock").s);
	return a;
}

/* To a name, from a socket without one. */
static void send_named(void)
{
	struct sockaddr_un a = name();
	int from = must(socket(AF_UNIX, SOCK_DGRAM, 0)), fd = file_at("named", 8);

	named = must(socket(AF_UNIX, SOCK_DGRAM, 0));
	must(bind(named, (struct sockaddr *)&a, sizeof(a)));
	must(connect(from, (struct sockaddr *)&a, sizeof(a)));
	pass(from, "by name", &fd, 1);
	must(close(from));
	must(close(fd));
}

static void check_named(void)
{
	int fd[1];

	take(named, "by name", fd, 1);
	reads(fd[0], "89", "file sent by name");
}

static void child(int i)
{
	int fd = file_at("childs", 5);

	(void)i;
	pass(cred[0], "from the child", &fd, 1);
	must(close(fd));
	family_wait();
}

int main(void)
{
	int shared, on = 1, fd[1];
	pid_t pid;

	family_begin();
	pair(SOCK_STREAM, stream);
	pair(SOCK_DGRAM, dgram);
	pair(SOCK_STREAM, gone);
	pair(SOCK_SEQPACKET, shut);
	pair(SOCK_SEQPACKET, own);
	pair(SOCK_STREAM, cred);
	must(setsockopt(cred[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	shared = file_at("shared", 2);
	pid = family_fork(child, 0);
	send_stream(shared);
	send_dgram();
	send_last();
	send_sockets();
	send_named();
	family_meet(1);
	if (victim_broken())
		must(lseek(shared, 5, SEEK_SET));
	check_stream(shared);
	check_dgram();
	check_sockets();
	check_named();
	expect(pid, take(cred[1], "from the child", fd, 1), "sender of the descriptor");
	reads(fd[0], "56789", "file that the child sent");
	family_over();
	family_join(pid);
	check_last();
	return victim_done();
}
