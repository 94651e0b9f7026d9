/* SPDX-License-Identifier: Apache-2.0 */
/* Files of memfd_create(2): mapped, open, or run as a program. One record for each. */
#ifndef PK_KIND_MEMFD_H
#define PK_KIND_MEMFD_H

#include "kind/kind.h"

bool pk_is_memfd(const struct pk_map *m);

/* The record for a mapped one. 0 on failure. */
uint32_t pk_memfd_of_map(struct pk_source *s, const struct pk_map *m, struct pk_error *err);

#endif
