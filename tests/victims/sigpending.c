/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pending signals: of the process and of each thread, with the whole siginfo and in their order,
 * several of one real-time number, from kill, tgkill, sigqueue and, as the kernel queues them, with
 * codes that only a signal to oneself may have.
 */
#include <signal.h>

#include "crew.h"

#define THREADS 3
#define QUEUED  5

static siginfo_t info_of(int sig, int code, int value)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = sig;
	info.si_code = code;
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	return info;
}

static void block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	must0(pthread_sigmask(SIG_SETMASK, &all, NULL));
}

/* Take one signal of this number: it must be this one, byte by byte. */
static void expect_signal(const siginfo_t *want, int thread)
{
	uint64_t set = 1ULL << (want->si_signo - 1);
	struct timespec at_once = {0};
	siginfo_t found;

	memset(&found, 0, sizeof(found));
	/* Not sigtimedwait(), which turns SI_TKILL into SI_USER. */
	if (syscall(SYS_rt_sigtimedwait, &set, &found, &at_once, sizeof(set)) < 0)
		expect(want->si_signo, 0, "pending signal of thread %d", thread);
	else
		expect_bytes(want, &found, sizeof(found), "siginfo of signal %d of thread %d",
			want->si_signo, thread);
}

static siginfo_t fault_info(int i)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGBUS;
	info.si_code = BUS_ADRALN;
	info.si_addr = (void *)(0x7654321000 + (intptr_t)i);
	return info;
}

static void queue_private(int i)
{
	siginfo_t fault = fault_info(i);

	must(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1));
	must(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &fault));
	for (int n = 0; n < QUEUED; n++) {
		siginfo_t info = info_of(SIGRTMIN + 1, SI_QUEUE, i * 100 + n);

		must(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 1, &info));
	}
}

static void expect_private(int i)
{
	siginfo_t info = info_of(SIGUSR1, SI_TKILL, 0);

	expect_signal(&info, i);
	info = fault_info(i);
	expect_signal(&info, i);
	for (int n = 0; n < QUEUED; n++) {
		info = info_of(SIGRTMIN + 1, SI_QUEUE, i * 100 + n);
		expect_signal(&info, i);
	}
}

static void queue_shared(void)
{
	must(kill(getpid(), SIGUSR2));
	must(kill(getpid(), SIGTERM));
	for (int n = 0; n < QUEUED; n++)
		must(sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = 900 + n}));
}

static void expect_shared(void)
{
	siginfo_t info = info_of(SIGUSR2, SI_USER, 0);

	expect_signal(&info, -1);
	info = info_of(SIGTERM, SI_USER, 0);
	expect_signal(&info, -1);
	for (int n = 0; n < QUEUED; n++) {
		info = info_of(SIGRTMAX, SI_QUEUE, 900 + n);
		expect_signal(&info, -1);
	}
}

static void body(int i)
{
	sigset_t left;

	queue_private(i);
	if (i == 0)
		queue_shared();
	meet();
	if (victim_broken())
		must(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
	expect_private(i);
	if (i == 0)
		expect_shared();
	must(sigpending(&left));
	for (int sig = 1; i == 0 && sig < NSIG; sig++)
		expect(0, sigismember(&left, sig) > 0, "signal %d pending at the end", sig);
}

int main(void)
{
	block_all();
	crew(THREADS, body);
	return victim_done();
}
