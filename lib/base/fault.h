/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault points: named places where a test build can be made to fail, to die, or to wait. In other
 * builds (PCKPT_FAULTS off) they are nothing.
 *
 * The environment variable PCKPT_FAULT holds "name=action", action being `kill` (SIGKILL to the
 * process that reaches the point), `fail` (pk_fault returns true once) or `stop` (SIGSTOP).
 */
#ifndef PK_BASE_FAULT_H
#define PK_BASE_FAULT_H

#include <stdbool.h>

#ifdef PCKPT_FAULTS
bool pk_fault(const char *name);
#else
static inline bool pk_fault(const char *name)
{
	(void)name;
	return false;
}
#endif

#endif
