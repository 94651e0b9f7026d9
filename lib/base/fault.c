/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#ifdef PCKPT_FAULTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool pk_fault(const char *name)
{
	const char *wanted = getenv("PCKPT_FAULT");
	size_t n = strlen(name);

	if (!wanted || strncmp(wanted, name, n) != 0 || wanted[n] != '=')
		return false;
	if (!strcmp(wanted + n + 1, "kill"))
		kill(getpid(), SIGKILL);
	/* To this thread: another one may take its time to stop for all, while we go on. */
	if (!strcmp(wanted + n + 1, "stop"))
		raise(SIGSTOP);
	return !strcmp(wanted + n + 1, "fail");
}
#endif
