/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store: a directory that holds numbered checkpoints, `000001/`, `000002/` ... A checkpoint is
 * complete if and only if its `commit` file is there. While one is being written its directory has
 * the name `000003.part`, which no reader looks at.
 *
 * Writing: open, begin, create files below dirfd, commit. Until commit returns 0 nothing that was
 * in the store has changed; abort removes what begin made.
 */
#ifndef PK_IMAGE_STORE_H
#define PK_IMAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image/pages.h"
#include "image/record.h"

struct pk_store {
	char *path; /* as the user named it */
	int dirfd;
	int lockfd;      /* flock'ed `.lock`: one writer at a time */
	uint32_t number; /* of the checkpoint being written, 0 if none */
	int partfd;      /* its directory, -1 if none */
};

/*
 * Open a store for writing; create it (0700, parents must exist) if it is not there. An existing
 * directory is accepted if it is empty or a store already; anything else is refused, so that a
 * wrong -o cannot litter a home directory. Busy (another dump writes): TEMPFAIL, at once.
 */
int pk_store_open(const char *path, struct pk_store *ret, struct pk_error *err);

/* Make `NNNNNN.part` for the next number and open it. Remains of a killed dump (*.part) are
 * removed. */
int pk_store_begin(struct pk_store *s, struct pk_error *err);

/*
 * Finish: write the `commit` file with the size and sum of each file, fsync, rename the directory
 * to its number, fsync the store. `file` lists what was written besides `commit`.
 */
struct pk_commit_file {
	char name[32];
	uint64_t size;
	uint64_t xxh3; /* of the whole file; of a page file: of its footer */
};
int pk_store_commit(
	struct pk_store *s, const struct pk_commit_file *file, size_t n, struct pk_error *err);

/* Remove the unfinished checkpoint, and the store itself if begin or open had made it and it is
 * empty. */
void pk_store_abort(struct pk_store *s);

/* Remove the oldest complete checkpoints so that `keep` remain. Never removes the newest. */
int pk_store_prune(struct pk_store *s, unsigned keep, struct pk_error *err);

void pk_store_close(struct pk_store *s);

/* A complete checkpoint, open for reading. Its files stay readable when it is pruned meanwhile. */
struct pk_image {
	char *path; /* "image/000003" */
	uint32_t number;
	int dirfd;
	char *store_path; /* "image" */
	struct pk_commit_file *file;
	size_t n_file;
	struct pk_model model;
	struct pk_pages **pages;
	size_t n_pages;
};

/*
 * Open what the user named: a store (then its newest complete checkpoint) or one checkpoint
 * directory. Reads the commit file, checks and decodes the records, opens the page files and checks
 * their footers. Page content is checked when it is read.
 */
int pk_image_open(
	const char *path, pk_type_lookup lookup, struct pk_image *ret, struct pk_error *err);
void pk_image_close(struct pk_image *img);

/* Read everything and check every sum, every block's decompression, every reference of extents. */
int pk_image_verify(const struct pk_image *img, struct pk_error *err);

/* XXH3-64 of a buffer (seed 0). */
uint64_t pk_xxh3(const void *p, size_t n);

#endif
