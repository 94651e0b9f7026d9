/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: modes=run,dump,kill,runon,twice stdio=file,null,pipe,pty,socketpair,closed
 *
 * Standard streams of the sort that the runner gives to the victim and to the restorer. The program
 * finds the same sort as before, reads the line that the runner sends, and what it writes arrives.
 */
#include <poll.h>

#include "files.h"

static mode_t sort_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_mode & S_IFMT;
}

static void expect_input(bool terminal)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char line[16] = "";
	ssize_t n;

	expect(1, poll(&p, 1, 10000), "input is there");
	n = read(0, line, sizeof(line) - 1);
	if (n == 0) /* /dev/null */
		return;
	expect_text(
		"input\n", line, "line read from %s", terminal ? "a terminal" : "standard input");
}

int main(void)
{
	static const char *const words[] = {"", "stdio: out\n", "stdio: err\n"};
	mode_t before[3];
	int terminal[3];

	for (int fd = 0; fd < 3; fd++) {
		before[fd] = sort_of(fd);
		terminal[fd] = isatty(fd);
	}
	victim_ready();
	for (int fd = 0; fd < 3; fd++) {
		expect(before[fd], sort_of(fd), "sort of descriptor %d", fd);
		expect(terminal[fd], isatty(fd), "descriptor %d is a terminal", fd);
	}
	if (before[0])
		expect_input(terminal[0]);
	for (int fd = 1; fd < 3; fd++)
		if (before[fd])
			expect((long)strlen(words[fd]), write(fd, words[fd], strlen(words[fd])),
				"bytes written to descriptor %d", fd);
	return victim_done();
}
