/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
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

struct pk_pages_writer {
	int fd;
	char *name;
	void *lz4;             /* scratch of LZ4_compress_fast_extState */
	struct pk_buf group;   /* what the next write(2) takes; as large as a group can get */
	struct pk_buf blocks;  /* the index of the group, in the making */
	struct pk_buf extents; /* (blocks come before extents) */
	uint32_t n_block, n_ext, raw;
	struct pk_buf footer; /* one entry for each group written */
	uint32_t n_group;
	uint64_t raw_bytes, file_bytes;
};

static void writer_free(struct pk_pages_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->name);
	free(w->lz4);
	pk_buf_free(&w->group);
	pk_buf_free(&w->blocks);
	pk_buf_free(&w->extents);
	pk_buf_free(&w->footer);
	free(w);
}

static int no_memory(const struct pk_pages_writer *w, struct pk_error *err)
{
	errno = ENOMEM;
	return pk_fail_errno(err, "%s", w->name);
}

int pk_pages_create(int dirfd, const char *name, struct pk_pages_writer **ret, struct pk_error *err)
{
	struct pk_pages_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return pk_fail_errno(err, "%s", name);
	w->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (w->fd < 0) {
		int rc = pk_write_failed(err, "%s: cannot create it", name);

		writer_free(w);
		return rc;
	}
	w->name = strdup(name);
	w->lz4 = malloc((size_t)LZ4_sizeofState());
	w->group.cap = PK_FRAME_MAX + PK_INDEX_MAX;
	w->group.p = malloc(w->group.cap);
	if (!w->name || !w->lz4 || !w->group.p) {
		writer_free(w);
		errno = ENOMEM;
		return pk_fail_errno(err, "%s", name);
	}
	*ret = w;
	return 0;
}

void pk_pages_abort(struct pk_pages_writer *w)
{
	if (w)
		writer_free(w);
}

static void begin_group(struct pk_pages_writer *w)
{
	pk_buf_u32(&w->group, PK_LZ4_MAGIC);
	pk_buf_u8(&w->group, PK_LZ4_FLG);
	pk_buf_u8(&w->group, PK_LZ4_BD);
	pk_buf_u8(&w->group, PK_LZ4_HC);
}

/* Appends the group's index, a skippable frame, and returns its sum. */
static uint64_t put_index(struct pk_pages_writer *w)
{
	struct pk_buf *b = &w->group;
	size_t body = w->blocks.len + w->extents.len;
	size_t sum_at;
	uint64_t sum;

	pk_buf_u32(b, PK_SKIP_INDEX);
	pk_buf_u32(b, (uint32_t)(PK_INDEX_HEAD + body));
	sum_at = b->len;
	pk_buf_u64(b, 0);
	pk_buf_u32(b, w->n_group);
	pk_buf_u32(b, w->n_block);
	pk_buf_u32(b, w->n_ext);
	pk_buf_u32(b, 0);
	pk_buf_put(b, w->blocks.p, w->blocks.len);
	pk_buf_put(b, w->extents.p, w->extents.len);
	sum = pk_xxh3(b->p + sum_at + sizeof(sum), b->len - sum_at - sizeof(sum));
	pk_buf_set_u64(b, sum_at, sum);
	return sum;
}

/* Dirty pages should go to the disk while the next group is compressed, not all in the fsync. */
static int write_out(struct pk_pages_writer *w, const struct pk_buf *b, struct pk_error *err)
{
	if (pk_write_all(w->fd, b->p, b->len))
		return pk_write_failed(err, "%s: cannot write", w->name);
	(void)sync_file_range(w->fd, (off_t)w->file_bytes, (off_t)b->len, SYNC_FILE_RANGE_WRITE);
	w->file_bytes += b->len;
	return 0;
}

static void reset_group(struct pk_pages_writer *w)
{
	w->group.len = w->blocks.len = w->extents.len = 0;
	w->n_block = w->n_ext = w->raw = 0;
}

static int flush_group(struct pk_pages_writer *w, struct pk_error *err)
{
	size_t frame;
	uint64_t sum;
	int rc;

	if (!w->n_block && !w->n_ext)
		return 0;
	if (w->blocks.failed || w->extents.failed || w->n_group == UINT32_MAX)
		return no_memory(w, err);
	pk_buf_u32(&w->group, 0); /* the frame's end mark */
	frame = w->group.len;
	sum = put_index(w);
	pk_buf_u64(&w->footer, w->file_bytes);
	pk_buf_u32(&w->footer, (uint32_t)frame);
	pk_buf_u32(&w->footer, (uint32_t)(w->group.len - frame));
	pk_buf_u64(&w->footer, w->raw);
	pk_buf_u64(&w->footer, sum);
	rc = write_out(w, &w->group, err);
	if (rc)
		return rc;
	w->n_group++;
	w->raw_bytes += w->raw;
	reset_group(w);
	return 0;
}

