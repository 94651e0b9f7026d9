/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduling policy of each thread with all its attributes: the policies that need no
 * privilege, reset-on-fork, nice, and the time slice asked for.
 */
#include <sched.h>

#include "crew.h"

struct attr { /* struct sched_attr of sched_setattr(2), first version */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static const struct attr attrs[] = {
	{.policy = SCHED_OTHER},
	{.policy = SCHED_BATCH, .nice = 3},
	{.policy = SCHED_IDLE},
	{.policy = SCHED_BATCH, .flags = 1},
	{.policy = SCHED_OTHER, .nice = 7, .runtime = 5000000},
};

static struct attr get(void)
{
	struct attr a;

	memset(&a, 0, sizeof(a));
	must(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0));
	return a;
}

static void body(int i)
{
	struct attr want = attrs[i], found, other = {.size = sizeof(other), .nice = 11};

	want.size = sizeof(want);
	must(syscall(SYS_sched_setattr, 0, &want, 0));
	want = get();
	meet();
	if (victim_broken())
		must(syscall(SYS_sched_setattr, 0, &other, 0));
	found = get();
	expect(want.policy, found.policy, "policy of thread %d", i);
	expect((long long)want.flags, (long long)found.flags, "flags of thread %d", i);
	expect(want.nice, found.nice, "nice of thread %d", i);
	expect(want.priority, found.priority, "priority of thread %d", i);
	expect((long long)want.runtime, (long long)found.runtime, "time slice of thread %d", i);
}

int main(void)
{
	crew(ARRAY_SIZE(attrs), body);
	return victim_done();
}
