/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits, soft and hard, lowered each to a number of its own where they are not lower yet.
 */
#include <sys/resource.h>

#include "victim.h"

#define GIB (1ULL << 30)

static const struct {
	const char *name;
	int resource;
	rlim_t soft, hard;
} limits[] = {
	{"as", RLIMIT_AS, 1000 * GIB, 2000 * GIB},
	{"core", RLIMIT_CORE, 1000, 2000},
	{"cpu", RLIMIT_CPU, 10000, 20000},
	{"data", RLIMIT_DATA, 100 * GIB, RLIM_INFINITY},
	{"fsize", RLIMIT_FSIZE, 10 * GIB, 20 * GIB},
	{"locks", RLIMIT_LOCKS, 100, 200},
	{"memlock", RLIMIT_MEMLOCK, 65536, 131072},
	{"msgqueue", RLIMIT_MSGQUEUE, 1000, 2000},
	{"nice", RLIMIT_NICE, 0, 0},
	{"nofile", RLIMIT_NOFILE, 100, 200},
	{"nproc", RLIMIT_NPROC, 5000, 6000},
	{"rss", RLIMIT_RSS, 10 * GIB, RLIM_INFINITY},
	{"rtprio", RLIMIT_RTPRIO, 0, 0},
	{"rttime", RLIMIT_RTTIME, 100000, 200000},
	{"sigpending", RLIMIT_SIGPENDING, 500, 600},
	{"stack", RLIMIT_STACK, 4 << 20, 16 << 20},
};

static struct rlimit before[ARRAY_SIZE(limits)];

static rlim_t lower(rlim_t a, rlim_t b)
{
	return a < b ? a : b;
}

int main(void)
{
	struct rlimit now_set;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		must(getrlimit((unsigned)limits[i].resource, &before[i]));
		before[i].rlim_max = lower(before[i].rlim_max, limits[i].hard);
		before[i].rlim_cur = lower(before[i].rlim_max, limits[i].soft);
		must(setrlimit((unsigned)limits[i].resource, &before[i]));
	}
	victim_ready();
	if (victim_broken())
		must(setrlimit(RLIMIT_CPU, &(struct rlimit){500, 600}));
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		must(getrlimit((unsigned)limits[i].resource, &now_set));
		expect((long long)before[i].rlim_cur, (long long)now_set.rlim_cur, "soft limit %s",
			limits[i].name);
		expect((long long)before[i].rlim_max, (long long)now_set.rlim_max, "hard limit %s",
			limits[i].name);
	}
	return victim_done();
}
