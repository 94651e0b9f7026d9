/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Unix socket pairs between two processes: what is queued both ways, in order and in its packets;
 * halves that are shut down; an other end that has gone, also with something unread; options; who
 * made the pair; epoll over them.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "family.h"

static int stream[2], dgram[2], seq[2], half[2], gone[2], reset[2], childs[2];

static void pair(int type, int p[2])
{
	must(socketpair(AF_UNIX, type, 0, p));
}

static void put(int fd, const char *text)
{
	must_true(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

static void get(int fd, const char *want, const char *what)
{
	char buf[256];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n < 0 ? 0 : n] = '\0';
	expect((long long)strlen(want), n, "bytes: %s", what);
	expect_text(want, buf, "%s", what);
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	must(getsockopt(fd, level, name, &v, &n));
	return v;
}

static pid_t maker(int fd)
{
	struct ucred c = {0};
	socklen_t n = sizeof(c);

	must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n));
	expect(getuid(), c.uid, "user that made the pair");
	return c.pid;
}

static void other(int i)
{
	char c;

	(void)i;
	must(close(stream[0]));
	must(close(gone[1]));
	pair(SOCK_STREAM, childs);
	put(stream[1], "from the child");
	family_wait();
	get(stream[1], "hello, world", "stream to the child");
	get(dgram[1], "one", "first packet");
	get(dgram[1], "two two", "second packet");
	get(dgram[1], "", "empty packet");
	get(dgram[1], "three", "packet after the empty one");
	expect(EAGAIN, errno_of(recv(dgram[1], &c, 1, MSG_DONTWAIT)), "no more packets");
	get(seq[1], "record 1", "first record");
	get(seq[1], "record 2", "second record");
	expect(getppid(), maker(stream[1]), "maker of the parent's pair");
	expect(getpid(), maker(childs[1]), "maker of the child's pair");
	put(stream[1], "answer");
	must(close(stream[1]));
}

static void check_options(void)
{
	struct timeval t = {0};
	struct linger l = {0};
	socklen_t n = sizeof(t), m = sizeof(l);

	expect(2 * 40000, option(stream[0], SOL_SOCKET, SO_SNDBUF), "SO_SNDBUF");
	expect(2 * 50000, option(stream[0], SOL_SOCKET, SO_RCVBUF), "SO_RCVBUF");
	expect(1, option(dgram[0], SOL_SOCKET, SO_PASSCRED), "SO_PASSCRED");
	expect(3, option(seq[0], SOL_SOCKET, SO_PRIORITY), "SO_PRIORITY");
	expect(-1, option(seq[0], SOL_SOCKET, SO_PEEK_OFF), "SO_PEEK_OFF");
	must(getsockopt(seq[0], SOL_SOCKET, SO_RCVTIMEO, &t, &n));
	expect(17, t.tv_sec, "SO_RCVTIMEO");
	must(getsockopt(seq[0], SOL_SOCKET, SO_LINGER, &l, &m));
	expect(5, l.l_linger, "SO_LINGER");
	expect(O_NONBLOCK, fcntl(half[0], F_GETFL) & O_NONBLOCK, "O_NONBLOCK");
	expect(0, fcntl(half[1], F_GETFL) & O_NONBLOCK, "O_NONBLOCK of the other end");
	expect(FD_CLOEXEC, fcntl(half[1], F_GETFD), "FD_CLOEXEC");
}

static void set_options(void)
{
	int snd = 40000, rcv = 50000, on = 1, prio = 3;
	struct timeval t = {.tv_sec = 17};
	struct linger l = {1, 5};

	must(setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd)));
	must(setsockopt(stream[0], SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv)));
	must(setsockopt(dgram[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	must(setsockopt(seq[0], SOL_SOCKET, SO_PRIORITY, &prio, sizeof(prio)));
	must(setsockopt(seq[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)));
	must(setsockopt(seq[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	must(fcntl(half[0], F_SETFL, O_NONBLOCK));
	must(fcntl(half[1], F_SETFD, FD_CLOEXEC));
}

static void check_credentials(pid_t child)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char buf[16];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	expect(4, must(recvmsg(dgram[0], &m, MSG_DONTWAIT)), "bytes of the packet with a sender");
	must_true(CMSG_FIRSTHDR(&m));
	expect(child, ((struct ucred *)CMSG_DATA(CMSG_FIRSTHDR(&m)))->pid, "sender of the packet");
}

/* Sends as itself what its parent looks at. */
static void sender(int i)
{
	(void)i;
	must(close(gone[1]));
	put(dgram[1], "mine");
	family_wait();
}

static void check_gone(void)
{
	char c;

	get(half[0], "before", "what was sent before the shutdown");
	expect(0, recv(half[0], &c, 1, 0), "end of the half that was shut down");
	put(half[0], "back");
	get(half[1], "back", "the other half");
	expect(EPIPE, errno_of(send(half[1], "x", 1, MSG_NOSIGNAL)), "writing to the closed half");
	get(gone[0], "last words", "what the other end left");
	expect(0, recv(gone[0], &c, 1, MSG_DONTWAIT), "end of the one that is alone");
	expect(EPIPE, errno_of(send(gone[0], "x", 1, MSG_NOSIGNAL)), "writing to nobody");
	expect(ECONNRESET, errno_of(recv(reset[0], &c, 1, MSG_DONTWAIT)), "reset");
	expect(0, recv(reset[0], &c, 1, MSG_DONTWAIT), "end after a reset");
}

int main(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 42}, got[2];
	pid_t child, talker;
	int epoll;
	char buf[64];

	family_begin();
	pair(SOCK_STREAM, stream);
	pair(SOCK_DGRAM, dgram);
	pair(SOCK_SEQPACKET, seq);
	pair(SOCK_STREAM, half);
	pair(SOCK_STREAM, gone);
	pair(SOCK_STREAM, reset);
	set_options();
	put(stream[0], "hello, ");
	put(stream[0], "world");
	put(dgram[0], "one");
	put(dgram[0], "two two");
	must(send(dgram[0], "", 0, 0));
	put(dgram[0], "three");
	put(seq[0], "record 1");
	put(seq[0], "record 2");
	put(half[1], "before");
	must(shutdown(half[1], SHUT_WR));
	put(gone[1], "last words");
	put(reset[0], "unread");
	must(close(reset[1]));
	child = family_fork(other, 0);
	talker = family_fork(sender, 1);
	must(close(stream[1]));
	must(close(gone[1]));
	epoll = must(epoll_create1(0));
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, stream[0], &ev));
	family_meet(2);
	check_options();
	check_gone();
	if (victim_broken())
		put(dgram[0], "four");
	expect(1, epoll_wait(epoll, got, 2, 0), "sockets that are ready");
	expect(42, (long long)got[0].data.u64, "which one");
	get(stream[0], "from the child", "stream from the child");
	check_credentials(talker);
	family_over();
	expect(1, epoll_wait(epoll, got, 2, 5000), "sockets that are ready again");
	expect(6, recv(stream[0], buf, sizeof(buf), 0), "bytes of the answer");
	expect(0, recv(stream[0], buf, sizeof(buf), 0), "end of the stream");
	family_join(child);
	family_join(talker);
	return victim_done();
}
