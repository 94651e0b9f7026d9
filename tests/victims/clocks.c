/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks as the program sees them, looked at all the time: those that count from the boot never go
 * back and go on from where they were, without the time that the program was away; by the vDSO and
 * by system call alike. The clock of the day never goes back either.
 */
#include "crew.h"

#define JUMP_MAX (2 * NSEC) /* a busy machine; the time spent frozen */

static const struct {
	const char *name;
	clockid_t clock;
	bool continues;
} clocks[] = {
	{"CLOCK_MONOTONIC", CLOCK_MONOTONIC, true},
	{"CLOCK_BOOTTIME", CLOCK_BOOTTIME, true},
	{"CLOCK_MONOTONIC_RAW", CLOCK_MONOTONIC_RAW, true},
	{"CLOCK_MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE, true},
	{"CLOCK_REALTIME", CLOCK_REALTIME, false},
	{"CLOCK_TAI", CLOCK_TAI, false},
};
#define CLOCKS ARRAY_SIZE(clocks)

static int64_t least[CLOCKS], most[CLOCKS];

static int64_t by_system_call(clockid_t clock)
{
	struct timespec t;

	must(syscall(SYS_clock_gettime, clock, &t));
	return t.tv_sec * NSEC + t.tv_nsec;
}

static void look(int64_t last[CLOCKS], bool first)
{
	for (size_t i = 0; i < CLOCKS; i++) {
		int64_t t = now(clocks[i].clock), step = t - last[i];

		if (!first && step < least[i])
			least[i] = step;
		if (!first && step > most[i])
			most[i] = step;
		last[i] = t;
	}
}

static void body(int i)
{
	int64_t last[CLOCKS];

	if (i == 0) {
		meet();
		return;
	}
	look(last, true);
	crew_arrive();
	while (!crew_is_over())
		look(last, false);
	if (victim_broken())
		last[0] += NSEC;
	look(last, false);
}

int main(void)
{
	crew(2, body);
	for (size_t i = 0; i < CLOCKS; i++) {
		expect(0, least[i], "%s: step back, ns", clocks[i].name);
		if (clocks[i].continues)
			expect_range(0, JUMP_MAX, most[i], "%s: largest step, ns", clocks[i].name);
		expect_range(0, NSEC,
			by_system_call(clocks[i].clock) - now(clocks[i].clock) + NSEC / 2,
			"%s: by system call and by the vDSO, ns", clocks[i].name);
	}
	return victim_done();
}
