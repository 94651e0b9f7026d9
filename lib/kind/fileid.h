/* SPDX-License-Identifier: Apache-2.0 */
/* A file on disk, recorded by path, and what tells at restore whether it is the same. */
#ifndef PK_KIND_FILEID_H
#define PK_KIND_FILEID_H

#include "kind/kind.h"

struct pk_fileid {
	char *path;
	uint64_t size, mtime; /* bytes, ns */
	uint32_t ghost;       /* the carried file, if no path leads to it; else 0 */
};

/*
 * Fill `id` for a file with this name and stat. If the path does not lead to it, the content is
 * carried when it can be (`carry` makes the ghost, 0 with err on failure).
 */
int pk_fileid_set(struct pk_fileid *id, const struct pk_source *s, const char *path,
	const struct stat *st, struct pk_error *err);

/* Whether a path leads to the inode of st. Btrfs and overlayfs report other device numbers. */
bool pk_path_is(const char *path, const struct stat *st);

/* At restore: stat the file; MISSING with reasons if that fails. `what` begins the message. */
int pk_fileid_stat(
	const struct pk_fileid *id, const char *what, struct stat *st, struct pk_error *err);

uint64_t pk_mtime(const struct stat *st);

/* The path by which the new process opens it. */
void pk_fileid_open_path(
	const struct pk_fileid *id, const struct pk_target *t, char *out, size_t n);

/*
 * Open the file here. One of the caller's own whose mode forbids that now, as it does for a file
 * that was created read-only and is still being written, gets more for the moment. -1 with errno.
 */
int pk_fileid_open(const struct pk_fileid *id, int flags);

/*
 * regfile.c: the standard stream of the supervisor that a regular file was, when it was open for
 * writing; -1: none.
 */
int pk_regfile_stream(const struct pk_obj *o);

#endif
