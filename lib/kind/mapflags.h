/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of mappings share: from a recorded mapping to the arguments of mmap(2). */
#ifndef PK_KIND_MAPFLAGS_H
#define PK_KIND_MAPFLAGS_H

#include "kind/kind.h"

#define PK_MAP_DROPPABLE 0x08 /* 6.11; its pages may vanish at any time, and are not saved */

/*
 * The protection in phase MAP: the recorded one, or with write permission added where pages are to
 * be filled in. Phase PROTECT makes it right.
 */
uint32_t pk_map_prot(const struct pk_vma *vma);

/* mmap at the recorded place; flags are the kind's own (MAP_ANONYMOUS, MAP_SHARED ...). */
void pk_map_call(
	struct pk_plan *p, const struct pk_vma *vma, uint32_t flags, int fd, uint64_t offset);

/* open(path), mmap, close. In phase MAP an open always gives descriptor 0. */
void pk_map_path(struct pk_plan *p, const struct pk_vma *vma, const char *path);

#endif
