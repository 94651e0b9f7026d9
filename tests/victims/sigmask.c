/* SPDX-License-Identifier: Apache-2.0 */
/* The signal mask of each thread: all 64 bits, as the kernel has them. */
#include <signal.h>

#include "crew.h"

#define THREADS 4
#define NEVER   (1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1)) /* can't be blocked */

static void body(int i)
{
	static const uint64_t masks[THREADS] = {0x8000000300000a01, ~0ULL, 0, 0x5555555555555555};
	uint64_t none = 0, mask = masks[i];

	must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask)));
	meet();
	if (victim_broken())
		must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none)));
	must(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &none, &mask, sizeof(mask)));
	expect((long long)(masks[i] & ~NEVER), (long long)mask, "signal mask of thread %d", i);
}

int main(void)
{
	crew(THREADS, body);
	return victim_done();
}
