/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store: a directory that holds numbered checkpoints, `000001/`, `000002/` ... A checkpoint is
 * complete if and only if its `commit` file is there. While one is being written its directory has
 * the name `000003.part`, which no reader looks at.
 *
 * Writing: open, begin, create files below partfd, commit. Until commit returns 0 nothing that was
 * in the store has changed; abort removes what begin made.
 */
#ifndef PK_IMAGE_STORE_H
#define PK_IMAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image/commit.h"
#include "image/pages.h"
#include "image/record.h"
#include "image/sum.h"

/* The records file, and the page files: `pages-` + anything + `.lz4`. */
#define PK_CORE_NAME "core.pk"
#define PK_PAGES_FMT "pages-%u.lz4"

struct pk_store {
	char *path; /* as the user named it */
	int dirfd;
	int lockfd;      /* flock'ed `.lock`: one writer at a time; -1 where there are no locks */
	uint32_t number; /* of the checkpoint being written, 0 if none */
	int partfd;      /* its directory, -1 if none */
	bool made;       /* open made the directory, and nothing was committed since */
};

/*
 * Open a store for writing; create it (0700, parents must exist) if it is not there. An existing
 * directory is accepted if it is empty or a store already; anything else is refused, so that a
 * wrong -o cannot litter a home directory. Busy (another dump writes): TEMPFAIL, at once. On a file
 * system without locks (Lustre mounted without them) two dumps at once are not noticed, but do each
 * other no harm: each takes a number of its own.
 */
int pk_store_open(const char *path, struct pk_store *ret, struct pk_error *err);

/*
 * Make `NNNNNN.part` for the next number and open it (partfd). Remains of a killed dump (*.part)
 * are removed.
 */
int pk_store_begin(struct pk_store *s, struct pk_error *err);
/* The same for a number of the caller's choice (0: the next), which must not be used yet. */
int pk_store_begin_as(struct pk_store *s, uint32_t number, struct pk_error *err);

/*
 * Finish: write the `commit` file with the size and sum of each file, fsync, rename the directory
 * to its number, fsync the store. `file` lists what was written besides `commit`, each fsynced by
 * its writer; page files in the order in which they are to be applied (docs/FORMAT.md). On failure
 * the checkpoint is still unfinished: abort it.
 */
int pk_store_commit(
	struct pk_store *s, const struct pk_commit_file *file, size_t n, struct pk_error *err);

/*
 * Remove the unfinished checkpoint, if there is one, and the store itself if open had made it and
 * nothing was committed.
 */
void pk_store_abort(struct pk_store *s);

/* Remove the oldest complete checkpoints so that `keep` remain. Never removes the newest. */
int pk_store_prune(struct pk_store *s, unsigned keep, struct pk_error *err);

/* Remove a complete checkpoint. */
int pk_store_remove(struct pk_store *s, uint32_t number, struct pk_error *err);

/* Abort what is unfinished, unlock, free. A zeroed struct is fine. */
void pk_store_close(struct pk_store *s);

/*
 * The numbers of the complete checkpoints below an open directory, ascending; the caller frees
 * *ret. Returns -1 with errno.
 */
int pk_store_numbers(int dirfd, uint32_t **ret, size_t *ret_n);

/* The number that a directory's name stands for; 0 if it is not the name of a checkpoint. */
uint32_t pk_store_number(const char *name);

/* A complete checkpoint, open for reading. Its files stay readable when it is pruned meanwhile. */
struct pk_image {
	char *path;      /* "image/000003" */
	uint32_t number; /* 0 if the directory's name is not a number (a renamed copy) */
	int dirfd;
	char *store_path; /* "image" */
	struct pk_commit_file *file;
	size_t n_file;
	struct pk_model model;
	struct pk_pages **pages; /* in the order of the commit file: a later one wins */
	size_t n_pages;
};

/*
 * Open what the user named: a store (then its newest complete checkpoint) or one checkpoint
 * directory. Reads the commit file, checks and decodes the records, opens the page files and checks
 * their footers. Page content is checked when it is read. MISSING: there is no checkpoint; IMAGE:
 * there is one, and it cannot be used.
 */
int pk_image_open(
	const char *path, pk_type_lookup lookup, struct pk_image *ret, struct pk_error *err);

/* A zeroed struct is fine. */
void pk_image_close(struct pk_image *img);

/*
 * Read one group of page file `page` and check it, and that its extents refer to objects of the
 * model. Safe for several threads at once, each with its own group.
 */
int pk_image_load_group(const struct pk_image *img, size_t page, size_t group, struct pk_group *g,
	struct pk_error *err);

/* The same, and decompress each block. `scratch` has PK_BLOCK_RAW bytes. */
int pk_image_verify_group(const struct pk_image *img, size_t page, size_t group, struct pk_group *g,
	void *scratch, struct pk_error *err);

/* Read everything and check every sum, every block's decompression, every reference of extents. */
int pk_image_verify(const struct pk_image *img, struct pk_error *err);

#endif
