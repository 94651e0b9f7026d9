/* SPDX-License-Identifier: Apache-2.0 */
/* Time as one number: nanoseconds of CLOCK_MONOTONIC. */
#ifndef PK_BASE_TIME_H
#define PK_BASE_TIME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define PK_NSEC INT64_C(1000000000)
#define PK_MSEC INT64_C(1000000)

static inline int64_t pk_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * PK_NSEC + ts->tv_nsec;
}

static inline struct timespec pk_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / PK_NSEC, .tv_nsec = ns % PK_NSEC};
}

static inline int64_t pk_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return pk_ns(&ts);
}

static inline int64_t pk_now(void)
{
	return pk_clock_ns(CLOCK_MONOTONIC);
}

/* When to give up: a moment, and a flag that a signal handler may set. */
struct pk_deadline {
	int64_t at;                   /* pk_now() at which time is up; 0: never */
	const atomic_bool *cancelled; /* may be NULL */
};

static inline bool pk_deadline_cancelled(const struct pk_deadline *d)
{
	return d->cancelled && atomic_load(d->cancelled);
}

static inline bool pk_deadline_passed(const struct pk_deadline *d)
{
	return pk_deadline_cancelled(d) || (d->at && pk_now() >= d->at);
}

#endif
