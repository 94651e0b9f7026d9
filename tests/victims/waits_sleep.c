/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeps in progress, relative and absolute, with and without a place for the rest. */
#include "waits.h"

static int nanosleep_plain(void)
{
	struct timespec t = timespec_of(WAIT_NS);

	return errno_of(nanosleep(&t, NULL));
}

/* Where the rest goes to the request itself, as loops around nanosleep have it. */
static int nanosleep_rest(void)
{
	struct timespec t = timespec_of(WAIT_NS);

	return errno_of(nanosleep(&t, &t));
}

static int relative_on(clockid_t clock, struct timespec *rest)
{
	struct timespec t = timespec_of(WAIT_NS);

	return clock_nanosleep(clock, 0, &t, rest);
}

static int relative_monotonic(void)
{
	return relative_on(CLOCK_MONOTONIC, NULL);
}

static int relative_rest(void)
{
	struct timespec rest;

	return relative_on(CLOCK_MONOTONIC, &rest);
}

static int relative_realtime(void)
{
	return relative_on(CLOCK_REALTIME, NULL);
}

static int relative_boottime(void)
{
	return relative_on(CLOCK_BOOTTIME, NULL);
}

static int absolute_monotonic(void)
{
	struct timespec end = wait_end(CLOCK_MONOTONIC);

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
}

static int absolute_boottime(void)
{
	struct timespec end = wait_end(CLOCK_BOOTTIME);

	return clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &end, NULL);
}

static int usleep_plain(void)
{
	return errno_of(usleep(WAIT_NS / 1000));
}

static struct timed_wait waits[] = {
	{"nanosleep", nanosleep_plain, 0, 0, 0},
	{"nanosleep with the rest", nanosleep_rest, 0, 0, 0},
	{"clock_nanosleep", relative_monotonic, 0, 0, 0},
	{"clock_nanosleep with the rest", relative_rest, 0, 0, 0},
	{"clock_nanosleep realtime", relative_realtime, 0, 0, 0},
	{"clock_nanosleep boottime", relative_boottime, 0, 0, 0},
	{"clock_nanosleep until", absolute_monotonic, 0, 0, 0},
	{"clock_nanosleep until, boottime", absolute_boottime, 0, 0, 0},
	{"usleep", usleep_plain, 0, 0, 0},
};

int main(void)
{
	victim_waits(waits, ARRAY_SIZE(waits));
	return victim_done();
}
