/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Pseudo terminals, both ends in the job: a shell-like leader with its terminal and a group in the
 * foreground, settings, size, bytes on their way in both directions, packet mode, names.
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "family.h"

enum { SHELL, RAW, DONE, N };

static int master[N];
static char name[N][32];

static int open_pair(int i, unsigned short rows)
{
	struct winsize size = {.ws_row = rows, .ws_col = 77};
	int slave;

	master[i] = must(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
	must(grantpt(master[i]));
	must(unlockpt(master[i]));
	must0(ptsname_r(master[i], name[i], sizeof(name[i])));
	slave = must(open(name[i], O_RDWR | O_NOCTTY));
	must(ioctl(slave, TIOCSWINSZ, &size));
	return slave;
}

static void set_raw(int fd, int min)
{
	struct termios t;

	must(tcgetattr(fd, &t));
	cfmakeraw(&t);
	t.c_cc[VMIN] = (cc_t)min;
	must(tcsetattr(fd, TCSANOW, &t));
}

static void expect_read(int fd, const char *want, const char *what)
{
	char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf) - 1), more = n;

	/* What is printed may come in pieces. */
	while (n > 0 && n < (ssize_t)strlen(want) && more > 0 && !strncmp(buf, want, (size_t)n)) {
		more = read(fd, buf + n, sizeof(buf) - 1 - (size_t)n);
		n += more > 0 ? more : 0;
	}
	buf[n < 0 ? 0 : n] = '\0';
	expect((long long)strlen(want), n, "bytes of %s", what);
	expect_text(want, buf, "%s", what);
}

static void foreground(int i)
{
	struct winsize size = {0};
	char path[64];

	(void)i;
	must(setpgid(0, 0));
	must(close(master[SHELL]));
	family_wait();
	expect(getpgrp(), tcgetpgrp(0), "the group in the foreground");
	must0(ttyname_r(0, path, sizeof(path)));
	expect_text(name[SHELL], path, "ttyname");
	expect_text(name[SHELL], read_link("/proc/self/fd/0", path, sizeof(path)), "the link");
	must(ioctl(0, TIOCGWINSZ, &size));
	expect(25, size.ws_row, "rows");
	expect(77, size.ws_col, "columns");
	expect_read(0, "a line\n", "the first line");
	expect_read(0, "ended", "a line that an end of file ended");
	expect_read(0, "partial, and the rest\n", "the line that was not complete");
	must_true(write(1, "done\n", 5) == 5);
}

static void shell(int i)
{
	int slave = must(open(name[SHELL], O_RDWR | O_NOCTTY)), tty;
	sigset_t ttou;
	pid_t pid;

	(void)i;
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	must(sigprocmask(SIG_BLOCK, &ttou, NULL));
	must(setsid());
	must(ioctl(slave, TIOCSCTTY, 0));
	for (int fd = 0; fd < 2; fd++)
		must(dup2(slave, fd));
	must(close(slave));
	pid = family_fork(foreground, 0);
	while (getpgid(pid) != pid)
		sched_yield();
	must(tcsetpgrp(0, pid));
	tty = must(open("/dev/tty", O_RDWR | O_CLOEXEC));
	family_wait();
	expect(pid, tcgetpgrp(tty), "the foreground group, by /dev/tty");
	expect(getpid(), tcgetsid(tty), "the session of the terminal");
	family_join(pid);
}

int main(void)
{
	int slave[N], on = 1, number;
	struct pollfd p = {0};
	struct winsize size;
	struct termios t;
	char buf[64];
	sigset_t set;
	pid_t pid;

	family_begin();
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < N; i++)
		slave[i] = open_pair(i, (unsigned short)(25 + i));
	set_raw(slave[RAW], 3);
	must_true(write(slave[RAW], "print\ned", 8) == 8);
	must_true(write(master[RAW], "type\4d\r", 7) == 7);
	must(ioctl(master[RAW], TIOCPKT, &on));
	set_raw(slave[DONE], 1);
	must_true(write(slave[DONE], "last words", 10) == 10);
	must(close(slave[DONE]));
	pid = family_fork(shell, 0);
	must(close(slave[SHELL]));
	family_await(2);
	must_true(write(master[SHELL], "a line\nended\4partial", 20) == 20);
	family_meet(2);

	must0(ptsname_r(master[SHELL], buf, sizeof(buf)));
	expect_text(name[SHELL], buf, "ptsname");
	must(ioctl(master[DONE], TIOCGPTN, &number));
	expect(atoi(name[DONE] + 9), number, "number of a terminal");
	expect_read(master[SHELL], "a line\r\nendedpartial", "the echo");
	must_true(write(master[SHELL], ", and the rest\n", 15) == 15);
	must(tcgetattr(slave[RAW], &t));
	expect(0, t.c_lflag & (ICANON | ECHO | ISIG), "raw mode");
	expect(3, t.c_cc[VMIN], "VMIN");
	must(ioctl(slave[RAW], TIOCGWINSZ, &size));
	expect(26, size.ws_row, "rows of the raw one");
	if (victim_broken())
		must(tcflush(slave[RAW], TCIFLUSH));
	must(fcntl(slave[RAW], F_SETFL, O_NONBLOCK));
	expect_read(slave[RAW], "type\4d\r", "input of the raw one");
	expect(8 + 1, read(master[RAW], buf, sizeof(buf)), "a packet");
	expect(TIOCPKT_DATA, buf[0], "its kind");
	expect_bytes("print\ned", buf + 1, 8, "its bytes");
	expect_read(master[DONE], "last words", "output of a terminal that was closed");
	p = (struct pollfd){.fd = master[DONE], .events = POLLIN};
	must(poll(&p, 1, 0));
	expect(POLLHUP, p.revents & (POLLHUP | POLLIN), "the closed terminal");
	expect_errno(EIO, read(master[DONE], buf, sizeof(buf)));
	family_over();
	family_join(pid);
	expect_read(master[SHELL], ", and the rest\r\ndone\r\n", "what was printed at last");
	return victim_done();
}
