/* SPDX-License-Identifier: Apache-2.0 */
/* The dump proper, run by the helper process that pckpt_dump() starts. */
#ifndef PK_DUMP_DUMP_H
#define PK_DUMP_DUMP_H

#include <stdatomic.h>

#include "base/error.h"
#include "pckpt/pckpt.h"

/* SIGCHLD must be blocked. A set *cancelled makes it stop at the next opportunity, undoing all. */
int pk_dump(const struct pckpt_dump_options *o, const atomic_bool *cancelled,
	struct pckpt_dump_result *ret, struct pk_error *err);

#endif
