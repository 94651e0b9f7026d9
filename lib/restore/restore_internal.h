/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/restore share: one restore in progress, and the steps of restore.c. */
#ifndef PK_RESTORE_INTERNAL_H
#define PK_RESTORE_INTERNAL_H

#include "image/store.h"
#include "kind/kind.h"
#include "pckpt/pckpt.h"
#include "ptrace/remote.h"

struct pk_restore {
	const struct pckpt_restore_options *o;
	struct pckpt_restore_result *ret;

	struct pk_image image;
	struct pk_target target;
	const struct pk_host *host;
	const struct pk_task *task;
	const struct pk_mm *mm;
	uint32_t task_id, mm_id;

	/* spawn.c */
	bool time_ns; /* the new process's clocks continue */
	pid_t init;   /* our child: the reaper of the new namespace, or the parent of the program */
	int channel;  /* to it and to the program's parent */
	int seed_channel; /* the seed's end of it, as it is numbered there */
	pid_t seed;       /* the process that becomes the program, as seen from here */

	/* while building, on the tracer's thread */
	struct pk_tracee **thread; /* in the order of the records; the first is the seed */
	uint32_t *thread_id;       /* their records */
	size_t n_threads;
	struct pk_remote remote;
	struct pk_plan plan;
	uint64_t stub_at; /* where the scratch area goes */
	size_t prog_size; /* room for programs in it */
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
int pk_layout_plan(struct pk_restore *r, struct pk_error *err);
int pk_layout_find_syscall(struct pk_restore *r, struct pk_error *err);

/* plan.c: all phases but the mappings; printing. */
int pk_plan_all(struct pk_restore *r, struct pk_error *err);

/* build.c: on the tracer's thread, from the seed to the program. */
int pk_build(void *restore, struct pk_error *err);

/* pagein.c: the carried bytes. */
int pk_pagein(struct pk_restore *r, struct pk_error *err);

/* threads.c: the other threads; their final registers and waits. */
int pk_threads_add_seed(struct pk_restore *r, const struct pk_obj *o, struct pk_error *err);
int pk_threads_make(struct pk_restore *r, struct pk_error *err);
int pk_threads_finish(struct pk_restore *r, struct pk_error *err);
void pk_threads_free(struct pk_restore *r);

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
