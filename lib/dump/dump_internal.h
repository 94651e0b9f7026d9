/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/dump share: one dump in progress, and the steps of dump.c. */
#ifndef PK_DUMP_INTERNAL_H
#define PK_DUMP_INTERNAL_H

#include "dump/waits.h"
#include "image/store.h"
#include "kind/kind.h"
#include "pckpt/pckpt.h"

#define PK_MAX_WORKERS 256

struct pk_dump {
	const struct pckpt_dump_options *o;
	struct pckpt_dump_result *ret;
	struct pk_deadline deadline; /* of the whole dump */

	struct pk_model model;
	struct pk_contents contents;
	struct pk_freeze freeze;
	struct pk_remote remote;
	struct pk_source src;
	struct pk_waits waits;
	struct pk_foothold foothold;
	struct pk_host *host;

	struct pk_store store;
	struct pk_pages_writer *writer[PK_MAX_WORKERS];
	unsigned n_workers;
	int64_t frozen_at, stopped_at; /* pk_now(): first thread asked to stop, all stopped */
	int64_t stopped_mono;          /* the latter on the program's CLOCK_MONOTONIC */
};

/* dump.c: time is up, or a signal came. */
int pk_dump_late(const struct pk_dump *d, struct pk_error *err);

/* resolve.c: the process that is meant, its open /proc directory, and why it cannot be dumped. */
int pk_dump_resolve(struct pk_dump *d, struct pk_error *err);
int pk_dump_check(struct pk_dump *d, struct pk_error *err);
int pk_dump_explain_stuck(struct pk_dump *d, struct pk_error *err);
int pk_dump_explain_attach(struct pk_dump *d, struct pk_error *err);

/* foothold.c: where remote execution can begin; before the freeze, and checked again after it. */
void pk_foothold_find(struct pk_dump *d);
int pk_foothold_settle(struct pk_dump *d, struct pk_error *err);

/* collect.c: threads and attributes; collect_maps.c, collect_fds.c: the rest. */
int pk_collect(struct pk_dump *d, struct pk_error *err);
int pk_collect_maps(struct pk_dump *d, struct pk_error *err);
int pk_collect_fds(struct pk_dump *d, struct pk_error *err);

/* A new record of this kind, filled by its collect; *ret_id is 0 if it said PK_SKIP. */
int pk_collect_object(const struct pk_kind *k, struct pk_view *v, struct pk_model *m,
	uint32_t *ret_id, struct pk_error *err);

/* pages.c: read the process's memory and carried files into the page files. */
int pk_dump_pages(struct pk_dump *d, struct pk_error *err);
int pk_dump_open_pages(struct pk_dump *d, struct pk_error *err);
int pk_dump_finish_pages(
	struct pk_dump *d, struct pk_commit_file *files, size_t *n, struct pk_error *err);
void pk_dump_abort_pages(struct pk_dump *d);

#endif
