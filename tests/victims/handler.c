/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that are inside a signal handler, nested in another one: on the plain stack, on the
 * alternate stack, and on one that disarmed itself. Both return through what lies on the stacks,
 * and find masks, stacks and registers as they were.
 */
#include <signal.h>

#include "crew.h"

#define THREADS 3
#define SIZE    (1 << 16)
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char stacks[THREADS][SIZE];
static __thread int entered, left;

static int blocked(int sig)
{
	sigset_t set;

	must0(pthread_sigmask(SIG_SETMASK, NULL, &set));
	return sigismember(&set, sig);
}

static void expect_blocked(const char *where, int usr1, int usr2, int term)
{
	expect(usr1, blocked(SIGUSR1), "%s: SIGUSR1 blocked", where);
	expect(usr2, blocked(SIGUSR2), "%s: SIGUSR2 blocked", where);
	expect(term, blocked(SIGTERM), "%s: SIGTERM blocked", where);
}

static int stack_flags(void)
{
	stack_t stack;

	must(sigaltstack(NULL, &stack));
	return stack.ss_flags;
}

static void inner(int sig, siginfo_t *info, void *context)
{
	int flags = stack_flags();

	(void)context;
	entered++;
	meet();
	expect(flags, stack_flags(), "stack flags in the inner handler of thread %d", crew_number);
	expect(SIGUSR2, sig, "signal of the inner handler");
	expect(getpid(), info->si_pid, "si_pid of the inner handler");
	expect_blocked("inner handler", 1, 1, 1);
	left++;
}

static void outer(int sig)
{
	volatile double held = 1.0 / 3 + sig;

	entered++;
	raise(SIGUSR2);
	expect_blocked("outer handler", 1, 0, 1);
	expect(1, held == 1.0 / 3 + sig, "local of the outer handler kept");
	left++;
}

static void body(int i)
{
	static const int flags[THREADS] = {SS_DISABLE, 0, (int)SS_AUTODISARM};
	stack_t stack = {.ss_sp = stacks[i], .ss_flags = flags[i], .ss_size = SIZE};
	int before;

	must(sigaltstack(&stack, NULL));
	before = stack_flags();
	raise(SIGUSR1);
	expect(2, entered, "handlers entered");
	expect(2, left, "handlers left");
	expect(before, stack_flags(), "stack flags of thread %d", i);
	expect_blocked("after the handlers", 0, 0, 0);
}

int main(void)
{
	struct sigaction out = {.sa_handler = outer, .sa_flags = SA_ONSTACK};
	struct sigaction in = {.sa_sigaction = inner, .sa_flags = SA_ONSTACK | SA_SIGINFO};

	sigaddset(&out.sa_mask, SIGTERM);
	must(sigaction(SIGUSR1, &out, NULL));
	must(sigaction(SIGUSR2, &in, NULL));
	crew(THREADS, body);
	return victim_done();
}
