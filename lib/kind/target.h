/* SPDX-License-Identifier: Apache-2.0 */
/* Restore: the place where a job is to be rebuilt. */
#ifndef PK_KIND_TARGET_H
#define PK_KIND_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "model/job.h"
#include "proc/cpu.h"

/* All obstacles that checks find, so that the user learns of them at once. */
struct pk_report {
	struct pk_error *v;
	size_t n;
};
void pk_report_add(struct pk_report *r, const struct pk_error *err);
void pk_report_free(struct pk_report *r);

enum pk_pid_mode { PK_PID_AUTO, PK_PID_NS, PK_PID_SAME, PK_PID_ANY };

struct pk_target {
	const struct pk_model *model;
	struct pk_report report;
	enum pk_pid_mode pids; /* NS, SAME or ANY once it is decided */
	bool user_ns;          /* the job gets a user namespace of its own */
	bool may_set_exe;      /* PR_SET_MM_MAP with exe_fd will be allowed */
	uid_t uid;
	gid_t gid;
	uint64_t caps;                 /* effective ones of the caller, in its user namespace */
	uint64_t bounding, known_caps; /* its bounding set; all that this kernel knows */
	struct pk_cpu cpu;
	struct pk_bytes cpus; /* the CPUs this process may use */
	int std[3]; /* descriptors that take the place of the job's outside streams; -1: none */
	bool redirect_vdso; /* treat the vDSO as another kernel's (tests) */
	bool time_ns;     /* the job's clocks go on where they were; known when plans are written */
	bool inherit_std; /* 0, 1, 2 always come from here, files too */
	bool supervised;  /* so do files that were a supervisor's standard streams */
	const char *store; /* path of the store: cut-off tails go there */

	bool own_devpts; /* the job needs a devpts mount of its own */
	bool own_ipc;    /* and an ipc namespace */

	/* Descriptors that the new process inherits, by record. */
	struct pk_given {
		uint32_t obj;
		int fd;     /* in this process; -1 if the new one makes it */
		int number; /* in the new one */
		int (*make)(const void *data, struct pk_error *err);
		const void *data;
		uint64_t size;
		bool as_made; /* it keeps the descriptor that `make` returns */
	} * given;
	size_t n_given;

	/* Pipes of which records of several open files are ends. */
	struct pk_pipe {
		uint64_t key;
		int end[2];
	} * pipe;
	size_t n_pipe;

	/* Open files of the job: their numbers in its first process before they are placed. */
	struct pk_staged {
		uint32_t obj;
		int number;
	} * staged; /* ascending by obj */
	size_t n_staged;

	/* The new numbers of tasks and threads, by record. */
	struct pk_new_id {
		uint32_t obj;
		int32_t id;
	} * new_id; /* ascending by obj */
	size_t n_new_id;

	struct pk_local {
		uint32_t obj;
		void *p;
		uint64_t len;
	} * local;
	size_t n_local;

	/* This host's vDSO: its code, and where phase MAP finds it and its data pages. */
	struct pk_vdso_here {
		const void *code;
		struct pk_range vdso, vvar[4]; /* vvar ascending */
		size_t n_vvar;
	} vdso;
};

/*
 * Map an open file here, so that the carried bytes of a record can be written to it; unmapped by
 * pk_target_flush. fd is not kept.
 */
int pk_target_local(struct pk_target *t, uint32_t obj, int fd, uint64_t len, struct pk_error *err);
void *pk_target_find_local(const struct pk_target *t, uint32_t obj, uint64_t *ret_len);
void pk_target_flush(struct pk_target *t);

/* Hand a descriptor to the new process; it stays open here until pk_target_free. */
int pk_target_give(struct pk_target *t, uint32_t obj, int fd, struct pk_error *err);
/*
 * The same for a file that the new process makes itself, before it becomes the program: `make`
 * returns it open for reading and writing. The new process keeps a descriptor for reading only,
 * through which it can open others: a program file that is open for writing cannot become
 * /proc/PID/exe. Its bytes come through pk_target_local.
 */
int pk_target_give_made(struct pk_target *t, uint32_t obj,
	int (*make)(const void *data, struct pk_error *err), const void *data, uint64_t size,
	struct pk_error *err);
/* For what is to be made in the new process's namespaces, and kept as it is. */
int pk_target_give_open(struct pk_target *t, uint32_t obj,
	int (*make)(const void *data, struct pk_error *err), const void *data,
	struct pk_error *err);
/* Keep a pipe until pk_target_free, and find it: its two ends, or NULL. */
int pk_target_keep_pipe(struct pk_target *t, uint64_t key, const int end[2], struct pk_error *err);
const int *pk_target_pipe(const struct pk_target *t, uint64_t key);
/* The number that a task or thread gets. */
int pk_target_set_id(struct pk_target *t, uint32_t obj, int32_t id, struct pk_error *err);
/* Where an open file waits to be placed, -1: nowhere. */
int pk_target_staged(const struct pk_target *t, uint32_t obj);
/* Its number in the new process, -1 if there is none. */
int pk_target_given(const struct pk_target *t, uint32_t obj);

/*
 * The standard stream from here that takes the place of an open file of any kind, wherever the job
 * shares that; -1: none. With inherit_std it is one of descriptors 0 to 2 of the job's first
 * process.
 */
int pk_file_stream(const struct pk_target *t, uint32_t file);
bool pk_file_overridden(const struct pk_target *t, uint32_t file);

/*
 * The open file that a task of the image has under this number, NULL if there is none; and whether
 * it is the job's own: not one that comes from the restorer.
 */
const struct pk_obj *pk_target_file(const struct pk_target *t, uint32_t task, uint32_t fd);
bool pk_target_owns(const struct pk_target *t, const struct pk_obj *file);

bool pk_target_has(const struct pk_target *t, uint32_t obj);

void pk_target_free(struct pk_target *t);

#endif
