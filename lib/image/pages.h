/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page files: the bytes of memory and of carried files, as groups of LZ4 blocks. A group is one
 * standard LZ4 frame with independent blocks, followed by a skippable frame with the group's index;
 * the file ends with a skippable frame that lists the groups. docs/FORMAT.md has the bytes.
 *
 * Writers: each worker writes a file of its own, so none waits for another. Memory per writer is
 * bounded (PK_GROUP_RAW and a little), whatever the size of the file.
 */
#ifndef PK_IMAGE_PAGES_H
#define PK_IMAGE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What one group holds at most. It is written out before it would hold more. */
#define PK_BLOCK_RAW     (256u << 10) /* raw bytes that are compressed as one block */
#define PK_GROUP_RAW     (4u << 20)
#define PK_GROUP_BLOCKS  1024u
#define PK_GROUP_EXTENTS 16384u

/*
 * Where bytes belong: `len` bytes of object `obj` at `addr` (an address in a task's memory, or an
 * offset in a carried file). They start `off` bytes into the raw content of block `block` of the
 * group, unless PK_EXT_ZERO is set: then they are all zero and stored nowhere (block and off are
 * 0), and there may be any number of them.
 */
struct pk_extent {
	uint32_t obj;
	uint32_t flags; /* PK_EXT_* */
	uint64_t addr;
	uint64_t len;
	uint32_t block;
	uint32_t off;
};
#define PK_EXT_ZERO 1u

/* May a group hold this extent, if the block that it names has n raw bytes? */
bool pk_extent_ok(const struct pk_extent *e, size_t n);

struct pk_pages_stat {
	uint64_t raw_bytes;   /* before compression, zero extents not counted */
	uint64_t file_bytes;  /* size of the file */
	uint64_t footer_xxh3; /* goes into the commit file, as the file's sum */
};

struct pk_pages_writer;

/* Create the file (O_EXCL, 0600). One writer belongs to one thread. */
int pk_pages_create(
	int dirfd, const char *name, struct pk_pages_writer **ret, struct pk_error *err);

/*
 * Add one block of n raw bytes (n <= PK_BLOCK_RAW; 0 if there are zero extents only) and the
 * extents that it holds (n_ext <= PK_GROUP_EXTENTS); `block` of each extent is filled in here. A
 * block that LZ4 does not shrink by at least 1/32 is stored raw. `raw` may be reused at once. After
 * a failure the writer can only be aborted.
 */
int pk_pages_add(struct pk_pages_writer *w, const void *raw, size_t n, struct pk_extent *ext,
	size_t n_ext, struct pk_error *err);

/* Write the last group and the footer, fsync, close, free. The writer is gone in either case. */
int pk_pages_finish(struct pk_pages_writer *w, struct pk_pages_stat *ret, struct pk_error *err);

/* Close and free without finishing; the file stays for its directory's owner to remove. NULL is
 * fine. */
void pk_pages_abort(struct pk_pages_writer *w);

struct pk_pages; /* an open page file; safe for several threads at once */

/*
 * Open for reading and check the footer against the size and sum that the commit file recorded.
 * `name` is also what errors call the file.
 */
int pk_pages_open(int dirfd, const char *name, uint64_t size, uint64_t footer_xxh3,
	struct pk_pages **ret, struct pk_error *err);
void pk_pages_close(struct pk_pages *p);
size_t pk_pages_groups(const struct pk_pages *p);
uint64_t pk_pages_raw(const struct pk_pages *p); /* its bytes before compression */
const char *pk_pages_name(const struct pk_pages *p);

/*
 * One group in memory; reuse it for the next to avoid allocation. Zero-initialise, pk_group_free.
 * Each thread has its own.
 */
struct pk_group {
	uint8_t *buf; /* the stored bytes */
	size_t cap;
	struct pk_extent *ext;
	size_t n_ext, cap_ext;
	struct pk_block_ref {
		const uint8_t *p; /* stored bytes of the block */
		uint32_t stored, raw;
		uint8_t is_raw; /* p holds the raw bytes themselves */
	} * block;
	size_t n_block, cap_block;
};
void pk_group_free(struct pk_group *g);

/*
 * Read group i and check all of it: the index, each block against its XXH3 sum, and that every
 * extent lies within its block. What is not checked: whether extents refer to objects that exist.
 */
int pk_group_load(const struct pk_pages *p, size_t i, struct pk_group *g, struct pk_error *err);

/* Decompress block b into out, which has room for block[b].raw bytes; *ret_n is that size. */
int pk_group_block(
	const struct pk_group *g, size_t b, void *out, size_t *ret_n, struct pk_error *err);

#endif
