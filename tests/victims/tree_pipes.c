/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Pipes and fifos between processes: what is in them, in order; a reader that waits; one end closed
 * in one process and open in another; the end of file when the last writer has gone; packets.
 */
#include "family.h"

static int data[2], quiet[2], back[2], packets[2];

static void reader(int i)
{
	char buf[64];

	(void)i;
	must(close(data[1]));
	must(close(quiet[1]));
	must(close(back[0]));
	family_wait();
	expect(5, read(data[0], buf, 5), "bytes of the first five");
	expect_bytes("hello", buf, 5, "first five bytes");
	expect(8, read(data[0], buf, sizeof(buf)), "bytes of the rest");
	expect_bytes(", world!", buf, 8, "the rest");
	expect(4, read(packets[0], buf, sizeof(buf)), "bytes of the first packet");
	expect(3, read(packets[0], buf, sizeof(buf)), "bytes of the second packet");
	expect(0, read(quiet[0], buf, sizeof(buf)), "end of file");
	expect(4, write(back[1], "done", 4), "answer");
}

static void waiter(int i)
{
	char c;

	(void)i;
	must(close(data[1]));
	must(close(back[1]));
	must(close(quiet[1]));
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	expect(1, read(back[0], &c, 1), "the waiting reader");
	expect('d', c, "what it got");
}

int main(void)
{
	pid_t pid[2];
	char buf[8];
	int fifo;

	family_begin();
	must(mkfifo(victim_path("fifo").s, 0600));
	fifo = must(open(victim_path("fifo").s, O_RDWR));
	must_true(write(fifo, "named", 5) == 5);
	must(pipe(data));
	must(pipe(quiet));
	must(pipe(back));
	must(pipe2(packets, O_DIRECT));
	must(fcntl(data[1], F_SETPIPE_SZ, 1 << 18));
	must_true(write(data[1], "hello, world!", 13) == 13);
	must_true(write(packets[1], "four", 4) == 4);
	must_true(write(packets[1], "two", 3) == 3);
	pid[0] = family_fork(reader, 0);
	pid[1] = family_fork(waiter, 0);
	must(close(quiet[0]));
	must(close(data[0]));
	family_meet(2);
	expect(1 << 18, fcntl(data[1], F_GETPIPE_SZ), "capacity");
	expect(O_DIRECT, fcntl(packets[1], F_GETFL) & O_DIRECT, "packet mode");
	if (victim_broken())
		must(read(fifo, buf, 1));
	expect(5, read(fifo, buf, sizeof(buf)), "bytes in the fifo");
	expect_bytes("named", buf, 5, "the fifo's bytes");
	must(close(quiet[1]));
	family_over();
	family_join(pid[1]);
	expect(3, read(back[0], buf, sizeof(buf)), "bytes of the answer's rest");
	expect_bytes("one", buf, 3, "the answer's rest");
	family_join(pid[0]);
	must(close(data[1]));
	return victim_done();
}
