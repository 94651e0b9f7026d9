/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kind is one sort of kernel state: one file in lib/kind/, one line in kinds.def, one victim in
 * tests/victims/. docs/HOWTO_ADD_KIND.md walks through adding one.
 *
 * Dumping looks at a frozen process through views and fills structs; restoring reads those structs
 * and writes a plan. The struct's field table does all the rest (saving, loading, comparing).
 *
 *	level TASK, THREAD   one object for each task or thread: ask (optional), collect, plan
 *	level TABLE	     one object for each table of descriptors: collect, when all open files
 *			     of the job have a record, plan
 *	level MAPPING	     what a mapping shows: match, collect, and map for each mapping of it
 *	level FILE	     an open file description: match, collect, plan (opens it)
 *	level CONTENT	     carried bytes that others refer to: made by them, prepare
 *	level CORE	     structs of lib/model/job.h that the engines handle themselves
 */
#ifndef PK_KIND_KIND_H
#define PK_KIND_KIND_H

#include "kind/plan.h"
#include "kind/source.h"
#include "kind/target.h"
#include "model/job.h"

enum pk_level {
	PK_LV_CORE,
	PK_LV_TASK,
	PK_LV_THREAD,
	PK_LV_TABLE,
	PK_LV_MAPPING,
	PK_LV_FILE,
	PK_LV_CONTENT
};

/* Returned by collect: this object is in its default state, there is nothing to record. */
#define PK_SKIP 1

struct pk_kind {
	const struct pk_type *type;
	enum pk_level level;
	const char *summary; /* one line for the support table: what is kept, and its limits */

	/* Whether an object seen in a mapping or descriptor is of this kind. First match in the
	 * table. */
	bool (*match)(const struct pk_view *v);

	/*
	 * Append to v->script the calls that must be made inside the process to learn the state.
	 * They run on the view's thread, together with all other kinds' calls. The first data that
	 * ask allocates and its first op are what pk_answer_data() and pk_answer_ret(, 0) mean
	 * later.
	 */
	int (*ask)(struct pk_view *v);

	/* Fill the zeroed obj. 0, PK_SKIP, or a negative class with err (also for refusals). */
	int (*collect)(struct pk_view *v, void *obj, struct pk_error *err);

	/* MAPPING: once for each mapping of it: which bytes of it the image must hold. */
	int (*save)(struct pk_view *v, const struct pk_vma *vma, struct pk_error *err);

	/*
	 * Restore, before anything starts: can this be rebuilt here? Adds every obstacle to
	 * target->report.
	 */
	void (*check)(struct pk_target *t, const struct pk_obj *o);

	/*
	 * After all checks passed, in pckpt's own process, before the job's exists: make what it
	 * inherits (pk_target_give).
	 */
	int (*prepare)(struct pk_target *t, const struct pk_obj *o, struct pk_error *err);

	/*
	 * In the job's first process, in its namespaces, before it becomes the program: make all
	 * objects of this type that are found there by a number, or that prepare has given without
	 * a descriptor, and set that.
	 */
	int (*make)(struct pk_target *t, struct pk_error *err);

	/*
	 * FILE: it shows processes of the job, so it is opened when they are there: by its owner,
	 * in phase OPEN.
	 */
	bool late;

	/*
	 * Write the ops that rebuild it. FILE: phase FILES, in the job's first process; a new
	 * descriptor gets the number p->next_fd, which is free, and the engine takes it from there.
	 */
	int (*plan)(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err);

	/*
	 * FILE: the dump is complete, and all processes are about to be killed. Whatever this
	 * changes is never seen by the program.
	 */
	void (*doom)(const struct pk_view *v);

	/*
	 * FILE: write the ops that need its final number, in phase TASK, when all descriptors of
	 * all processes are in place. p is the plan of its owner, in which it has number `fd`,
	 * and next_fd is free.
	 */
	int (*place)(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, struct pk_error *err);

	/* MAPPING: make it once in the job's first process, where all others find it. */
	int (*share)(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err);

	/* MAPPING: write the ops that make one mapping of it. */
	int (*map)(struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o,
		struct pk_error *err);

	/*
	 * When all else has worked, before the first finish: whatever finish needs that may fail,
	 * so that it does not fail halfway. Nothing of the job changes.
	 */
	int (*secure)(struct pk_target *t, const struct pk_obj *o, struct pk_error *err);

	/* Just before the job runs: the last thing that may fail. */
	int (*finish)(struct pk_target *t, const struct pk_obj *o, struct pk_error *err);
};

/* All kinds, in the order of kinds.def; ends with NULL. */
extern const struct pk_kind *const pk_kinds[];

const struct pk_kind *pk_kind_of(const struct pk_type *type);

/* For pk_image_open: the type of a record; NULL if this version does not know it. */
const struct pk_type *pk_kind_lookup(uint16_t id);

/* The kind at this level that matches the view; never NULL: `unsupported` matches everything. */
const struct pk_kind *pk_kind_match(const struct pk_view *v, enum pk_level level);

#define KIND(name) extern const struct pk_kind pk_kind_##name;
#include "kind/kinds.def"
#undef KIND

#endif
