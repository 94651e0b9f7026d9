/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan: the scripts that turn an empty process into the recorded one, by phase. Kinds write them;
 * lib/restore runs them on the stub, one phase after the other. A plan can be printed.
 */
#ifndef PK_KIND_PLAN_H
#define PK_KIND_PLAN_H

#include "model/job.h"
#include "ptrace/script.h"

struct pk_target;

/*
 * The order of things. All threads exist from the beginning, stopped. Each phase but THREAD and
 *LAST runs once, on the task's first thread.
 *
 *	MAP	 address space: all mappings, writable where pages are to be filled in
 *	(pages are filled in here)
 *	FILES	 every open file of the job is made, in its first process
 *	(the other processes are forked here)
 *	PROTECT	 final protection, advice, locks of mappings
 *	MM	 bounds, program file
 *	OPEN	 open files that show processes are made, each by one process that has it
 *	FETCH	 the others that have them get them from there
 *	PLACE	 descriptors get their numbers
 *	TASK	 attributes of the process
 *	THREAD	 attributes of each thread, on that thread
 *	LATE	 what needs all threads: timers, limits, shared pending signals
 *	LAST	 on each thread: pending signals, then privileges are dropped
 */
enum pk_phase {
	PK_PH_MAP,
	PK_PH_FILES,
	PK_PH_PROTECT,
	PK_PH_MM,
	PK_PH_OPEN,
	PK_PH_FETCH,
	PK_PH_PLACE,
	PK_PH_TASK,
	PK_PH_THREAD,
	PK_PH_LATE,
	PK_PH_LAST,
	PK_PH_COUNT
};

/* An op whose failure is worth a warning, but no reason to give up. */
struct pk_plan_note {
	size_t op;
	char *text;
};

struct pk_plan_part {
	enum pk_phase phase;
	uint32_t thread; /* record; 0 in phases that run once */
	struct pk_script script;
	struct pk_plan_note *note;
	size_t n_note;
};

/* Where in the new process the bytes of a shared object go. Files: pk_target_local. */
struct pk_sink {
	uint32_t obj;
	uint64_t base; /* address of its offset 0 */
	uint64_t len;
};

/* Bytes that pckpt writes into the new process after phase MAP. */
struct pk_patch {
	uint64_t at;
	struct pk_bytes bytes;
};

/* A word that pckpt replaces at the very end, if it is what it was. */
struct pk_replace {
	uint64_t at;
	uint32_t was, now;
};

struct pk_plan {
	struct pk_plan *first; /* the plan of the job's first process */
	struct pk_target *target;
	const struct pk_model *model;
	struct pk_plan_part *part;
	size_t n_part;
	struct pk_plan_part nowhere; /* takes what is written after memory ran out */
	struct pk_sink *sink;
	size_t n_sink;
	struct pk_patch *patch;
	size_t n_patch;
	struct pk_replace *replace;
	size_t n_replace;
	uint64_t scratch, scratch_end; /* free addresses for objects that are mapped in passing */
	enum pk_phase open;            /* FILES or OPEN: in which plan() of a file opens it */
	uint32_t next_fd;              /* the number that the next open returns */
	bool failed;                   /* out of memory */
};

void pk_plan_free(struct pk_plan *p);

/* The part to write to; NULL never: out of memory is remembered and reported at the end. */
struct pk_plan_part *pk_plan_part(struct pk_plan *p, enum pk_phase phase, uint32_t thread);
struct pk_script *pk_plan_script(struct pk_plan *p, enum pk_phase phase, uint32_t thread);

/* Append a call; shorthand for pk_script_call on pk_plan_script. */
size_t pk_plan_call(
	struct pk_plan *p, enum pk_phase phase, uint32_t thread, const struct pk_call *c);

/*
 * Append a call that may fail: the text is logged as a warning then, with the error's. `text` is
 * printf-formatted.
 */
void pk_plan_try(struct pk_plan *p, enum pk_phase phase, uint32_t thread, const struct pk_call *c,
	const char *text, ...) __attribute__((format(printf, 5, 6)));

/* The numbers that a task or thread has in the new process, as it sees them itself. */
int32_t pk_plan_pid(const struct pk_plan *p, const struct pk_obj *task);
int32_t pk_plan_tid(const struct pk_plan *p, const struct pk_obj *thread);

/* Say where the bytes of a record go. */
void pk_plan_sink(struct pk_plan *p, const struct pk_sink *s);
/* A piece of scratch, whole pages; mapped in phase MAP, unmapped by the engine after it. 0: full.
 */
uint64_t pk_plan_scratch(struct pk_plan *p, uint64_t len);
/* Write bytes to memory after phase MAP; they are copied. */
void pk_plan_patch(struct pk_plan *p, uint64_t at, const void *bytes, size_t n);
/* Replace a word of the program's memory, if it is there. */
void pk_plan_replace(struct pk_plan *p, const struct pk_replace *r);
const struct pk_sink *pk_plan_find_sink(const struct pk_plan *p, uint32_t obj);

#endif
