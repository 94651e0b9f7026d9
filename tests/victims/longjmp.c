/* SPDX-License-Identifier: Apache-2.0 */
/* Jumps to places that were noted before the dump: longjmp, out of a handler, to another stack. */
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "victim.h"

static sigjmp_buf from_handler;
static jmp_buf plain;
static ucontext_t main_context, other_context;
static char other_stack[1 << 16];
static int other_steps;

static void handler(int sig)
{
	victim_ready();
	siglongjmp(from_handler, sig);
}

static void other(void)
{
	volatile int local = 7;

	other_steps++;
	swapcontext(&other_context, &main_context);
	other_steps += local;
}

static void start_other(void)
{
	must(getcontext(&other_context));
	other_context.uc_stack.ss_sp = other_stack;
	other_context.uc_stack.ss_size = sizeof(other_stack);
	other_context.uc_link = &main_context;
	makecontext(&other_context, other, 0);
	must(swapcontext(&main_context, &other_context));
}

static void expect_unblocked(void)
{
	sigset_t set;

	must(sigprocmask(SIG_SETMASK, NULL, &set));
	expect(0, sigismember(&set, SIGUSR1), "SIGUSR1 blocked after siglongjmp");
}

int main(void)
{
	volatile int sig, jumps = 0;

	must_true(signal(SIGUSR1, handler) != SIG_ERR);
	start_other();
	if (setjmp(plain) == 5)
		goto jumped;
	sig = sigsetjmp(from_handler, 1);
	if (!sig)
		raise(SIGUSR1);
	expect(SIGUSR1, sig, "value of siglongjmp");
	expect_unblocked();
	must(swapcontext(&main_context, &other_context));
	expect(8, other_steps, "steps on the other stack");
	jumps++;
	longjmp(plain, 5);
jumped:
	expect(1, jumps, "longjmps");
	return victim_done();
}
