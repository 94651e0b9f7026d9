/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the sums of a changed image good again, as far as its structure can still be followed: what
 * lies behind the sums is then reached by tests and fuzzers, as by somebody who forges an image.
 */
#ifndef PK_TEST_IMAGE_SUMS_H
#define PK_TEST_IMAGE_SUMS_H

#include <string.h>

#include "base/bytes.h"
#include "image/format.h"
#include "image/pages.h"
#include "image/sum.h"

static inline uint64_t sums_get(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static inline void sums_set(uint8_t *p, uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void sums_fix_records(uint8_t *p, size_t n)
{
	size_t at = PK_CORE_HEADER;

	if (n < PK_CORE_HEADER)
		return;
	sums_set(p + PK_CORE_SUMMED, pk_xxh3(p, PK_CORE_SUMMED));
	while (n - at >= PK_REC_HEADER) {
		uint64_t len = sums_get(p + at + PK_REC_SUM, 8);

		if (len > n - at - PK_REC_HEADER)
			return;
		sums_set(p + at, pk_xxh3(p + at + PK_REC_SUM, PK_REC_HEADER - PK_REC_SUM + len));
		at += PK_REC_HEADER + len;
	}
}

/* The sums of the blocks of one group, which start at `frame`, into the entries at `entry`. */
static inline void sums_fix_blocks(
	const uint8_t *frame, const uint8_t *end, uint8_t *entry, const uint8_t *entry_end)
{
	frame += PK_LZ4_HEAD;
	for (; entry_end - entry >= PK_INDEX_BLOCK; entry += PK_INDEX_BLOCK) {
		uint64_t stored = sums_get(entry, 4) & ~PK_LZ4_RAW;

		if (end - frame < (ptrdiff_t)(PK_LZ4_WORD + stored))
			return;
		frame += PK_LZ4_WORD;
		sums_set(entry + 8, pk_xxh3(frame, stored));
		frame += stored;
	}
}

/* Returns the sum of the group's index. */
static inline uint64_t sums_fix_group(uint8_t *frame, uint64_t n_frame, uint64_t n_index)
{
	uint8_t *index = frame + n_frame + PK_SKIP_HEAD;
	uint8_t *end = frame + n_frame + n_index;
	uint64_t n_block = sums_get(index + 12, 4);
	uint8_t *blocks = index + PK_INDEX_HEAD;

	if (n_frame >= PK_LZ4_HEAD && n_block <= (uint64_t)(end - blocks) / PK_INDEX_BLOCK)
		sums_fix_blocks(frame, frame + n_frame, blocks, blocks + n_block * PK_INDEX_BLOCK);
	sums_set(index, pk_xxh3(index + 8, (size_t)(end - index) - 8));
	return sums_get(index, 8);
}

/* Returns the footer's sum, as a commit file would have it. */
static inline uint64_t sums_fix_pages(uint8_t *p, size_t n)
{
	uint64_t n_group, size;
	uint8_t *group;

	if (n < PK_SKIP_HEAD + PK_TRAILER)
		return 0;
	sums_set(p + n - PK_TRAILER + 8, n);
	n_group = sums_get(p + n - PK_TRAILER + 16, 4);
	size = n_group * PK_FOOTER_GROUP + PK_TRAILER;
	if (size > n - PK_SKIP_HEAD)
		return 0;
	group = p + n - size;
	for (; n_group--; group += PK_FOOTER_GROUP) {
		uint64_t at = sums_get(group, 8);
		uint64_t frame = sums_get(group + 8, 4), index = sums_get(group + 12, 4);

		if (index >= PK_INDEX_MIN && at <= n && frame + index <= n - at)
			sums_set(group + 24, sums_fix_group(p + at, frame, index));
	}
	sums_set(p + n - 8, pk_xxh3(p + n - size, size - 8));
	return sums_get(p + n - 8, 8);
}

#endif
