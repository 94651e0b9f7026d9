/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases on files: that they are there, and that an open by somebody else is told of by the signal
 * that was chosen.
 */
#include <signal.h>
#include <sys/wait.h>

#include "victim.h"

static volatile sig_atomic_t told, of;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	told++;
	of = info->si_fd;
}

/* Another process, which does not wait. */
static void open_elsewhere(const char *name, int flags, int want)
{
	int status = -1;
	pid_t pid = must(fork());

	if (pid == 0) {
		int fd = open(victim_path(name).s, flags | O_NONBLOCK);

		_exit(fd < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	expect(want, WEXITSTATUS(status), "errno of an open of %s", name);
}

int main(void)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	int alone, reader, given_up;

	must(sigaction(SIGRTMIN + 3, &act, NULL));
	alone = must(open(victim_path("alone").s, O_RDWR | O_CREAT, 0600));
	must(open(victim_path("reader").s, O_WRONLY | O_CREAT, 0600));
	must(close(alone + 1));
	reader = must(open(victim_path("reader").s, O_RDONLY));
	given_up = must(open(victim_path("given up").s, O_RDWR | O_CREAT, 0600));
	must(fcntl(alone, F_SETSIG, SIGRTMIN + 3));
	must(fcntl(reader, F_SETSIG, SIGRTMIN + 3));
	must(fcntl(given_up, F_SETLEASE, F_WRLCK));
	must(fcntl(given_up, F_SETLEASE, F_UNLCK));
	if (fcntl(alone, F_SETLEASE, F_WRLCK) < 0)
		victim_skip("no leases on this file system");
	must(fcntl(reader, F_SETLEASE, F_RDLCK));
	victim_ready();

	if (victim_broken())
		must(fcntl(reader, F_SETLEASE, F_UNLCK));
	expect(F_WRLCK, fcntl(alone, F_GETLEASE), "lease for writing");
	expect(F_RDLCK, fcntl(reader, F_GETLEASE), "lease for reading");
	expect(F_UNLCK, fcntl(given_up, F_GETLEASE), "lease that was given up");
	expect(0, told, "signals before an open");
	open_elsewhere("reader", O_RDONLY, 0);
	expect(0, told, "signals of an open that does no harm");
	if (victim_broken())
		return victim_done();
	open_elsewhere("reader", O_WRONLY, EWOULDBLOCK);
	expect(1, told, "signals of an open for writing");
	expect(reader, of, "the file that it tells of");
	must(fcntl(reader, F_SETLEASE, F_UNLCK));
	open_elsewhere("alone", O_RDONLY, EWOULDBLOCK);
	expect(2, told, "signals of an open for reading");
	expect(alone, of, "the file that it tells of");
	must(fcntl(alone, F_SETLEASE, F_UNLCK));
	open_elsewhere("reader", O_WRONLY, 0);
	return victim_done();
}
