/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that are one open file, with one offset and one set of flags, and others that opened
 * the same file for themselves. Close-on-exec is each descriptor's own.
 */
#include "files.h"

#define TEXT "0123456789"

int main(void)
{
	int a, b, c, d, own;

	write_text(victim_path("file").s, TEXT);
	a = must(open(victim_path("file").s, O_RDWR));
	own = must(open(victim_path("file").s, O_RDWR | O_CLOEXEC));
	b = must(dup(a));
	c = must(fcntl(a, F_DUPFD_CLOEXEC, 50));
	d = must(dup2(a, 77));
	must(lseek(a, 4, SEEK_SET));
	must(lseek(own, 1, SEEK_SET));
	victim_ready();
	if (victim_broken())
		must(dup2(own, d));
	expect(4, lseek(d, 0, SEEK_CUR), "offset of the duplicates");
	expect(1, lseek(own, 0, SEEK_CUR), "offset of the other open");
	must(lseek(b, 7, SEEK_SET));
	expect(7, lseek(a, 0, SEEK_CUR), "offset by the first after a seek by the second");
	expect(7, lseek(c, 0, SEEK_CUR), "offset by the third");
	expect(7, lseek(d, 0, SEEK_CUR), "offset by the fourth");
	expect(1, lseek(own, 0, SEEK_CUR), "offset of the other open after that");
	must(fcntl(c, F_SETFL, O_APPEND));
	expect(O_APPEND, fcntl(a, F_GETFL) & O_APPEND,
		"flags by the first after a change by the third");
	expect(0, fcntl(own, F_GETFL) & O_APPEND, "flags of the other open after that");
	expect(0, fcntl(a, F_GETFD), "close-on-exec of the first");
	expect(0, fcntl(b, F_GETFD), "close-on-exec of the second");
	expect(FD_CLOEXEC, fcntl(c, F_GETFD), "close-on-exec of the third");
	expect(0, fcntl(d, F_GETFD), "close-on-exec of the fourth");
	expect(FD_CLOEXEC, fcntl(own, F_GETFD), "close-on-exec of the other open");
	must(close(a));
	expect_read(d, "789", "after the first is closed");
	return victim_done();
}
