/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "image/format.h"
#include "image/io.h"
#include "image/pages.h"
#include "image/sum.h"

struct group_at {
	uint64_t at;
	uint32_t frame, index; /* sizes: the LZ4 frame, and the index behind it */
	uint64_t raw;
	uint64_t sum; /* of the index */
};

struct pk_pages {
	int fd;
	char *name;
	uint64_t size;
	uint64_t raw;
	struct group_at *group;
	uint32_t n;
};

struct trailer {
	uint64_t raw, size;
	uint32_t n;
	uint16_t major;
	const uint8_t *magic;
	uint64_t sum;
};

static int damaged(const struct pk_pages *p, struct pk_error *err, const char *what)
{
	return pk_fail(err, PK_E_IMAGE, "%s: %s", p->name, what);
}

static int read_at(const struct pk_pages *p, void *to, size_t n, uint64_t at, struct pk_error *err)
{
	return pk_pread_all(p->fd, to, n, at) ? pk_fail_errno(err, "%s: cannot read at byte %llu",
							p->name, (unsigned long long)at)
					      : 0;
}

static struct trailer parse_trailer(const uint8_t *p)
{
	struct pk_cur c = pk_cur_of(p, PK_TRAILER);
	struct trailer t;

	t.raw = pk_cur_u64(&c);
	t.size = pk_cur_u64(&c);
	t.n = pk_cur_u32(&c);
	t.major = pk_cur_u16(&c);
	pk_cur_u16(&c); /* minor version: adds only what can be ignored */
	t.magic = pk_cur_take(&c, sizeof(PK_TRAILER_MAGIC) - 1);
	t.sum = pk_cur_u64(&c);
	return t;
}

/* Finds out from the end of the file how long the footer is. Nothing here is checked by a sum. */
static int locate_footer(const struct pk_pages *p, uint64_t *ret_size, struct pk_error *err)
{
	uint8_t buf[PK_TRAILER];
	struct trailer t;
	int rc;

	if (p->size < PK_SKIP_HEAD + PK_TRAILER)
		return damaged(p, err, "it is cut short");
	rc = read_at(p, buf, sizeof(buf), p->size - sizeof(buf), err);
	if (rc)
		return rc;
	t = parse_trailer(buf);
	if (memcmp(t.magic, PK_TRAILER_MAGIC, sizeof(PK_TRAILER_MAGIC) - 1) != 0)
		return damaged(p, err, "it does not end like a page file");
	*ret_size = PK_SKIP_HEAD + (uint64_t)t.n * PK_FOOTER_GROUP + PK_TRAILER;
	if (t.size != p->size || *ret_size > p->size)
		return damaged(p, err, "its size is not the one in its footer");
	return 0;
}

/* Groups lie one behind the other, from the start of the file to the footer. */
static int parse_groups(struct pk_pages *p, struct pk_cur *c, uint64_t raw, uint64_t end)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		struct group_at *g = &p->group[i];

		g->at = pk_cur_u64(c);
		g->frame = pk_cur_u32(c);
		g->index = pk_cur_u32(c);
		g->raw = pk_cur_u64(c);
		g->sum = pk_cur_u64(c);
		if (g->at != at || g->frame < PK_LZ4_OVERHEAD || g->frame > PK_FRAME_MAX ||
			g->index < PK_INDEX_MIN || g->index > PK_INDEX_MAX || g->raw > raw)
			return -1;
		at += (uint64_t)g->frame + g->index;
		raw -= g->raw;
	}
	return at == end && raw == 0 ? 0 : -1;
}

static int check_footer(
	struct pk_pages *p, const uint8_t *footer, size_t n, uint64_t sum, struct pk_error *err)
{
	struct trailer t = parse_trailer(footer + n - PK_TRAILER);
	struct pk_cur c = pk_cur_of(footer, n);
	uint32_t magic = pk_cur_u32(&c);
	uint32_t size = pk_cur_u32(&c);

	if (magic != PK_SKIP_FOOTER || size != n - PK_SKIP_HEAD ||
		t.sum != pk_xxh3(footer + PK_SKIP_HEAD, n - PK_SKIP_HEAD - sizeof(t.sum)))
		return damaged(p, err, "its footer's checksum does not match");
	if (t.sum != sum)
		return damaged(p, err, "it is not the file that was committed");
	if (t.major != PK_FORMAT_MAJOR) {
		damaged(p, err, "its format version is unknown");
		return pk_from_newer(err);
	}
	p->raw = t.raw;
	p->n = (uint32_t)((n - PK_SKIP_HEAD - PK_TRAILER) / PK_FOOTER_GROUP);
	p->group = calloc(p->n + 1ul, sizeof(*p->group));
	if (!p->group)
		return pk_fail_errno(err, "%s", p->name);
	if (t.n != p->n || parse_groups(p, &c, t.raw, p->size - n))
		return damaged(p, err, "its footer contradicts itself");
	return 0;
}

