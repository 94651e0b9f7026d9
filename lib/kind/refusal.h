/* SPDX-License-Identifier: Apache-2.0 */
/* What `unsupported` knows by name. README.md has the same table, made by scripts/gen-docs. */
#ifndef PK_KIND_REFUSAL_H
#define PK_KIND_REFUSAL_H

#include <stdbool.h>

struct pk_refusal {
	const char *prefix; /* of the link of /proc/PID/fd, or of the name of a mapping */
	const char *what;   /* what it is */
	const char *try;    /* what to do */
};

struct pk_view;

/* A POSIX message queue, mq_overview(7): it looks like a file in the root directory. */
bool pk_is_mqueue(const struct pk_view *v);

/* Ends with a NULL prefix. */
extern const struct pk_refusal pk_refusals[];

#endif
