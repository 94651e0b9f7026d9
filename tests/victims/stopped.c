/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: setup=stop modes=run,dump,kill,runon,twice,supervised,identity
 *
 * A program that is stopped by SIGSTOP when it is dumped: the runner checks that it is still, or
 * again, stopped afterwards, and continues it. It sees that SIGCONT, and no other.
 */
#include <signal.h>

#include "crew.h"

static int continued;

static void count(int sig)
{
	(void)sig;
	continued++;
}

static void body(int i)
{
	meet();
	if (i == 0)
		expect(1, continued, "SIGCONT handled, times");
}

int main(void)
{
	must_true(signal(SIGCONT, count) != SIG_ERR);
	crew(3, body);
	return victim_done();
}
