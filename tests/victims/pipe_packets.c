/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes in packet mode: several packets, the largest one, one of a single byte; the mode of each
 * end; a pipe whose mode was switched; flags of an end that was made O_NONBLOCK later.
 */
#include "files.h"

static char most[4096];

static void expect_packet(int fd, size_t want, const char *what)
{
	char buf[8192];

	expect((long long)want, read(fd, buf, sizeof(buf)), "%s: bytes", what);
}

int main(void)
{
	struct descriptor before[4];
	int p[2], q[2];
	char c;

	must(pipe2(p, O_DIRECT | O_CLOEXEC));
	must_true(write(p[1], "one", 3) == 3);
	must_true(write(p[1], most, sizeof(most)) == sizeof(most));
	must_true(write(p[1], "1", 1) == 1);
	must_true(write(p[1], "last", 4) == 4);
	must(pipe(q));
	must(fcntl(q[0], F_SETFL, O_NONBLOCK));
	must_true(write(q[1], "stream", 6) == 6);
	must_true(write(q[1], ", still", 7) == 7);
	for (int i = 0; i < 4; i++)
		before[i] = descriptor_of(i < 2 ? p[i] : q[i - 2]);
	victim_ready();
	if (victim_broken()) {
		must(fcntl(p[0], F_SETFL, O_NONBLOCK)); /* not to wait for what is lost */
		must(read(p[0], &c, 1));
	}
	for (int i = 0; i < 4; i++) {
		expect(before[i].flags, fcntl(i < 2 ? p[i] : q[i - 2], F_GETFL), "F_GETFL %d", i);
		expect(before[i].cloexec, fcntl(i < 2 ? p[i] : q[i - 2], F_GETFD), "F_GETFD %d", i);
	}
	expect_packet(p[0], 3, "first packet");
	expect_packet(p[0], sizeof(most), "largest packet");
	expect_packet(p[0], 1, "smallest packet");
	expect(1, read(p[0], &c, 1), "part of a packet");
	must_true(write(p[1], "new", 3) == 3);
	expect_packet(p[0], 3, "after the part of a packet");
	expect_packet(q[0], 13, "stream");
	expect_errno(EAGAIN, read(q[0], &c, 1));
	return victim_done();
}
