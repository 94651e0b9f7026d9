/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/restore share: one restore in progress, and the steps of restore.c. */
#ifndef PK_RESTORE_INTERNAL_H
#define PK_RESTORE_INTERNAL_H

#include "image/store.h"
#include "kind/kind.h"
#include "pckpt/pckpt.h"
#include "ptrace/remote.h"

/* One process of the job. */
struct pk_proc {
	struct pk_restore *r;
	struct pk_proc *parent; /* NULL: the first, which grows from the seed */
	const struct pk_obj *obj;
	const struct pk_task *task;
	const struct pk_mm *mm; /* NULL: a zombie, or it is its parent's */
	uint32_t mm_id;
	bool heirs; /* a child inherits memory: its own must be complete before that is forked */

	pid_t pid;                 /* as seen from here; 0 until it exists */
	bool led;                  /* it has made its session */
	struct pk_tracee **thread; /* in the order of the records; the first is the leader */
	uint32_t *thread_id;       /* their records */
	size_t n_threads;
	struct pk_remote remote;
	struct pk_plan plan;
};

struct pk_restore {
	const struct pckpt_restore_options *o;
	struct pckpt_restore_result *ret;

	struct pk_image image;
	struct pk_target target;
	const struct pk_host *host;
	struct pk_proc *proc; /* parents before their children; the first is the seed's */
	size_t n_procs;
	const struct pk_task *task; /* of the first */
	bool has_close_range;

	/* spawn.c */
	pid_t init;  /* our child: the reaper of the new namespace, or the parent of the program */
	int channel; /* to it and to the program's parent */
	int seed_channel; /* the seed's end of it, as it is numbered there */
	pid_t seed;       /* the process that becomes the program, as seen from here */

	/* layout.c: places that are free in every process of the job */
	uint64_t vdso_at; /* the vDSO, until it gets to where it belongs */
	uint64_t stub_at; /* the scratch area */
	size_t prog_size; /* room for programs in it */
	/* Objects mapped in passing: those for everybody, then each process's own. */
	uint64_t passing, passing_shared, passing_end;
};

/* preflight.c: the records of the job that everything else begins with. */
int pk_preflight_job(struct pk_restore *r, struct pk_error *err);
/* Facts about this host, how pids are had, every obstacle that can be seen now. */
int pk_preflight(struct pk_restore *r, struct pk_error *err);

/* prepare.c: what the new process inherits. */
int pk_prepare(struct pk_restore *r, struct pk_error *err);

/* spawn.c: a process with the right number in the right namespaces, waiting to be traced. */
int pk_spawn(struct pk_restore *r, struct pk_error *err);
/* Kill what pk_spawn made. Idempotent. */
void pk_spawn_undo(struct pk_restore *r);
/* What init or the program's parent tells: 1 with the program's wait status, 0 if it is gone. */
int pk_spawn_read_status(struct pk_restore *r, int *ret_status);

/* layout.c: free addresses, the vDSO's way, mappings. */
int pk_layout_choose(struct pk_restore *r, struct pk_error *err);
int pk_layout_clear(struct pk_proc *proc, struct pk_error *err);
int pk_layout_plan(struct pk_proc *proc, struct pk_error *err);
int pk_layout_find_syscall(struct pk_proc *proc, struct pk_error *err);

/* plan.c: all phases of a process. */
int pk_plan_all(struct pk_proc *proc, struct pk_error *err);

/* tree.c: processes are forked from their parents; groups and sessions; zombies. */
int pk_tree_grow(struct pk_proc *root, struct pk_error *err);
int pk_tree_groups(struct pk_restore *r, struct pk_error *err);
int pk_tree_bury(struct pk_restore *r, struct pk_error *err);

/* build.c: on the tracer's thread, from the seed to the program. */
int pk_build(void *restore, struct pk_error *err);
/* A process that exists: its threads, mappings and, if it has heirs, pages. */
int pk_build_memory(struct pk_proc *proc, struct pk_error *err);

/* pagein.c: the carried bytes of one process's memory, or (NULL) all that are not there yet. */
int pk_pagein(struct pk_restore *r, const struct pk_proc *only, struct pk_error *err);

/* threads.c: the other threads; their final registers and waits. */
int pk_threads_add_leader(struct pk_proc *proc, pid_t pid, struct pk_error *err);
int pk_threads_make(struct pk_proc *proc, struct pk_error *err);
int pk_threads_finish(struct pk_proc *proc, struct pk_error *err);
void pk_threads_free(struct pk_proc *proc);

/*
 * supervise.c: from before the hand-over (signals are kept for the program, the pid file is
 * written) until the program ends: its wait status.
 */
int pk_supervise_begin(struct pk_restore *r, struct pk_error *err);
/* The pid file gets its name, or goes. */
void pk_supervise_announce(const struct pk_restore *r, bool running);
int pk_supervise(struct pk_restore *r);
/* Before the hand-over: fails if a signal came that means "stop". It is left for later. */
int pk_supervise_interrupted(struct pk_error *err);

#endif
