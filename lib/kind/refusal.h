/* SPDX-License-Identifier: Apache-2.0 */
/* What `unsupported` knows by name. README.md has the same table, made by scripts/gen-docs. */
#ifndef PK_KIND_REFUSAL_H
#define PK_KIND_REFUSAL_H

struct pk_refusal {
	const char *prefix; /* of the link of /proc/PID/fd, or of the name of a mapping */
	const char *what;   /* what it is */
	const char *try;    /* what to do */
};

/* Ends with a NULL prefix. */
extern const struct pk_refusal pk_refusals[];

#endif