/* LZ4 writes into the group itself. It gives up where raw storage would be as good. */
static void put_block(struct pk_pages_writer *w, const void *raw, size_t n)
{
	uint32_t word_at = (uint32_t)pk_buf_put(&w->group, NULL, PK_LZ4_WORD);
	uint8_t *to = w->group.p + w->group.len;
	int most = (int)(n - (n + 31) / 32);
	uint32_t stored =
		(uint32_t)LZ4_compress_fast_extState(w->lz4, raw, (char *)to, (int)n, most, 1);
	uint32_t word = stored;

	if (!stored) {
		memcpy(to, raw, n);
		stored = (uint32_t)n;
		word = stored | PK_LZ4_RAW;
	}
	w->group.len += stored;
	pk_buf_set_u32(&w->group, word_at, word);
	pk_buf_u32(&w->blocks, word);
	pk_buf_u32(&w->blocks, (uint32_t)n);
	pk_buf_u64(&w->blocks, pk_xxh3(to, stored));
	w->n_block++;
	w->raw += (uint32_t)n;
}

static void put_extent(struct pk_pages_writer *w, const struct pk_extent *e)
{
	pk_buf_u32(&w->extents, e->obj);
	pk_buf_u32(&w->extents, e->flags);
	pk_buf_u64(&w->extents, e->addr);
	pk_buf_u64(&w->extents, e->len);
	pk_buf_u32(&w->extents, e->block);
	pk_buf_u32(&w->extents, e->off);
	w->n_ext++;
}

bool pk_extent_ok(const struct pk_extent *e, size_t n)
{
	if (!e->obj || !e->len || e->len - 1 > UINT64_MAX - e->addr)
		return false;
	if (e->flags == PK_EXT_ZERO)
		return e->block == 0 && e->off == 0;
	return e->flags == 0 && e->off <= n && e->len <= n - e->off;
}

/* A bug in the caller must not become an image that no reader takes. */
static int put_extents(struct pk_pages_writer *w, size_t n, struct pk_extent *ext, size_t n_ext,
	struct pk_error *err)
{
	for (size_t i = 0; i < n_ext; i++) {
		struct pk_extent *e = &ext[i];

		e->block = n && !(e->flags & PK_EXT_ZERO) ? w->n_block - 1 : 0;
		if (!pk_extent_ok(e, n))
			return pk_fail(err, PK_E_INTERNAL, "%s: an extent of object %u at %#llx",
				w->name, e->obj, (unsigned long long)e->addr);
		put_extent(w, e);
	}
	return 0;
}

static bool full(const struct pk_pages_writer *w, size_t n, size_t n_ext)
{
	return w->raw + n > PK_GROUP_RAW || w->n_ext + n_ext > PK_GROUP_EXTENTS ||
	       w->n_block == PK_GROUP_BLOCKS;
}

int pk_pages_add(struct pk_pages_writer *w, const void *raw, size_t n, struct pk_extent *ext,
	size_t n_ext, struct pk_error *err)
{
	if (n > PK_BLOCK_RAW || n_ext > PK_GROUP_EXTENTS)
		return pk_fail(err, PK_E_INTERNAL, "%s: a block of %zu bytes and %zu extents",
			w->name, n, n_ext);
	if (full(w, n, n_ext)) {
		int rc = flush_group(w, err);

		if (rc)
			return rc;
	}
	if (!w->group.len)
		begin_group(w);
	if (n)
		put_block(w, raw, n);
	return put_extents(w, n, ext, n_ext, err);
}

static int write_footer(struct pk_pages_writer *w, struct pk_pages_stat *ret, struct pk_error *err)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	size_t size = w->footer.len + PK_TRAILER;

	pk_buf_u32(&b, PK_SKIP_FOOTER);
	pk_buf_u32(&b, (uint32_t)size);
	pk_buf_put(&b, w->footer.p, w->footer.len);
	pk_buf_u64(&b, w->raw_bytes);
	pk_buf_u64(&b, w->file_bytes + PK_SKIP_HEAD + size);
	pk_buf_u32(&b, w->n_group);
	pk_buf_u16(&b, PK_FORMAT_MAJOR);
	pk_buf_u16(&b, PK_FORMAT_MINOR);
	pk_buf_put(&b, PK_TRAILER_MAGIC, sizeof(PK_TRAILER_MAGIC) - 1);
	if (w->footer.failed || b.failed || size > UINT32_MAX)
		return no_memory(w, err);
	ret->footer_xxh3 = pk_xxh3(b.p + PK_SKIP_HEAD, b.len - PK_SKIP_HEAD);
	pk_buf_u64(&b, ret->footer_xxh3);
	if (b.failed)
		return no_memory(w, err);
	return write_out(w, &b, err);
}

static int finish(struct pk_pages_writer *w, struct pk_pages_stat *ret, struct pk_error *err)
{
	int rc = flush_group(w, err);

	if (!rc)
		rc = write_footer(w, ret, err);
	if (rc)
		return rc;
	if (pk_fsync(w->fd) || close(pk_steal_fd(&w->fd)))
		return pk_write_failed(err, "%s: cannot finish", w->name);
	ret->raw_bytes = w->raw_bytes;
	ret->file_bytes = w->file_bytes;
	return 0;
}

int pk_pages_finish(struct pk_pages_writer *w, struct pk_pages_stat *ret, struct pk_error *err)
{
	int rc = finish(w, ret, err);

	writer_free(w);
	return rc;
}
