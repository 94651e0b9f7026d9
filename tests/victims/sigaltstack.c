/* SPDX-License-Identifier: Apache-2.0 */
/* The alternate signal stack of each thread: set, set to disarm itself, none; and it is used. */
#include <signal.h>

#include "crew.h"

#define THREADS 4
#define SIZE    (1 << 16)
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char stacks[THREADS][SIZE];
static __thread uintptr_t handler_at;

static void handler(int sig)
{
	(void)sig;
	handler_at = (uintptr_t)__builtin_frame_address(0);
}

static void expect_used(int i, const stack_t *stack)
{
	uintptr_t bottom = (uintptr_t)stack->ss_sp;
	bool on_it;

	raise(SIGUSR1);
	on_it = handler_at >= bottom && handler_at < bottom + stack->ss_size;
	expect(!(stack->ss_flags & SS_DISABLE), on_it,
		"handler on the alternate stack of thread %d", i);
}

static void body(int i)
{
	static const int flags[THREADS] = {0, (int)SS_AUTODISARM, SS_DISABLE, 0};
	stack_t none = {.ss_flags = SS_DISABLE}, found;
	stack_t want = {.ss_sp = stacks[i], .ss_flags = flags[i], .ss_size = SIZE - (size_t)i * 64};

	must(sigaltstack(&want, NULL));
	must(sigaltstack(NULL, &want));
	meet();
	if (victim_broken())
		must(sigaltstack(&none, NULL));
	must(sigaltstack(NULL, &found));
	expect((intptr_t)want.ss_sp, (intptr_t)found.ss_sp, "ss_sp of thread %d", i);
	expect(want.ss_flags, found.ss_flags, "ss_flags of thread %d", i);
	expect((long)want.ss_size, (long)found.ss_size, "ss_size of thread %d", i);
	expect_used(i, &want);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

	must(sigaction(SIGUSR1, &sa, NULL));
	crew(THREADS, body);
	return victim_done();
}
