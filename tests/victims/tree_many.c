/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: modes=run,kill timeout=240
 *
 * 1,000 processes: all come back, each with its own number, and their sum is right.
 */
#include "family.h"

enum { MANY = 1000 };

static void child(int i)
{
	volatile int own = i;

	family_wait();
	expect(i, own, "own number");
	family->value[i] = own + 1;
}

int main(void)
{
	static pid_t pid[MANY];
	long sum = 0;

	family_begin();
	for (int i = 0; i < MANY; i++)
		pid[i] = family_fork(child, i);
	family_meet(MANY);
	if (victim_broken())
		kill(pid[MANY / 2], SIGKILL);
	family_over();
	for (int i = 0; i < MANY; i++)
		family_join(pid[i]);
	for (int i = 0; i < MANY; i++)
		sum += family->value[i];
	expect((long)MANY * (MANY + 1) / 2, sum, "sum of all processes");
	return victim_done();
}
