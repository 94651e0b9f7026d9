/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PK_BASE_ARRAY_H
#define PK_BASE_ARRAY_H

#include <stdlib.h>

/*
 * Make room for one more element after n of them. Capacities are powers of two, so that n alone
 * tells when to grow. Returns the array, perhaps moved; NULL, and the old one stays, without
 * memory.
 */
static inline void *pk_array_more(void *v, size_t n, size_t size)
{
	if (n & (n - 1))
		return v;
	return reallocarray(v, n ? 2 * n : 1, size);
}

#endif
