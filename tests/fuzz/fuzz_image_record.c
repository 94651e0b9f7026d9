/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records files: as they come, and with good sums. What is accepted must come out the same again
 * when it is written and read back.
 */
#include <stdlib.h>

#include "../unit/image_sample.h"
#include "../unit/image_sums.h"
#include "image/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_and_write(const uint8_t *p, size_t n)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct pk_model m = {0}, back = {0};
	struct pk_error err;

	if (pk_records_decode(p, n, sample_lookup, &m, &err))
		return;
	if (pk_records_encode(&m, &b, NULL) ||
		pk_records_decode(b.p, b.len, sample_lookup, &back, NULL) || sample_diff(&m, &back))
		abort();
	pk_model_free(&m);
	pk_model_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);

	memcpy(copy, p, n);
	read_and_write(copy, n);
	sums_fix_records(copy, n);
	read_and_write(copy, n);
	free(copy);
	return 0;
}
