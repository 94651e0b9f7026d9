/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three interval timers: each fires when its time has come, counted in the program's own
 * clocks, not early and not late, and keeps its interval afterwards.
 */
#include <signal.h>
#include <sys/time.h>

#include "victim.h"

#define MS       1000000
#define REAL_NS  (2 * NSEC)
#define CPU_NS   (NSEC / 2)
#define LATE_NS  NSEC
#define INTERVAL 50
#define PATIENCE (20 * NSEC)
#define TICK_MS  20 /* CPU timers go by ticks, of at most 10 ms */

enum { REAL, VIRTUAL, PROF, TIMERS };

static const struct {
	const char *name;
	int which, sig;
	int64_t value;
} timers[TIMERS] = {
	{"ITIMER_REAL", ITIMER_REAL, SIGALRM, REAL_NS},
	{"ITIMER_VIRTUAL", ITIMER_VIRTUAL, SIGVTALRM, CPU_NS},
	{"ITIMER_PROF", ITIMER_PROF, SIGPROF, CPU_NS},
};
static volatile int64_t fired[TIMERS];

static void handler(int sig)
{
	for (int i = 0; i < TIMERS; i++)
		if (timers[i].sig == sig && !fired[i])
			fired[i] = now(CLOCK_MONOTONIC);
}

static void start(int i)
{
	struct itimerval t = {.it_interval.tv_sec = INTERVAL};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};

	t.it_value.tv_sec = timers[i].value / NSEC;
	t.it_value.tv_usec = timers[i].value % NSEC / 1000;
	must(sigaction(timers[i].sig, &sa, NULL));
	must(setitimer(timers[i].which, &t, NULL));
}

static int64_t left(int i)
{
	struct itimerval t;

	must(getitimer(timers[i].which, &t));
	expect(INTERVAL, t.it_interval.tv_sec, "interval of %s", timers[i].name);
	return t.it_value.tv_sec * NSEC + t.it_value.tv_usec * 1000;
}

/* Compute for as long as it says so, in user mode, which is all that ITIMER_VIRTUAL counts. */
static void compute(bool (*on)(void))
{
	int64_t limit = now(CLOCK_MONOTONIC) + PATIENCE;

	while (on() && now(CLOCK_MONOTONIC) < limit)
		for (volatile int i = 0; i < 1000000; i++)
			;
}

static bool fresh(void)
{
	return left(VIRTUAL) > CPU_NS / 4 * 3;
}

static bool waiting(void)
{
	return !fired[VIRTUAL] || !fired[PROF];
}

int main(void)
{
	int64_t began = now(CLOCK_MONOTONIC), before[TIMERS];

	for (int i = 0; i < TIMERS; i++)
		start(i);
	compute(fresh);
	for (int i = 0; i < TIMERS; i++)
		before[i] = left(i);
	victim_ready();
	if (victim_broken())
		setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_sec = 9}, NULL);
	for (int i = VIRTUAL; i <= PROF; i++)
		expect_range((before[i] - CPU_NS / 2) / MS, before[i] / MS + TICK_MS, left(i) / MS,
			"left of %s, ms", timers[i].name);
	compute(waiting);
	sleep_until(began + REAL_NS + LATE_NS);
	for (int i = 0; i < TIMERS; i++)
		expect(1, fired[i] > 0, "%s fired", timers[i].name);
	expect_range(REAL_NS / MS, (REAL_NS + LATE_NS) / MS, (fired[REAL] - began) / MS,
		"ITIMER_REAL fired after, ms");
	for (int i = 0; i < TIMERS; i++)
		left(i);
	return victim_done();
}
