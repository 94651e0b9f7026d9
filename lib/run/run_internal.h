/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of lib/run share: one supervised program, and what happens to it. */
#ifndef PK_RUN_INTERNAL_H
#define PK_RUN_INTERNAL_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "pckpt/pckpt.h"

/* A child of ours that dumps or restores; it reports through a pipe. */
struct pk_worker {
	pid_t pid; /* 0: none */
	int fd;
};

/* What it reports: a restore twice, at the hand-over and at the program's end. */
struct pk_news {
	bool running; /* the hand-over */
	int ret;
	struct pk_error err;
	struct pckpt_dump_result dump;
	struct pckpt_restore_result restore;
};

/* One checkpoint of the store that the program may be continued from. */
struct pk_candidate {
	uint32_t number;
	bool damaged;
};

/* A signal that the program may have got already: witness.c. */
struct pk_deferred {
	pid_t sender;
	int64_t due;     /* when it is passed on; 0: not */
	int64_t seen_at; /* when the witness got it, before us */
};

struct pk_run {
	const struct pckpt_run_options *o;
	struct pckpt_run_result *ret;
	pid_t self;
	int sigfd;
	int events;         /* -1: none */
	struct pk_buf held; /* lines for stderr that wait until a restore is through */
	bool holding;

	/* The program */
	pid_t child;   /* that, or the restore that it runs under; 0: it has ended */
	pid_t program; /* its number as seen from here; 0 while it is not there yet */
	struct pk_worker restore;
	uint64_t waiting; /* signals for it that came before it was there */
	bool over;
	int status; /* wait status */
	struct pk_worker witness;
	struct pk_deferred deferred[_NSIG];
	int gave_up; /* the signal that ended us while it was being restored */

	/* owner.c */
	char owner[256];   /* what STORE/run says while the store is ours */
	char *predecessor; /* what it said before, if that one may still live */
	int64_t next_look;
	bool fenced;
	unsigned fenced_by;

	/* group.c, with --control */
	struct pk_worker verify;
	uint32_t gen; /* the last that was asked for, as far as we have seen */
	bool gen_kills, gen_wanted, asked_kill;
	int64_t next_request;
	int64_t term_at;   /* when a SIGTERM is passed on that nobody has explained; 0: none */
	int64_t last_dump; /* how long it took */
	const char *mark;  /* the gate at which this (a dump's process) is */
	int64_t met_at, meet_again;
	unsigned seen;        /* ranks that have come, from 0 on */
	unsigned round, vote; /* rank 0: proposals made; all: votes given */
	uint32_t proposed;
	char vote_why[256];
	bool resuming;

	/* resume.c */
	struct pk_candidate *candidate; /* newest first */
	size_t n_candidates, at;
	struct pk_error unfit; /* why the newest good one cannot be continued */

	/* Dumps */
	struct pk_worker dump;
	bool dump_kills, told; /* the one that is being made; it was told to stop */
	int64_t dump_began;
	bool wanted, kill_wanted;
	int64_t next;       /* pk_now() of the next periodic one; 0: none */
	int64_t kill_again; /* the earliest moment for another try */
	unsigned kill_failures;
	uint32_t saved; /* the checkpoint that the program was ended with */
	int64_t stall;  /* how long the last one stopped the program */
	bool done;
};

/* run.c: the time between dumps that costs least, if the last one stopped the program so long. */
int64_t pk_auto_period(int64_t stall);

/*
 * say.c: one line for stderr and the file of events, "pckpt: " in front. While `holding`, those for
 * stderr wait: the file behind it may be about to be cut back.
 */
