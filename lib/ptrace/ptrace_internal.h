/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PK_PTRACE_INTERNAL_H
#define PK_PTRACE_INTERNAL_H

#include "ptrace/tracee.h"

/* The next wait status of a thread: 1, or 0 if it is gone, or a negative class. */
int pk_wait_event(
	struct pk_tracee *t, const struct pk_deadline *d, int *status, struct pk_error *err);

#endif
