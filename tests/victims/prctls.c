/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the process that prctl(2) sets and gets by a number: reaper of orphans, no
 * new privileges, dumpable, no huge pages, machine checks, cpu timestamp counter, keeping
 * of capabilities.
 */
#include <sys/prctl.h>

#include "victim.h"

static struct {
	const char *name;
	int set, get, value, other;
	bool by_pointer; /* the getter fills an int */
	bool absent;
} settings[] = {
	{"child subreaper", PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, 1, 0, true, false},
	{"no_new_privs", PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, 1, 1, false, false},
	{"dumpable", PR_SET_DUMPABLE, PR_GET_DUMPABLE, 1, 1, false, false},
	{"THP disable", PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, 1, 0, false, false},
	{"keepcaps", PR_SET_KEEPCAPS, PR_GET_KEEPCAPS, 1, 0, false, false},
	{"memory failures", PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_EARLY, PR_MCE_KILL_LATE,
		false, false},
	{"timestamp counter", PR_SET_TSC, PR_GET_TSC, PR_TSC_ENABLE, PR_TSC_ENABLE, true, false},
};

static int set(int i, int value)
{
	if (settings[i].set == PR_MCE_KILL)
		return prctl(PR_MCE_KILL, PR_MCE_KILL_SET, value, 0, 0);
	return prctl(settings[i].set, value, 0, 0, 0);
}

static int get(int i)
{
	int value = -1;

	if (!settings[i].by_pointer)
		return prctl(settings[i].get, 0, 0, 0, 0);
	must(prctl(settings[i].get, &value, 0, 0, 0));
	return value;
}

int main(void)
{
	int n = ARRAY_SIZE(settings);

	for (int i = 0; i < n; i++)
		settings[i].absent = set(i, settings[i].value) < 0;
	victim_ready();
	for (int i = 0; i < n && victim_broken(); i++)
		set(i, settings[i].other);
	for (int i = 0; i < n; i++)
		if (!settings[i].absent)
			expect(settings[i].value, get(i), "%s", settings[i].name);
	return victim_done();
}
