/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens on each of the 64 signals: handler, flags, restorer and mask, as the
 * kernel has them.
 */
#include <signal.h>

#include "victim.h"

struct kernel_sigaction {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

static struct kernel_sigaction want[65];

static bool settable(int sig)
{
	return sig != SIGKILL && sig != SIGSTOP;
}

static void set(int sig, const struct kernel_sigaction *sa)
{
	must(syscall(SYS_rt_sigaction, sig, sa, NULL, sizeof(sa->mask)));
}

static struct kernel_sigaction get(int sig)
{
	struct kernel_sigaction sa;

	must(syscall(SYS_rt_sigaction, sig, NULL, &sa, sizeof(sa.mask)));
	return sa;
}

/* No two alike; none is ever called, so a handler may be anywhere. */
static struct kernel_sigaction some_action(int sig)
{
	static const unsigned long flags[] = {SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_ONSTACK,
		SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_RESTART | SA_SIGINFO | SA_ONSTACK};
	struct kernel_sigaction sa = {.handler = 0x10000 + 16 * (uintptr_t)sig};

	if (sig % 5 == 0)
		sa.handler = (uintptr_t)SIG_IGN;
	if (sig % 7 == 0)
		sa.handler = (uintptr_t)SIG_DFL;
	sa.flags = flags[sig % 8];
	if (sig % 3) {
		sa.flags |= 0x04000000; /* SA_RESTORER */
		sa.restorer = 0x20000 + 16 * (uintptr_t)sig;
	}
	sa.mask = (uint64_t)sig * 0x9e3779b97f4a7c15;
	return sa;
}

static void compare(int sig, const struct kernel_sigaction *a, const struct kernel_sigaction *b)
{
	expect((long long)a->handler, (long long)b->handler, "handler of signal %d", sig);
	expect((long long)a->flags, (long long)b->flags, "flags of signal %d", sig);
	expect((long long)a->restorer, (long long)b->restorer, "restorer of signal %d", sig);
	expect((long long)a->mask, (long long)b->mask, "mask of signal %d", sig);
}

int main(void)
{
	struct kernel_sigaction sa;

	for (int sig = 1; sig <= 64; sig++) {
		sa = some_action(sig);
		if (settable(sig))
			set(sig, &sa);
		want[sig] = get(sig);
	}
	victim_ready();
	if (victim_broken())
		set(17, &want[18]);
	for (int sig = 1; sig <= 64; sig++) {
		sa = get(sig);
		compare(sig, &want[sig], &sa);
	}
	return victim_done();
}