void pk_say(struct pk_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a failure: "what happened: WHAT; what now", with its reason and remedy below. */
void pk_say_failure(
	struct pk_run *run, const char *happened, const struct pk_error *err, const char *now);
void pk_say_held(struct pk_run *run);
void pk_open_events(struct pk_run *run);
/* "512 KiB", "1.2 GiB" */
void pk_size_text(uint64_t bytes, char *out, size_t n);
/* Words as a shell would read them, on one line; cut where there is no room. */
void pk_command_text(char *const *argv, char *out, size_t n);
/* A file that appears at once, or not at all. */
int pk_put_file(const char *path, const char *text, struct pk_error *err);
int pk_write_report(const struct pk_run *run, struct pk_error *err);

/* child.c: all return a negative class if the child could not be started. */
int pk_start_program(struct pk_run *run, struct pk_error *err);
int pk_start_restore(struct pk_run *run, const char *image, struct pk_error *err);
int pk_start_verify(struct pk_run *run, const char *image, struct pk_error *err);
int pk_start_dump(struct pk_run *run, bool kill, struct pk_error *err);
/* The next report of a worker; false if there is none. */
bool pk_read_news(const struct pk_worker *w, struct pk_news *news);
void pk_forget_worker(struct pk_worker *w);
/* Kill and bury all that descends from us. */
void pk_end_all(struct pk_run *run);

/* resume.c: what is in the store, and from where the program goes on. */
int pk_open_store(struct pk_run *run, struct pk_error *err);
/* The next thing to try: a checkpoint, or the command from its beginning. */
int pk_resume(struct pk_run *run, struct pk_error *err);
/* That checkpoint could not be restored. */
void pk_not_resumed(struct pk_run *run, const struct pk_error *err);
/* It could: what is damaged is put aside. */
void pk_resumed(struct pk_run *run);
void pk_free_candidates(struct pk_run *run);

/*
 * owner.c. Claim the store, with its lock or (a take-over only) without: a class if it is somebody
 * else's. 1: not without the lock. Afterwards, without the lock, wait for the one that had it.
 */
int pk_owner_claim(struct pk_run *run, bool locked, struct pk_error *err);
void pk_owner_wait(struct pk_run *run);
/* Whether a later run has taken it over, which is said. */
bool pk_owner_lost(struct pk_run *run);
/* The same in the process of a dump, as a failure. */
int pk_owner_gate(const struct pk_run *run, struct pk_error *err);
void pk_owner_release(struct pk_run *run, bool fenced);

/*
 * streams.c: the program is about to start from its beginning: output of an earlier try is cut
 * off. The program has ended: whoever starts it again means that.
 */
void pk_streams_begin(struct pk_run *run);
void pk_streams_end(const struct pk_run *run);

/*
 * witness.c: whether the program has got a signal without us. `defers`: it is decided later, when
 * it is `due` or was heard of.
 */
void pk_witness_start(struct pk_run *run);
bool pk_witness_defers(struct pk_run *run, int sig, pid_t sender);
void pk_witness_hear(struct pk_run *run);
int pk_witness_due(struct pk_run *run);            /* one signal that is; 0: none */
int64_t pk_witness_next(const struct pk_run *run); /* when the next one will be */

/*
 * group.c: the ranks of a job, --control. Ask all of them for a dump; look whether somebody did; a
 * SIGTERM came, of which somebody else may know the reason.
 */
void pk_group_request(struct pk_run *run, bool kill);
void pk_group_look(struct pk_run *run);
void pk_group_term(struct pk_run *run);
/* In a dump's process, as struct pckpt_dump_options has it; afterwards. */
int pk_group_gate(struct pk_run *run, enum pckpt_gate gate, uint32_t gen, struct pk_error *err);
void pk_group_prune(const struct pk_run *run);
/* Ours has failed. The program has ended. */
void pk_group_abort(struct pk_run *run, const struct pk_error *err);
void pk_group_ended(const struct pk_run *run, int status);
/*
 * From where all go on: 0: not clear yet, call again; 1: from candidate[at], or from the beginning.
 * With `over` set the program had ended already.
 */
int pk_group_resume(struct pk_run *run, struct pk_error *err);
void pk_group_vote(struct pk_run *run, const struct pk_error *err); /* NULL: it is good */
void pk_group_fail(struct pk_run *run, const struct pk_error *err);
void pk_group_tidy(struct pk_run *run);

#endif