static int read_footer(struct pk_pages *p, uint64_t sum, struct pk_error *err)
{
	PK_FREE uint8_t *footer = NULL;
	uint64_t n = 0;
	int rc = locate_footer(p, &n, err);

	if (rc)
		return rc;
	footer = malloc(n);
	if (!footer)
		return pk_fail_errno(err, "%s", p->name);
	rc = read_at(p, footer, n, p->size - n, err);
	return rc ? rc : check_footer(p, footer, n, sum, err);
}

static int open_file(
	struct pk_pages *p, int dirfd, const char *name, uint64_t size, struct pk_error *err)
{
	p->name = strdup(name);
	if (!p->name)
		return pk_fail_errno(err, "%s", name);
	p->fd = pk_open_regular(dirfd, name, &p->size);
	if (p->fd < 0 && errno == ENOENT)
		return damaged(p, err, "the file is missing");
	if (p->fd < 0)
		return pk_fail_errno(err, "%s: cannot open it", name);
	if (p->size != size)
		return pk_fail(err, PK_E_IMAGE, "%s: it has %llu bytes instead of %llu", name,
			(unsigned long long)p->size, (unsigned long long)size);
	return 0;
}

void pk_pages_close(struct pk_pages *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p->name);
	free(p->group);
	free(p);
}

int pk_pages_open(int dirfd, const char *name, uint64_t size, uint64_t footer_xxh3,
	struct pk_pages **ret, struct pk_error *err)
{
	struct pk_pages *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return pk_fail_errno(err, "%s", name);
	p->fd = -1;
	rc = open_file(p, dirfd, name, size, err);
	if (!rc)
		rc = read_footer(p, footer_xxh3, err);
	if (rc)
		pk_pages_close(p);
	else
		*ret = p;
	return rc;
}

size_t pk_pages_groups(const struct pk_pages *p)
{
	return p->n;
}

uint64_t pk_pages_raw(const struct pk_pages *p)
{
	return p->raw;
}

const char *pk_pages_name(const struct pk_pages *p)
{
	return p->name;
}

void pk_group_free(struct pk_group *g)
{
	free(g->buf);
	free(g->ext);
	free(g->block);
	memset(g, 0, sizeof(*g));
}

/* The old content is not needed, so nothing is copied. */
static int room(void *pp, size_t *cap, size_t n, size_t size)
{
	void **p = pp;

	if (n <= *cap && *p)
		return 0;
	free(*p);
	*cap = 0;
	*p = malloc(n * size + 1);
	if (!*p)
		return -1;
	*cap = n;
	return 0;
}

/* Checks what surrounds the entries: c is left at the first of them. Returns what is wrong. */
static const char *open_index(
	const struct group_at *at, size_t number, struct pk_cur *c, struct pk_group *g)
{
	const uint8_t *payload = c->p + PK_SKIP_HEAD;
	uint32_t magic = pk_cur_u32(c);
	uint32_t size = pk_cur_u32(c);
	uint64_t sum = pk_cur_u64(c);
	uint32_t n = pk_cur_u32(c);
	uint32_t n_block = pk_cur_u32(c);
	uint32_t n_ext = pk_cur_u32(c);
	uint32_t reserved = pk_cur_u32(c);

	if (magic != PK_SKIP_INDEX || size != at->index - PK_SKIP_HEAD || sum != at->sum ||
		sum != pk_xxh3(payload + sizeof(sum), size - sizeof(sum)))
		return "the checksum of its index does not match";
	if (n != number || reserved || n_block > PK_GROUP_BLOCKS || n_ext > PK_GROUP_EXTENTS ||
		pk_cur_left(c) != n_block * PK_INDEX_BLOCK + n_ext * PK_INDEX_EXTENT)
		return "its index contradicts itself";
	g->n_block = n_block;
	g->n_ext = n_ext;
	return NULL;
}

static bool block_ok(const struct pk_block_ref *b)
{
	return b->raw > 0 && b->raw <= PK_BLOCK_RAW && b->stored > 0 && b->stored <= PK_BLOCK_RAW &&
	       (!b->is_raw || b->raw == b->stored);
}

