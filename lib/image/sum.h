/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PK_IMAGE_SUM_H
#define PK_IMAGE_SUM_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of a buffer (seed 0): the checksum of everything in an image. */
uint64_t pk_xxh3(const void *p, size_t n);

#endif
