/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations for membarrier(2): the commands work without asking again. */
#include <linux/membarrier.h>

#include "crew.h"

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)
#endif

static const struct {
	const char *name;
	int enroll, use;
} commands[] = {
	{"private", MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED},
	{"sync core", MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
		MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE},
	{"rseq", MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
		MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ},
	{"global", MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, MEMBARRIER_CMD_GLOBAL_EXPEDITED},
};

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void body(int i)
{
	long before = membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS);

	meet();
	if (i > 0)
		return;
	expect(before, membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS), "registrations");
	for (size_t n = 0; n < ARRAY_SIZE(commands); n++)
		expect(0, errno_of(membarrier(commands[n].use)), "errno of membarrier: %s",
			commands[n].name);
}

int main(void)
{
	if (membarrier(MEMBARRIER_CMD_QUERY) < 0)
		victim_skip("no membarrier: %s", strerror(errno));
	for (size_t n = 0; n < ARRAY_SIZE(commands); n++)
		if (membarrier(commands[n].enroll) < 0)
			victim_skip("no membarrier %s: %s", commands[n].name, strerror(errno));
	crew(3, body);
	return victim_done();
}
