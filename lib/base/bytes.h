/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cursors over bytes, both little endian: a growing buffer to write to, and a bounded reader
 * that never reads past its end. The reader remembers the first overrun: read all fields, then ask
 * pk_cur_ok() once.
 */
#ifndef PK_BASE_BYTES_H
#define PK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pk_buf {
	uint8_t *p;
	size_t len, cap;
	bool failed; /* an allocation failed; further writes do nothing */
};

struct pk_cur {
	const uint8_t *p, *end;
	bool failed; /* something was read past the end; further reads give zeros */
};

void pk_buf_free(struct pk_buf *b);
/* Append n bytes (of p, or zeros if p is NULL). Returns the offset of the first, SIZE_MAX on
 * failure. */
size_t pk_buf_put(struct pk_buf *b, const void *p, size_t n);
void pk_buf_u8(struct pk_buf *b, uint8_t v);
void pk_buf_u16(struct pk_buf *b, uint16_t v);
void pk_buf_u32(struct pk_buf *b, uint32_t v);
void pk_buf_u64(struct pk_buf *b, uint64_t v);
/* Pad with zeros to a multiple of align (a power of two). */
void pk_buf_align(struct pk_buf *b, size_t align);
/* Overwrite 4 or 8 bytes at an offset that was written before. */
void pk_buf_set_u32(struct pk_buf *b, size_t at, uint32_t v);
void pk_buf_set_u64(struct pk_buf *b, size_t at, uint64_t v);

struct pk_cur pk_cur_of(const void *p, size_t n);
static inline bool pk_cur_ok(const struct pk_cur *c)
{
	return !c->failed;
}
static inline size_t pk_cur_left(const struct pk_cur *c)
{
	return (size_t)(c->end - c->p);
}
uint8_t pk_cur_u8(struct pk_cur *c);
uint16_t pk_cur_u16(struct pk_cur *c);
uint32_t pk_cur_u32(struct pk_cur *c);
uint64_t pk_cur_u64(struct pk_cur *c);
/* Take n bytes: a pointer into the buffer, or NULL past the end. */
const void *pk_cur_take(struct pk_cur *c, size_t n);

#define PK_CLEAN_BUF __attribute__((cleanup(pk_buf_free)))

#endif
