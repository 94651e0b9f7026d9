/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carried files: content that no path leads to any more (unlinked, or a leftover that NFS removes
 * with its last user), or never did (O_TMPFILE); and temporary files that are memory of the job,
 * such as those of shm_open(3). Made once for each inode by the kinds that meet it.
 */
#ifndef PK_KIND_GHOST_H
#define PK_KIND_GHOST_H

#include "kind/kind.h"

/* Whether the file must be carried: `link` is where /proc says it is, st what it really is. */
bool pk_ghost_needed(
	const struct pk_source *s, const char *link, bool deleted, const struct stat *st);

/* The record for a file that descriptor `fd` of the process has open. 0 on failure. */
uint32_t pk_ghost_of_fd(struct pk_source *s, uint32_t fd, const struct stat *st, const char *path,
	struct pk_error *err);

/*
 * The record for a mapped file: through a descriptor of the process on the same file, or its
 * /proc/PID/exe, or else with what can be seen of it in memory. 0 on failure.
 */
uint32_t pk_ghost_of_map(struct pk_source *s, const struct pk_map *m, struct pk_error *err);

/* In a plan: the path by which the new process opens it. */
void pk_ghost_path(const struct pk_target *t, uint32_t obj, char *out, size_t n);

#endif
