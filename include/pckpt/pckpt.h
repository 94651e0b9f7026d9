/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pckpt as a library: dump a running process to a store, verify a checkpoint, restore one.
 *
 * Functions return 0 or a negative class (-PK_E_...) with err filled. They may be called from a
 * single-threaded process only: they fork helpers, and change signal dispositions for their
 * duration.
 */
#ifndef PCKPT_PCKPT_H
#define PCKPT_PCKPT_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pckpt/error.h"

/* Messages on stderr: warnings only (the default), or also what was done. */
void pckpt_verbose(int level);

enum pckpt_gate {
	PCKPT_GATE_COMMIT,    /* all is written, and the checkpoint about to be there */
	PCKPT_GATE_COMMITTED, /* it is there; with `kill` the program still stands still */
};

struct pckpt_dump_options {
	pid_t pid;          /* the program, or a `pckpt restore` that supervises it */
	const char *store;  /* directory; NULL: ./pckpt-<comm>-<pid> */
	bool kill;          /* end the program when the checkpoint is complete */
	bool strict;        /* refuse connections that lead outside of the job */
	bool dry_run;       /* look at everything, write nothing */
	unsigned keep;      /* checkpoints that remain in the store; 0: all */
	unsigned workers;   /* threads that read and compress; 0: one for each CPU we may use */
	int64_t timeout_ns; /* give up after this long; 0: never */
	bool trace;         /* print what is done inside the process */
	/*
	 * The process that supervises the program, if that asks for the dump in a child of its own:
	 * its standard streams are marked in the image, and no signals but its own, and its end,
	 * end the dump early. 0: none.
	 */
	pid_t supervisor;
	uint32_t number; /* that the checkpoint shall have; 0: the next one */
	/*
	 * Asked in the process of the dump, NULL: nobody is. 0: go on; 1: ask again soon; a
	 * negative class: the dump has failed, and its checkpoint is removed.
	 */
	int (*gate)(void *arg, enum pckpt_gate gate, uint32_t number, struct pk_error *err);
	void *gate_arg;
};

struct pckpt_dump_result {
	char path[PATH_MAX]; /* of the checkpoint; "" in a dry run, and if there is none */
	uint32_t number;     /* of the checkpoint in its store */
	char comm[32];
	pid_t pid;
	unsigned processes;
	unsigned threads, maps, fds;
	uint64_t memory_bytes; /* that the image holds, before compression */
	uint64_t image_bytes;
	int64_t frozen_ns, total_ns;
	int signal; /* SIGINT, SIGTERM ... ended the dump early; else 0 */
};

/*
 * Whatever happens, up to SIGKILL of this process, the program goes on as if nothing had been, and
 * earlier checkpoints are as they were.
 */
int pckpt_dump(
	const struct pckpt_dump_options *o, struct pckpt_dump_result *ret, struct pk_error *err);

enum pckpt_pids { PCKPT_PIDS_AUTO, PCKPT_PIDS_NS, PCKPT_PIDS_SAME, PCKPT_PIDS_ANY };

struct pckpt_restore_result;
struct pckpt_restore_options {
	const char *image; /* a store (its newest checkpoint) or a checkpoint */
	enum pckpt_pids pids;
	bool detach;         /* return at the hand-over instead of waiting for the program's end */
	const char *pidfile; /* gets the program's pid, as seen from here; NULL: none */
	bool inherit_stdio;  /* 0, 1, 2 come from the caller even if they were files */
	unsigned workers;
	bool trace;
	bool redirect_vdso; /* treat the vDSO as another kernel's: for tests */
	/*
	 * The caller's parent supervises: it passes signals on to the program. Standard streams
	 * that the image has marks of come from the caller. A pending SIGTERM from outside of the
	 * job was for the run before, and is dropped.
	 */
	bool supervised;
	/* Called at the hand-over; NULL: not. */
	void (*running)(const struct pckpt_restore_result *r, void *arg);
	void *running_arg;
};

struct pckpt_restore_result {
	char path[PATH_MAX];   /* the checkpoint that was used */
	pid_t pid;             /* of the program, as seen from here */
	uint64_t memory_bytes; /* that the image holds of it */
	int status;            /* wait status of the program; 0 with detach */
	int64_t built_ns;      /* from the call to the hand-over */
	bool handed_over;      /* the program ran: what follows is its own fate */
};
int pckpt_restore(const struct pckpt_restore_options *o, struct pckpt_restore_result *ret,
	struct pk_error *err);

struct pckpt_verify_result {
	char path[PATH_MAX];
	uint64_t records, files, image_bytes;
};
int pckpt_verify(const char *image, struct pckpt_verify_result *ret, struct pk_error *err);

/*
 * pckpt run: start a program, or continue it from the newest good checkpoint of a store; dump it
 * from time to time and when asked to, pass signals on, and stay until it ends.
 */
struct pckpt_signals {
	sigset_t mask;
	struct sigaction chld;
};

/* Keeps all signals for pckpt_run(): to be called first of all, so that none is lost. */
void pckpt_run_block(struct pckpt_signals *ret);

struct pckpt_on {
	int signal;
	bool kill; /* end the program with the dump */
};

struct pckpt_run_options {
	const char *store;
	char *const *argv;                 /* the command, ends with NULL */
	const struct pckpt_signals *given; /* what the command gets */
	int64_t every_ns;                  /* time between dumps; 0: none of these */
	bool every_auto;                   /* chosen by how long dumps stop the program */
	const struct pckpt_on *on;         /* signals that ask for a dump */
	size_t n_on;
	unsigned keep;
	const char *report, *events, *pidfile; /* files, NULL: none */
	/*
	 * The directory in which `ranks` runs meet, of which this is number `rank`: their
	 * checkpoints count only together. `session` tells several starts of them apart. NULL:
	 * this run is alone.
	 */
	const char *control, *session;
	unsigned rank, ranks;
	bool has_fence;
	unsigned fence; /* the number of this run among those of its job */
	bool fresh;     /* start the command whatever is in the store */
	bool strict;
	int64_t timeout_ns; /* of a dump */
	unsigned workers;
	enum pckpt_pids pids;
	bool trace;
};

/* What a failed run exits with: nothing ran. 126 and 127 are for commands, as in a shell. */
enum { PCKPT_RUN_NOTHING = 125 };

enum pckpt_run_end {
	PCKPT_RUN_FAILED, /* nothing ran */
	PCKPT_RUN_EXITED, /* value: the program's exit code */
	PCKPT_RUN_KILLED, /* value: the signal that ended it */
	PCKPT_RUN_SAVED,  /* value: the number of the checkpoint, with which it was ended */
	PCKPT_RUN_FENCED, /* value: the later run that has taken over */
};

struct pckpt_run_result {
	enum pckpt_run_end end;
	unsigned value;
	int code; /* what a failed one exits with */
};

/*
 * Says on stderr, and in the file of events, what happens, failures included. Nothing that descends
 * from this process is left afterwards.
 */
int pckpt_run(
	const struct pckpt_run_options *o, struct pckpt_run_result *ret, struct pk_error *err);

/*
 * Ask all ranks for a checkpoint; its number. With wait_ns, wait for it so long: TEMPFAIL if it was
 * given up, or is not there by then.
 */
int pckpt_request(
	const char *control, bool kill, int64_t wait_ns, uint32_t *ret, struct pk_error *err);

/* "SIGTERM"; and the number of "SIGTERM", "TERM", "15", 0 if there is no such signal. */
const char *pckpt_signal_name(int sig);
int pckpt_signal_number(const char *name);

#endif
