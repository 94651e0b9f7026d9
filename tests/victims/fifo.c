/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fifos: both ends of one with content, one open for both with a removed name, ends that nobody
 * else has or ever had, opened for reading; they are still what their names lead to.
 */
#include <poll.h>

#include "files.h"

static int open_fifo(const char *name, int flags)
{
	struct victim_path path = victim_path(name);

	if (access(path.s, F_OK) < 0)
		must(mkfifo(path.s, 0600));
	return must(open(path.s, flags));
}

int main(void)
{
	int hold = open_fifo("both", O_RDWR), in = open_fifo("both", O_RDONLY | O_NONBLOCK);
	int out = open_fifo("both", O_WRONLY | O_CLOEXEC), gone = open_fifo("gone", O_RDWR);
	int alone = open_fifo("alone", O_RDONLY | O_NONBLOCK), again;
	int forgotten = open_fifo("forgotten", O_RDONLY | O_NONBLOCK);
	struct descriptor before[3];
	char c;

	must(close(hold));
	must(unlink(victim_path("gone").s));
	must(unlink(victim_path("forgotten").s));
	must_true(write(out, "content", 7) == 7);
	must_true(write(gone, "nameless", 8) == 8);
	before[0] = descriptor_of(in);
	before[1] = descriptor_of(out);
	before[2] = descriptor_of(alone);
	victim_ready();
	if (victim_broken())
		must(read(in, &c, 1));
	expect_descriptor(&before[0], in, "reading end");
	expect_descriptor(&before[1], out, "writing end");
	expect_descriptor(&before[2], alone, "lonely end");
	expect_read(in, "content", "fifo");
	expect_errno(EAGAIN, read(in, &c, 1));
	expect_read(gone, "nameless", "removed fifo");
	expect(0, read(alone, &c, 1), "end of file");
	expect(0, poll(&(struct pollfd){.fd = alone, .events = POLLIN}, 1, 0), "a hang-up");
	expect(0, poll(&(struct pollfd){.fd = forgotten, .events = POLLIN}, 1, 0),
		"a hang-up of a removed fifo");
	again = must(open(victim_path("both").s, O_WRONLY | O_NONBLOCK));
	must_true(write(again, "by name", 7) == 7);
	expect_read(in, "by name", "fifo, by its name");
	must(close(again));
	must(close(out));
	expect(0, read(in, &c, 1), "end of file when all writers have gone");
	return victim_done();
}
