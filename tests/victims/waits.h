/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timed waits: each in a thread of its own, all with WAIT_NS to go. Half of it is over when the
 * runner gets its turn. Counted in the program's own monotonic clock each must end in time, neither
 * early nor late, and with the result of a wait that nobody disturbed.
 */
#ifndef WAITS_H
#define WAITS_H

#include "crew.h"

#define WAIT_NS (4 * NSEC)
#define LATE_NS (1 * NSEC)

struct timed_wait {
	const char *name;
	int (*wait)(void); /* errno-like: what came of it */
	int want;
	int found;
	int64_t took;
};

static struct timed_wait *waits_table;

/* What is left for an absolute wait to name: the end in this clock. */
static inline struct timespec wait_end(clockid_t clock)
{
	return timespec_of(now(clock) + WAIT_NS);
}

static inline void waits_body(int i)
{
	int64_t start = now(CLOCK_MONOTONIC);
	struct timed_wait *w;

	if (i == 0) {
		sleep_until(start + WAIT_NS / 2);
		meet();
		return;
	}
	w = &waits_table[i - 1];
	crew_arrive();
	w->found = w->wait();
	w->took = now(CLOCK_MONOTONIC) - start;
}

static inline void victim_waits(struct timed_wait *table, int n)
{
	waits_table = table;
	crew(n + 1, waits_body);
	for (int i = 0; i < n; i++) {
		expect(table[i].want, table[i].found, "%s: result", table[i].name);
		expect_range(WAIT_NS / 1000000, (WAIT_NS + LATE_NS) / 1000000,
			table[i].took / 1000000, "%s: milliseconds", table[i].name);
	}
}

#endif
