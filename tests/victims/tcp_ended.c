/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * A listener whose last connection was closed by the server's side first, and still holds the port
 * (TIME_WAIT): the restore does not wait until that is forgotten.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "victim.h"

static void name_of(int fd, struct sockaddr_in *ret)
{
	socklen_t n = sizeof(*ret);

	must(getsockname(fd, (struct sockaddr *)ret, &n));
}

static int client(const struct sockaddr_in *to)
{
	int fd = must(socket(AF_INET, SOCK_STREAM, 0));

	must(connect(fd, (const struct sockaddr *)to, sizeof(*to)));
	return fd;
}

int main(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in found;
	int listener = must(socket(AF_INET, SOCK_STREAM, 0)), from, to;
	int64_t then;

	must(bind(listener, (struct sockaddr *)&at, sizeof(at)));
	must(listen(listener, 4));
	name_of(listener, &at);
	from = client(&at);
	to = must(accept(listener, NULL, NULL));
	must(close(to));
	must(close(from));
	then = now(CLOCK_REALTIME);
	victim_ready();
	if (victim_broken())
		must(shutdown(listener, SHUT_RDWR));
	expect_range(0, 40 * NSEC, now(CLOCK_REALTIME) - then, "time until it runs again");
	name_of(listener, &found);
	expect_bytes(&at, &found, sizeof(at), "the listener's name");
	from = socket(AF_INET, SOCK_STREAM, 0);
	expect(0, errno_of(connect(from, (struct sockaddr *)&at, sizeof(at))), "connect");
	if (!victim_broken())
		must(accept(listener, NULL, NULL));
	return victim_done();
}
