/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void pk_buf_free(struct pk_buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

static bool reserve(struct pk_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 256;
	uint8_t *p;

	if (b->failed || n > SIZE_MAX / 2 - b->len)
		return !(b->failed = true);
	while (cap < b->len + n)
		cap *= 2;
	if (cap == b->cap)
		return true;
	p = realloc(b->p, cap);
	if (!p)
		return !(b->failed = true);
	b->p = p;
	b->cap = cap;
	return true;
}

size_t pk_buf_put(struct pk_buf *b, const void *p, size_t n)
{
	size_t at = b->len;

	if (!reserve(b, n))
		return SIZE_MAX;
	if (p && n)
		memcpy(b->p + at, p, n);
	else
		memset(b->p + at, 0, n);
	b->len += n;
	return at;
}

static void put_le(struct pk_buf *b, uint64_t v, size_t n)
{
	uint8_t le[8];

	for (size_t i = 0; i < n; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	pk_buf_put(b, le, n);
}

void pk_buf_u8(struct pk_buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

void pk_buf_u16(struct pk_buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

void pk_buf_u32(struct pk_buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void pk_buf_u64(struct pk_buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void pk_buf_align(struct pk_buf *b, size_t align)
{
	pk_buf_put(b, NULL, (align - b->len % align) % align);
}

static void set_le(struct pk_buf *b, size_t at, uint64_t v, size_t n)
{
	if (b->failed || at > b->len || n > b->len - at)
		return;
	for (size_t i = 0; i < n; i++)
		b->p[at + i] = (uint8_t)(v >> (8 * i));
}

void pk_buf_set_u32(struct pk_buf *b, size_t at, uint32_t v)
{
	set_le(b, at, v, 4);
}

void pk_buf_set_u64(struct pk_buf *b, size_t at, uint64_t v)
{
	set_le(b, at, v, 8);
}

struct pk_cur pk_cur_of(const void *p, size_t n)
{
	const uint8_t *b = p;

	return (struct pk_cur){.p = b, .end = b + n};
}

const void *pk_cur_take(struct pk_cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->failed || n > pk_cur_left(c)) {
		c->failed = true;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint64_t get_le(struct pk_cur *c, size_t n)
{
	const uint8_t *p = pk_cur_take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t pk_cur_u8(struct pk_cur *c)
{
	return (uint8_t)get_le(c, 1);
}

uint16_t pk_cur_u16(struct pk_cur *c)
{
	return (uint16_t)get_le(c, 2);
}

uint32_t pk_cur_u32(struct pk_cur *c)
{
	return (uint32_t)get_le(c, 4);
}

uint64_t pk_cur_u64(struct pk_cur *c)
{
	return get_le(c, 8);
}
