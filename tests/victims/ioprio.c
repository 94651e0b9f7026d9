/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O priority of each thread: none set, best effort, idle. */
#include <linux/ioprio.h>

#include "crew.h"

static const int priorities[] = {
	IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0),
	IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 1),
	IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7),
	IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0),
};

static void body(int i)
{
	must(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priorities[i]));
	meet();
	if (victim_broken())
		must(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priorities[2] - 1));
	expect(priorities[i], syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0),
		"I/O priority of thread %d", i);
}

int main(void)
{
	crew(ARRAY_SIZE(priorities), body);
	return victim_done();
}
