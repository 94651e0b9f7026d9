/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PK_MODEL_RANGE_H
#define PK_MODEL_RANGE_H

#include <stdint.h>

/* Addresses or offsets from start up to, not including, end. */
struct pk_range {
	uint64_t start, end;
};

#endif
