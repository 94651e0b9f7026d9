/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd(2): the mask, also of real-time signals, flags; it reads what was pending all along. */
#include <signal.h>
#include <sys/signalfd.h>

#include "files.h"

int main(void)
{
	struct signalfd_siginfo info = {0};
	struct descriptor before[2];
	sigset_t set, high;
	int low_fd, high_fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigemptyset(&high);
	sigaddset(&high, SIGRTMAX);
	low_fd = must(signalfd(-1, &set, SFD_NONBLOCK));
	high_fd = must(signalfd(-1, &high, SFD_CLOEXEC));
	must(fcntl(high_fd, F_SETFL, O_NONBLOCK));
	sigaddset(&set, SIGRTMAX);
	must(sigprocmask(SIG_BLOCK, &set, NULL));
	must(sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = 11}));
	must(kill(getpid(), SIGUSR2));
	before[0] = descriptor_of(low_fd);
	before[1] = descriptor_of(high_fd);
	victim_ready();
	expect(before[0].flags, fcntl(low_fd, F_GETFL), "F_GETFL");
	expect(before[0].cloexec, fcntl(low_fd, F_GETFD), "F_GETFD");
	expect(before[1].flags, fcntl(high_fd, F_GETFL), "F_GETFL");
	expect(before[1].cloexec, fcntl(high_fd, F_GETFD), "F_GETFD");
	expect(sizeof(info), read(low_fd, &info, sizeof(info)), "bytes of a pending signal");
	expect(SIGUSR2, info.ssi_signo, "pending signal");
	expect_errno(EAGAIN, read(low_fd, &info, sizeof(info)));
	expect(sizeof(info), read(high_fd, &info, sizeof(info)), "bytes of a real-time signal");
	expect(victim_broken() ? 12 : 11, info.ssi_int, "value of a real-time signal");
	must(kill(getpid(), SIGUSR1));
	expect(sizeof(info), read(low_fd, &info, sizeof(info)), "bytes of a new signal");
	expect(SIGUSR1, info.ssi_signo, "new signal");
	return victim_done();
}
