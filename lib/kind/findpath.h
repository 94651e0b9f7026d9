/* SPDX-License-Identifier: Apache-2.0 */
/* A name of an inode, which the kernel does not tell: looked for where the job is at home. */
#ifndef PK_KIND_FINDPATH_H
#define PK_KIND_FINDPATH_H

#include "kind/kind.h"

struct pk_wanted {
	uint64_t ino;
	dev_t dev;
	/* Its file handle, name_to_handle_at(2), if that is known: bytes is not 0. */
	uint32_t bytes;
	int32_t type;
	uint8_t handle[128];
};

/* From a text of fdinfo: "fhandle-bytes:8 fhandle-type:1 f_handle:0123..". */
void pk_wanted_handle(struct pk_wanted *w, const char *text);

/* An allocated absolute path; NULL if none was found. */
char *pk_find_path(const struct pk_source *s, const struct pk_wanted *w);

#endif