/* One block: what the frame has and what the index says of it. */
static const char *take_block(struct pk_cur *frame, struct pk_cur *index, struct pk_block_ref *b)
{
	uint32_t word = pk_cur_u32(index);
	uint64_t sum;

	b->stored = word & ~PK_LZ4_RAW;
	b->is_raw = !!(word & PK_LZ4_RAW);
	b->raw = pk_cur_u32(index);
	sum = pk_cur_u64(index);
	if (!block_ok(b))
		return "a block's size is out of range";
	if (pk_cur_u32(frame) != word)
		return "a block is not where the index has it";
	b->p = pk_cur_take(frame, b->stored);
	if (!b->p)
		return "a block is cut short";
	return sum == pk_xxh3(b->p, b->stored) ? NULL : "a block's checksum does not match";
}

static const char *take_blocks(
	const struct group_at *at, struct pk_cur *frame, struct pk_cur *index, struct pk_group *g)
{
	uint32_t magic = pk_cur_u32(frame);
	uint8_t flg = pk_cur_u8(frame);
	uint8_t bd = pk_cur_u8(frame);
	uint8_t hc = pk_cur_u8(frame);
	uint64_t raw = 0;

	if (magic != PK_LZ4_MAGIC || flg != PK_LZ4_FLG || bd != PK_LZ4_BD || hc != PK_LZ4_HC)
		return "it does not start with the LZ4 frame of a page file";
	for (size_t i = 0; i < g->n_block; i++) {
		const char *wrong = take_block(frame, index, &g->block[i]);

		if (wrong)
			return wrong;
		raw += g->block[i].raw;
	}
	if (pk_cur_u32(frame) != 0 || !pk_cur_ok(frame) || pk_cur_left(frame))
		return "its LZ4 frame does not end where it should";
	return raw == at->raw && raw <= PK_GROUP_RAW ? NULL
						     : "its size is not what the footer says";
}

static const char *take_extents(struct pk_cur *index, struct pk_group *g)
{
	for (size_t i = 0; i < g->n_ext; i++) {
		struct pk_extent *e = &g->ext[i];

		e->obj = pk_cur_u32(index);
		e->flags = pk_cur_u32(index);
		e->addr = pk_cur_u64(index);
		e->len = pk_cur_u64(index);
		e->block = pk_cur_u32(index);
		e->off = pk_cur_u32(index);
		if (!pk_extent_ok(e, e->block < g->n_block ? g->block[e->block].raw : 0))
			return "an extent is out of bounds or of an unknown kind";
	}
	return NULL;
}

static int bad_group(const struct pk_pages *p, size_t i, struct pk_error *err, const char *what)
{
	return pk_fail(err, PK_E_IMAGE, "%s: group %zu: %s", p->name, i, what);
}

static int parse_group(const struct pk_pages *p, size_t i, struct pk_group *g, struct pk_error *err)
{
	const struct group_at *at = &p->group[i];
	struct pk_cur frame = pk_cur_of(g->buf, at->frame);
	struct pk_cur index = pk_cur_of(g->buf + at->frame, at->index);
	const char *wrong = open_index(at, i, &index, g);

	if (wrong)
		return bad_group(p, i, err, wrong);
	if (room(&g->block, &g->cap_block, g->n_block, sizeof(*g->block)) ||
		room(&g->ext, &g->cap_ext, g->n_ext, sizeof(*g->ext)))
		return pk_fail_errno(err, "%s", p->name);
	wrong = take_blocks(at, &frame, &index, g);
	if (!wrong)
		wrong = take_extents(&index, g);
	return wrong ? bad_group(p, i, err, wrong) : 0;
}

int pk_group_load(const struct pk_pages *p, size_t i, struct pk_group *g, struct pk_error *err)
{
	const struct group_at *at = &p->group[i];
	size_t n = (size_t)at->frame + at->index;
	int rc;

	g->n_block = g->n_ext = 0;
	if (room(&g->buf, &g->cap, n, 1))
		return pk_fail_errno(err, "%s", p->name);
	rc = read_at(p, g->buf, n, at->at, err);
	if (!rc)
		rc = parse_group(p, i, g, err);
	if (rc)
		g->n_block = g->n_ext = 0;
	return rc;
}

int pk_group_block(
	const struct pk_group *g, size_t b, void *out, size_t *ret_n, struct pk_error *err)
{
	const struct pk_block_ref *r = &g->block[b];

	*ret_n = r->raw;
	if (r->is_raw) {
		memcpy(out, r->p, r->raw);
		return 0;
	}
	if (LZ4_decompress_safe((const char *)r->p, out, (int)r->stored, (int)r->raw) !=
		(int)r->raw)
		return pk_fail(err, PK_E_IMAGE, "block %zu does not decompress", b);
	return 0;
}
