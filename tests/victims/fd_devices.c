/* SPDX-License-Identifier: Apache-2.0 */
/* The devices that every program may have open: null, zero, full, random, urandom. */
#include "files.h"

static const struct {
	const char *path;
	int flags;
} devices[] = {
	{"/dev/null", O_WRONLY},
	{"/dev/null", O_RDWR | O_CLOEXEC},
	{"/dev/zero", O_RDONLY},
	{"/dev/full", O_RDWR | O_APPEND},
	{"/dev/random", O_RDONLY | O_NONBLOCK},
	{"/dev/urandom", O_RDONLY | O_CLOEXEC},
};
enum { NULL_WRITE, NULL_BOTH, ZERO, FULL, RANDOM, URANDOM, DEVICES };

int main(void)
{
	static const char zeros[64];
	struct descriptor before[DEVICES];
	int fds[DEVICES];
	char buf[64];

	for (int i = 0; i < DEVICES; i++) {
		fds[i] = must(open(devices[i].path, devices[i].flags));
		before[i] = descriptor_of(fds[i]);
	}
	victim_ready();
	if (victim_broken())
		must(dup2(fds[NULL_BOTH], fds[FULL]));
	for (int i = 0; i < DEVICES; i++)
		expect_descriptor(&before[i], fds[i], devices[i].path);
	expect(4, write(fds[NULL_WRITE], "gone", 4), "bytes written to /dev/null");
	expect(0, read(fds[NULL_BOTH], buf, sizeof(buf)), "bytes read from /dev/null");
	memset(buf, 1, sizeof(buf));
	expect(64, read(fds[ZERO], buf, sizeof(buf)), "bytes read from /dev/zero");
	expect_bytes(zeros, buf, sizeof(buf), "what /dev/zero gives");
	expect_errno(ENOSPC, write(fds[FULL], "x", 1));
	expect(64, read(fds[RANDOM], buf, sizeof(buf)), "bytes read from /dev/random");
	expect(64, read(fds[URANDOM], buf, sizeof(buf)), "bytes read from /dev/urandom");
	return victim_done();
}
