/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Unix sockets with names, in a file system and abstract, also relative to a directory: listeners
 * with and without connections that wait, accepted connections, datagrams with their senders. The
 * names work on.
 */
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "family.h"

struct name {
	struct sockaddr_un a;
	socklen_t n;
};

static struct name path_name(const char *path)
{
	struct name r = {.a.sun_family = AF_UNIX};

	strcpy(r.a.sun_path, path);
	r.n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	return r;
}

static struct name abstract_name(const char *text)
{
	struct name r = {.a.sun_family = AF_UNIX};

	r.n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  (size_t)snprintf(r.a.sun_path + 1, sizeof(r.a.sun_path) - 1, "%s-%d",
				  text, (int)getpid()));
	return r;
}

static int bound(int type, const struct name *name)
{
	int fd = must(socket(AF_UNIX, type, 0));

	must(bind(fd, (const struct sockaddr *)&name->a, name->n));
	return fd;
}

static int client(int type, const struct name *to)
{
	int fd = must(socket(AF_UNIX, type, 0));

	must(connect(fd, (const struct sockaddr *)&to->a, to->n));
	return fd;
}

static void expect_name(const struct name *want, int fd, bool peer, const char *what)
{
	struct name got = {.n = sizeof(got.a)};

	must((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&got.a, &got.n));
	expect(want ? want->n : sizeof(sa_family_t), got.n, "length of %s", what);
	if (want)
		expect_bytes(&want->a, &got.a, want->n, "%s", what);
}

static void talk(int from, int to, const char *text)
{
	char buf[64] = "";

	must(send(from, text, strlen(text), MSG_NOSIGNAL));
	must(recv(to, buf, sizeof(buf) - 1, 0));
	expect_text(text, buf, "over a connection");
}

static int path_listener, abstract_listener, accepted, connected, named_client, orphan[2];
static struct name path, abstract, relative, of_client, closed_name, inbox_name, sender_name;

static void child(int i)
{
	char buf[64] = "";

	(void)i;
	connected = client(SOCK_STREAM, &path);
	must(send(connected, "from the child", 14, 0));
	family_wait();
	expect_name(&path, connected, true, "the peer's name of the child's connection");
	expect_name(NULL, connected, false, "the name of the child's connection");
	must(recv(connected, buf, sizeof(buf), 0));
	expect_text("to the child", buf, "what the child gets");
}

static pid_t peer_pid(int fd)
{
	struct ucred c = {0};
	socklen_t n = sizeof(c);

	must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n));
	return c.pid;
}

static void get_from(int fd, const char *want, const struct name *from)
{
	struct name got = {.n = sizeof(got.a)};
	char buf[64] = "";

	must(recvfrom(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT, (struct sockaddr *)&got.a, &got.n));
	expect_text(want, buf, "datagram");
	expect(from ? from->n : 0, got.n, "length of the sender's name of %s", want);
	if (from)
		expect_bytes(&from->a, &got.a, got.n, "sender of %s", want);
}

static int accept_now(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	expect(1, poll(&p, 1, 2000), "a connection that waits");
	return p.revents ? must(accept(listener, NULL, NULL)) : -1;
}

int main(void)
{
	int pending[2], inbox, sender, anonymous, logger, other, relative_listener, temporary, fd;
	struct stat st;
	pid_t pid;
	char buf[64] = "";

	family_begin();
	must(chdir(getenv("PCKPT_VICTIM_DIR")));
	path = path_name(victim_path("listener").s);
	relative = path_name("relative");
	closed_name = path_name(victim_path("closed").s);
	of_client = abstract_name("client");
	abstract = abstract_name("listener");
	inbox_name = path_name(victim_path("inbox").s);
	sender_name = abstract_name("sender");
	path_listener = bound(SOCK_STREAM, &path);
	must(chmod(path.a.sun_path, 0620));
	must(listen(path_listener, 7));
	pid = family_fork(child, 0);
	accepted = must(accept(path_listener, NULL, NULL));
	abstract_listener = bound(SOCK_SEQPACKET, &abstract);
	must(listen(abstract_listener, 5));
	relative_listener = bound(SOCK_STREAM, &relative);
	must(listen(relative_listener, 5));
	named_client = bound(SOCK_SEQPACKET, &of_client);
	must(connect(named_client, (struct sockaddr *)&abstract.a, abstract.n));
	fd = must(accept(abstract_listener, NULL, NULL));
	must(send(fd, "queued", 6, 0));
	pending[0] = client(SOCK_SEQPACKET, &abstract);
	pending[1] = client(SOCK_SEQPACKET, &abstract);
	temporary = bound(SOCK_STREAM, &closed_name);
	must(listen(temporary, 1));
	orphan[0] = client(SOCK_STREAM, &closed_name);
	orphan[1] = must(accept(temporary, NULL, NULL));
	must(close(temporary));
	must(unlink(closed_name.a.sun_path));
	inbox = bound(SOCK_DGRAM, &inbox_name);
	sender = bound(SOCK_DGRAM, &sender_name);
	anonymous = client(SOCK_DGRAM, &inbox_name);
	logger = client(SOCK_DGRAM, &inbox_name);
	must(sendto(sender, "signed", 6, 0, (struct sockaddr *)&inbox_name.a, inbox_name.n));
	must(send(anonymous, "unsigned", 8, 0));
	must(close(anonymous));
	must(sendto(sender, "again", 5, 0, (struct sockaddr *)&inbox_name.a, inbox_name.n));
	family_meet(1);

	expect_name(&path, accepted, false, "the accepted connection's name");
	expect_name(NULL, accepted, true, "the accepted connection's peer");
	expect(pid, peer_pid(accepted), "who connected");
	expect(getpid(), peer_pid(named_client), "who listens");
	must(recv(accepted, buf, sizeof(buf), MSG_DONTWAIT));
	expect_text("from the child", buf, "what the child sent");
	if (victim_broken())
		must(recvfrom(inbox, buf, sizeof(buf), 0, NULL, NULL));
	must(send(accepted, "to the child", 12, 0));
	expect_name(&of_client, named_client, false, "the client's name");
	expect_name(&abstract, named_client, true, "the client's peer");
	expect_name(&of_client, fd, true, "the client's name as seen by the server");
	talk(named_client, fd, "a record");
	talk(fd, named_client, "queued");
	other = accept_now(abstract_listener);
	talk(pending[0], other, "first in the queue");
	other = accept_now(abstract_listener);
	talk(other, pending[1], "second in the queue");
	expect_name(&closed_name, orphan[0], true, "name of a listener that is gone");
	talk(orphan[0], orphan[1], "without a listener");
	expect(ENOENT, errno_of(access(closed_name.a.sun_path, F_OK)), "file of that name");
	get_from(inbox, "signed", &sender_name);
	get_from(inbox, "unsigned", NULL);
	get_from(inbox, "again", &sender_name);
	must(send(logger, "log", 3, 0));
	get_from(inbox, "log", NULL);
	must(stat(path.a.sun_path, &st));
	expect(S_IFSOCK | 0620, st.st_mode, "file of the listener");
	other = client(SOCK_STREAM, &path);
	talk(other, accept_now(path_listener), "a new connection");
	other = client(SOCK_STREAM, &relative);
	talk(other, accept_now(relative_listener), "a new connection by a relative name");
	family_over();
	family_join(pid);
	return victim_done();
}
