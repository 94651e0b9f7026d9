/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/dump share: one dump in progress, and the steps of dump.c. */
#ifndef PK_DUMP_INTERNAL_H
#define PK_DUMP_INTERNAL_H

#include "dump/waits.h"
#include "image/store.h"
#include "kind/kind.h"
#include "pckpt/pckpt.h"

#define PK_MAX_WORKERS 256

/* One process of the job. */
struct pk_proc {
	struct pk_dump *d;
	struct pk_proc *parent; /* NULL: the one that was named */
	bool zombie;            /* ended, but its parent has not waited for it */
	bool checked;           /* for what is known to stand in the way */
	bool shares_vm;         /* its memory is its parent's */
	struct pk_source src;
	struct pk_freeze freeze;
	struct pk_remote remote;
	struct pk_waits waits;
	struct pk_foothold foothold;
	int64_t stopped_at;   /* pk_now() when all its threads were */
	int64_t stopped_mono; /* the same moment on the program's CLOCK_MONOTONIC */
};

/* Processes of which no two have the same descriptor table (or ...), in the order of kcmp(2). */
struct pk_sorted {
	struct pk_proc **v;
	size_t n;
};
enum { PK_SHARED = 4 }; /* descriptors, cwd, memory, signal actions */

/* What was found in code that many processes map. */
struct pk_searched {
	struct pk_searched_one {
		uint64_t ino, offset, len;
		uint32_t dev_major, dev_minor;
		struct pk_gadgets found;
	} * v;
	size_t n;
};

struct pk_dump {
	const struct pckpt_dump_options *o;
	struct pckpt_dump_result *ret;
	struct pk_deadline deadline; /* of the whole dump */

	struct pk_proc **proc; /* parents before their children */
	size_t n_procs;

	struct pk_model model;
	struct pk_contents contents;
	struct pk_known known;
	struct pk_searched searched;
	struct pk_sorted shared[PK_SHARED];
	struct pk_open_fds open;
	struct pk_source self; /* has what is in flight: collect_flight.c */
	struct pk_host *host;

	struct pk_store store;
	struct pk_pages_writer *writer[PK_MAX_WORKERS];
	unsigned n_workers;
	bool in_passing;   /* what it failed of may be gone in a moment */
	int64_t frozen_at; /* pk_now() when the first thread was asked to stop */
};

/* dump.c: time is up, or a signal came. */
int pk_dump_late(const struct pk_dump *d, struct pk_error *err);

/* resolve.c: the process that is meant, its open /proc directory, and why it cannot be dumped. */
int pk_dump_resolve(struct pk_dump *d, struct pk_error *err);
int pk_dump_check(struct pk_proc *proc, struct pk_error *err);
int pk_dump_explain_stuck(struct pk_proc *proc, struct pk_error *err);
int pk_dump_explain_attach(struct pk_proc *proc, struct pk_error *err);

/*
 * tree.c: the processes of the job. pk_tree_look adds what can be seen of the tree while it runs,
 * so that obstacles are found before anything is stopped; pk_tree_freeze stops it, with whatever
 * was born meanwhile. A process that is gone by then is forgotten.
 */
struct pk_proc *pk_tree_add(
	struct pk_dump *d, struct pk_proc *parent, pid_t pid, struct pk_error *err);
int pk_tree_look(struct pk_dump *d, struct pk_error *err);
int pk_tree_freeze(struct pk_dump *d, struct pk_error *err);
void pk_tree_free(struct pk_dump *d);
/* Open /proc/PID. */
int pk_open_proc(pid_t pid, struct pk_error *err);

/* foothold.c: where remote execution can begin; before the freeze, and checked again after it. */
void pk_foothold_find(struct pk_proc *proc);
int pk_foothold_settle(struct pk_proc *proc, struct pk_error *err);
/* Remove what a dump left that was killed with its helper. */
int pk_foothold_clean(struct pk_proc *proc, bool *ret_found, struct pk_error *err);

/*
 * collect.c: the host; then, for each process, threads and attributes; collect_maps.c,
 * collect_fds.c: the rest. Descriptors are looked at together, as they may share files.
 */
int pk_collect_host(struct pk_dump *d, struct pk_error *err);
int pk_collect(struct pk_proc *proc, struct pk_error *err);
int pk_collect_zombie(struct pk_proc *proc, struct pk_error *err);
int pk_collect_maps(struct pk_proc *proc, struct pk_error *err);
int pk_collect_fds(struct pk_dump *d, struct pk_error *err);
void pk_free_fds(struct pk_dump *d);
/* Append a descriptor of the source to the list of open ones; take the last from it again. */
int pk_look_at_fd(struct pk_dump *d, struct pk_source *s, uint32_t fd, struct pk_error *err);
void pk_forget_last_fd(struct pk_dump *d);
bool pk_same_open_file(const struct pk_open_fd *a, const struct pk_open_fd *b);
int pk_collect_open_file(struct pk_dump *d, size_t i, struct pk_error *err);
/* collect_flight.c: what is in flight; the records of what only messages have, from `first` on. */
int pk_find_flights(struct pk_dump *d, struct pk_error *err);
int pk_collect_flights(struct pk_dump *d, size_t first, struct pk_error *err);
void pk_free_flights(struct pk_dump *d);
/* inherit.c: which private mappings a process still shares with its parent since it was forked. */
int pk_collect_inherited(struct pk_proc *proc, struct pk_error *err);
/* Whether it runs the program of its parent: then they may have pages in common (src.forked). */
void pk_find_forked(struct pk_proc *proc);

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
