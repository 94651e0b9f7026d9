/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Sockets whose other end has left the job: they come back as if that had gone away, with what it
 * had sent before. A dump alone leaves them as they are.
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

static int ours[3], theirs[3];

static void connect_loopback(int *client, int *server)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = must(socket(AF_INET, SOCK_STREAM, 0));

	must(bind(listener, (struct sockaddr *)&a, sizeof(a)));
	must(listen(listener, 1));
	must(getsockname(listener, (struct sockaddr *)&a, &n));
	*client = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(*client, (struct sockaddr *)&a, sizeof(a)));
	*server = must(accept(listener, NULL, NULL));
	must(close(listener));
}

/* Answers until nobody is left to ask. */
static _Noreturn void stranger(void)
{
	struct pollfd p[3];
	int left = 3;
	char c;

	for (int i = 0; i < 3; i++) {
		close(ours[i]);
		must(send(theirs[i], "before", 6, MSG_NOSIGNAL));
		p[i] = (struct pollfd){.fd = theirs[i], .events = POLLIN};
	}
	must(mknod(victim_path("stranger").s, S_IFREG | 0666, 0));
	while (left && poll(p, 3, 60000) > 0)
		for (int i = 0; i < 3; i++) {
			if (!p[i].revents)
				continue;
			if (recv(p[i].fd, &c, 1, MSG_DONTWAIT) == 1 &&
				send(p[i].fd, "pong", 4, MSG_NOSIGNAL) == 4)
				continue;
			p[i].fd = -1;
			left--;
		}
	_exit(0);
}

static void leave_job(void)
{
	struct timespec ms = {.tv_nsec = 1000000};
	int status;
	pid_t pid = must(fork());

	if (pid == 0) {
		if (must(fork()) == 0)
			stranger();
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	while (access(victim_path("stranger").s, F_OK) < 0)
		nanosleep(&ms, NULL);
}

int main(void)
{
	static const char *const names[] = {"stream", "seqpacket", "tcp"};
	char buf[16] = "";

	for (int i = 0; i < 2; i++) {
		int p[2];

		must(socketpair(AF_UNIX, i ? SOCK_SEQPACKET : SOCK_STREAM, 0, p));
		ours[i] = p[0];
		theirs[i] = p[1];
	}
	connect_loopback(&ours[2], &theirs[2]);
	leave_job();
	for (int i = 0; i < 3; i++)
		must(close(theirs[i]));
	victim_ready();
	for (int i = 0; i < 3; i++) {
		memset(buf, 0, sizeof(buf));
		if (victim_broken() && i != 1)
			must(recv(ours[i], buf, 1, 0));
		expect(6, recv(ours[i], buf, 6, 0), "bytes from before, %s", names[i]);
		expect_text("before", buf, "what was sent before, %s", names[i]);
		memset(buf, 0, sizeof(buf));
		(void)!send(ours[i], "?", 1, MSG_NOSIGNAL);
		if (recv(ours[i], buf, 4, 0) > 0)
			expect_text("pong", buf, "answer of a living other end, %s", names[i]);
		else if (errno != EPIPE && errno != ECONNRESET)
			expect(0, recv(ours[i], buf, 1, 0), "end of a dead other end, %s",
				names[i]);
	}
	return victim_done();
}
