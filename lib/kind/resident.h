/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content of shared objects that no descriptor leads to. A process's page table does not tell what
 * such an object holds: pages written through another view are missing, and so are swapped ones.
 * The page cache does, and mincore(2), made in the process, asks it. Reading a page that is not
 * there would allocate it in the job's memory, so only what is there is read.
 */
#ifndef PK_KIND_RESIDENT_H
#define PK_KIND_RESIDENT_H

#include "kind/kind.h"

/* Where the last view of the object that `m` shows ends in it, and how many views there are. */
uint64_t pk_views_end(const struct pk_source *src, const struct pk_map *m, unsigned *ret_views);

/* The `save` of shared memory objects: what an earlier view has covered is left out. */
int pk_save_resident(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err);

#endif
