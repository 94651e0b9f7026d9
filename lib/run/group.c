/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several runs, the ranks of one job, whose checkpoints count only together. They meet in a
 * directory that all of them see, by files that appear at once: by rename(2), or by link(2) where
 * there may be only one. docs/ARCHITECTURE.md has the files and who writes them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "image/store.h"
#include "run/run_internal.h"

#define MEET_LIMIT (60 * PK_NSEC)  /* and twice what the last dump took */
#define VOTE_LIMIT (600 * PK_NSEC) /* without any news from another rank */
#define TERM_LIMIT (15 * PK_NSEC)  /* for somebody to tell what a SIGTERM means */
#define NOTE       512

/* Files */

static char *in_dir(const char *dir, const char *name)
{
	return pk_asprintf("%s/%s", dir, name);
}

/*
 * A short text; false if there is none. The directory is opened first: then a network file system
 * asks the server, and does not remember that there was no such file a moment ago.
 */
static bool read_note(const char *dir, const char *name, char text[NOTE])
{
	PK_CLOSE int fd = pk_open_dir(AT_FDCWD, dir);
	PK_FREE char *all = fd < 0 ? NULL : pk_read_file(fd, name, 65536, NULL);

	if (!all)
		return false;
	snprintf(text, NOTE, "%.*s", (int)strcspn(all, "\n"), all);
	return true;
}

static bool is_there(const char *dir, const char *name)
{
	PK_CLOSE int fd = pk_open_dir(AT_FDCWD, dir);

	return fd >= 0 && faccessat(fd, name, F_OK, 0) == 0;
}

static int put_note(const char *dir, const char *name, const char *text, struct pk_error *err)
{
	PK_FREE char *path = in_dir(dir, name);
	PK_FREE char *line = pk_asprintf("%s\n", text);

	return path && line ? pk_put_file(path, line, err) : pk_fail_errno(err, "%s", dir);
}

/* The first one to say it is right; whoever comes later reads what it was. */
static void say_first(const char *dir, const char *name, const char *text)
{
	char host[64] = "", draft_name[160];
	PK_FREE char *path = in_dir(dir, name);
	PK_FREE char *draft = NULL;

	gethostname(host, sizeof(host) - 1);
	snprintf(draft_name, sizeof(draft_name), ".%s.%s.%d", name, host, getpid());
	draft = in_dir(dir, draft_name);
	if (!path || !draft || put_note(dir, draft_name, text, NULL) < 0)
		return;
	(void)!link(draft, path);
	unlink(draft);
}

/* Generations */

static char *gen_dir(const char *control, uint32_t gen)
{
	return pk_asprintf("%s/gen-%u", control, gen);
}

/* Number of a name in the directory of all; 0: it is not that of a generation. */
static uint32_t gen_number(const char *name)
{
	unsigned long n = strncmp(name, "gen-", 4) ? 0 : strtoul(name + 4, NULL, 10);

	return n <= UINT32_MAX ? (uint32_t)n : 0;
}

static int descending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x < y) - (x > y);
}

/* All of them, newest first; NULL with errno. */
static uint32_t *list_gens(const char *control, size_t *ret_n)
{
	PK_CLOSEDIR DIR *d = opendir(control);
	uint32_t *list = calloc(1, sizeof(*list));
	struct dirent *e;

	*ret_n = 0;
	while (d && list && (e = readdir(d))) {
		uint32_t n = gen_number(e->d_name), *more;

		if (!n)
			continue;
		more = reallocarray(list, *ret_n + 1, sizeof(*more));
		if (!more)
			break;
		list = more;
		list[(*ret_n)++] = n;
	}
	if (list && *ret_n)
		qsort(list, *ret_n, sizeof(*list), descending);
	return list;
}

static bool gen_complete(const char *control, uint32_t gen)
{
	PK_FREE char *dir = gen_dir(control, gen);

	return dir && is_there(dir, "complete");
}

/* Neither agreed on nor given up; why it was given up, if it was. */
static bool gen_undecided(const char *control, uint32_t gen, char why[NOTE])
{
	PK_FREE char *dir = gen_dir(control, gen);
	bool no;

	why[0] = '\0';
	if (!dir || is_there(dir, "complete"))
		return false;
	no = read_note(dir, "final", why) ||
	     (read_note(dir, "decision", why) && strcmp(why, "go") != 0);
	return !no;
}

/* Requests */

struct request {
	uint32_t gen;
	bool kill;
};

static bool read_request(const char *control, struct request *ret)
{
	char text[NOTE], word[8];

	if (!read_note(control, "request", text) || sscanf(text, "%u %7s", &ret->gen, word) != 2)
		return false;
	ret->kill = !strcmp(word, "kill");
	return ret->gen > 0;
}

/* The highest number of a checkpoint of any rank. */
static uint32_t last_checkpoint(const char *control)
{
	PK_CLOSEDIR DIR *d = opendir(control);
	uint32_t last = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		PK_CLOSE int fd = -1;
		PK_FREE uint32_t *v = NULL;
		size_t n = 0;

		if (strspn(e->d_name, "0123456789") != strlen(e->d_name))
			continue;
		fd = pk_open_dir(dirfd(d), e->d_name);
		if (fd >= 0 && pk_store_numbers(fd, &v, &n) == 0 && n && v[n - 1] > last)
			last = v[n - 1];
	}
	return last;
}

static int make_gen(const char *control, uint32_t from, uint32_t *ret, struct pk_error *err)
{
	for (uint32_t gen = from; gen; gen++) {
		PK_FREE char *dir = gen_dir(control, gen);

		if (dir && mkdir(dir, 0777) == 0) {
			*ret = gen;
			return 0;
		}
		if (!dir || errno != EEXIST)
			return pk_fail_errno(err, "%s: cannot make a generation", control);
	}
	return pk_fail(err, PK_E_CANTCREAT, "%s: no numbers are left", control);
}

static int request(const char *control, bool kill, uint32_t *ret, struct pk_error *err)
{
	PK_FREE uint32_t *list = NULL;
	struct request now;
	char text[NOTE];
	uint32_t last = last_checkpoint(control);
	size_t n;
	int r;

	/* The one that is on its way will do. */
	if (read_request(control, &now) && now.kill >= kill &&
		gen_undecided(control, now.gen, text)) {
		*ret = now.gen;
		return 0;
	}
	list = list_gens(control, &n);
	if (!list)
		return pk_fail_errno(err, "%s", control);
	if (n && list[0] > last)
		last = list[0];
	r = make_gen(control, last + 1, ret, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u %s", *ret, kill ? "kill" : "go");
	return put_note(control, "request", text, err);
}

static int wait_request(const char *control, uint32_t gen, int64_t limit, struct pk_error *err)
{
	int64_t until = pk_now() + limit;
	char why[NOTE];

	while (gen_undecided(control, gen, why)) {
		if (pk_now() >= until) {
			pk_fail(err, PK_E_TEMPFAIL, "checkpoint %06u of all ranks", gen);
			pk_why(err, "it was not complete within the time limit");
			return pk_try(err, "allow more with --wait; see what the ranks say");
		}
		nanosleep(&(struct timespec){.tv_nsec = 50 * PK_MSEC}, NULL);
	}
	if (gen_complete(control, gen) || !strcmp(why, "go"))
		return 0;
	pk_fail(err, PK_E_TEMPFAIL, "checkpoint %06u of all ranks was given up", gen);
	pk_why(err, "%s", why);
	return pk_try(err, "ask again; the programs run on");
}

int pckpt_request(
	const char *control, bool kill, int64_t wait_ns, uint32_t *ret, struct pk_error *err)
{
	struct stat st;
	int r;

	if (stat(control, &st) < 0 || !S_ISDIR(st.st_mode)) {
		errno = errno ? errno : ENOTDIR;
		pk_fail_errno(err, "%s: is no control directory", control);
		return pk_try(err, "name the directory that pckpt run has as --control");
	}
	r = request(control, kill, ret, err);
	return r < 0 || !wait_ns ? r : wait_request(control, *ret, wait_ns, err);
}

/* A run's part in it */

void pk_group_request(struct pk_run *run, bool kill)
{
	struct pk_error err;
	uint32_t gen;

	if (request(run->o->control, kill, &gen, &err) < 0)
		pk_say_failure(run, "dump failed", &err, "the program runs on");
	run->next_request = 0;
}

/* Others were faster: whoever looks at our lines hears of it all the same. */
static void tell_given_up(struct pk_run *run, const char *why)
{
	struct pk_error err;

	if (!why[0] || !strcmp(why, "go"))
		return;
	pk_fail(&err, PK_E_TEMPFAIL, "checkpoint %06u was given up by all ranks", run->gen);
	pk_why(&err, "%s", why);
	pk_try(&err, "ask again");
	pk_say_failure(run, "dump failed", &err, "the program runs on");
}

void pk_group_look(struct pk_run *run)
{
	struct request r;
	char why[NOTE];

	if (pk_now() < run->next_request)
		return;
	run->next_request = pk_now() + PK_NSEC;
	if (run->term_at && is_there(run->o->control, "term"))
		run->term_at = 1;
	if (!read_request(run->o->control, &r) || r.gen <= run->gen)
		return;
	run->gen = r.gen;
	if (!gen_undecided(run->o->control, r.gen, why)) {
		tell_given_up(run, why);
		return;
	}
	run->gen_kills = r.kill;
	run->gen_wanted = true;
}

void pk_group_term(struct pk_run *run)
{
	if (!run->term_at)
		run->term_at = pk_now() + TERM_LIMIT;
	if (run->o->rank == 0)
		put_note(run->o->control, "term.seen", "", NULL);
}

static bool rank_ended(const struct pk_run *run, unsigned rank)
{
	char name[32];

	snprintf(name, sizeof(name), "%u/ended", rank);
	return is_there(run->o->control, name);
}

/* Everybody has come; `seen` remembers who, from 0 on. */
static bool all_met(struct pk_run *run, const char *dir, const char *mark)
{
	for (; run->seen < run->o->ranks; run->seen++) {
		char name[32];

		snprintf(name, sizeof(name), "%u.%s", run->seen, mark);
		if (!is_there(dir, name) && !rank_ended(run, run->seen))
			return false;
	}
	return true;
}

/* One gate: `mark` says that we are there, `verdict` what all of them do. */
static int meet(struct pk_run *run, uint32_t gen, const char *mark, const char *verdict,
	struct pk_error *err)
{
	PK_FREE char *dir = gen_dir(run->o->control, gen);
	int64_t limit = MEET_LIMIT + 2 * run->last_dump, now = pk_now();
	char name[32], text[NOTE];
	struct request newer;

	if (!dir)
		return pk_fail_errno(err, "%s", run->o->control);
	snprintf(name, sizeof(name), "%u.%s", run->o->rank, mark);
	if (run->mark != mark) {
		run->mark = mark;
		run->met_at = now;
		run->seen = 0;
		if (put_note(dir, name, "", err) < 0)
			return -err->class;
	}
	if (read_note(dir, verdict, text)) {
		if (!strcmp(text, "go"))
			return 0;
		pk_fail(err, PK_E_TEMPFAIL, "checkpoint %06u was given up by all ranks", gen);
		pk_why(err, "%s", text);
		return pk_try(err, "ask again");
	}
	if (now < run->meet_again)
		return 1;
	run->meet_again = now + 20 * PK_MSEC + run->o->ranks * PK_MSEC;
	if (all_met(run, dir, mark)) {
		say_first(dir, verdict, "go");
	} else if (now - run->met_at > limit) {
		snprintf(text, sizeof(text), "rank %u did not come within %.0f s", run->seen,
			(double)limit / 1e9);
		say_first(dir, verdict, text);
	} else if (!strcmp(mark, "ready") && read_request(run->o->control, &newer) &&
		   newer.gen > gen) {
		snprintf(text, sizeof(text), "checkpoint %06u was asked for instead", newer.gen);
		say_first(dir, verdict, text);
	}
	return 1;
}

int pk_group_gate(struct pk_run *run, enum pckpt_gate gate, uint32_t gen, struct pk_error *err)
{
	PK_FREE char *dir = gen_dir(run->o->control, gen);
	int r;

	if (gate == PCKPT_GATE_COMMIT)
		return meet(run, gen, "ready", "decision", err);
	r = meet(run, gen, "committed", "final", err);
	if (r == 0 && dir && !is_there(dir, "complete"))
		r = put_note(dir, "complete", "", err);
	return r;
}

/* Our dump has failed: so has everybody's. */
void pk_group_abort(struct pk_run *run, const struct pk_error *err)
{
	PK_FREE char *dir = gen_dir(run->o->control, run->gen);
	char text[NOTE];

	snprintf(text, sizeof(text), "rank %u: %.400s", run->o->rank, err->what);
	if (!dir)
		return;
	say_first(dir, "decision", text);
	say_first(dir, "final", text);
}

/* What remains of the own store is of generations that all have; of those the newest. */
void pk_group_prune(const struct pk_run *run)
{
	PK_FREE uint32_t *gens = NULL, *own = NULL;
	struct pk_store s = {0};
	uint32_t oldest = 0;
	size_t n, n_own = 0, kept = 0;

	gens = list_gens(run->o->control, &n);
	for (size_t i = 0; gens && i < n && kept < run->o->keep; i++)
		if (gen_complete(run->o->control, gens[i])) {
			oldest = gens[i];
			kept++;
		}
	if (!gens || !run->o->keep || kept < run->o->keep)
		return;
	if (pk_store_open(run->o->store, &s, NULL) < 0)
		return;
	s.made = false;
	if (pk_store_numbers(s.dirfd, &own, &n_own) == 0)
		for (size_t i = 0; i < n_own; i++)
			if (own[i] < oldest)
				(void)pk_store_remove(&s, own[i], NULL);
	pk_store_close(&s);
	for (size_t i = 0; i < n && run->o->rank == 0; i++) {
		char name[32];
		PK_CLOSE int fd = pk_open_dir(AT_FDCWD, run->o->control);

		snprintf(name, sizeof(name), "gen-%u", gens[i]);
		if (gens[i] < oldest && fd >= 0)
			(void)pk_remove_dir(fd, name, 0);
	}
}

void pk_group_ended(const struct pk_run *run, int status)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", status);
	put_note(run->o->store, "ended", text, NULL);
}

/* From where all go on */

static void resume_name(
	const struct pk_run *run, const char *what, int number, int rank, char *name, size_t n)
{
	size_t len = (size_t)snprintf(name, n, "resume.%.80s%s", run->o->session, what);

	if (number >= 0 && len < n)
		len += (size_t)snprintf(name + len, n - len, ".%d", number);
	if (rank >= 0 && len < n)
		snprintf(name + len, n - len, ".%d", rank);
}

/* Whether every rank has a checkpoint of it, or has ended. */
static bool all_have(const struct pk_run *run, uint32_t gen)
{
	for (unsigned rank = 0; rank < run->o->ranks; rank++) {
		char name[64];

		snprintf(name, sizeof(name), "%u/%06u/commit", rank, gen);
		if (!is_there(run->o->control, name) && !rank_ended(run, rank))
			return false;
	}
	return true;
}

static void decide(struct pk_run *run, const char *text)
{
	char name[128];

	resume_name(run, "", -1, -1, name, sizeof(name));
	say_first(run->o->control, name, text);
}

/* Rank 0: the next generation to be looked at; or the decision, when there is none left. */
static void propose(struct pk_run *run)
{
	PK_FREE uint32_t *gens = NULL;
	char name[128], text[NOTE];
	size_t n;

	gens = run->o->fresh ? NULL : list_gens(run->o->control, &n);
	for (size_t i = 0; gens && i < n; i++) {
		if ((run->proposed && gens[i] >= run->proposed) ||
			!gen_complete(run->o->control, gens[i]) || !all_have(run, gens[i]))
			continue;
		run->proposed = gens[i];
		run->seen = 0;
		run->round++;
		snprintf(text, sizeof(text), "%u", gens[i]);
		resume_name(run, ".propose", (int)run->round, -1, name, sizeof(name));
		put_note(run->o->control, name, text, NULL);
		return;
	}
	if (run->vote_why[0])
		snprintf(text, sizeof(text), "abort %.400s", run->vote_why);
	decide(run, run->vote_why[0] ? text : "none");
}

/* Rank 0: 1 when all have voted, all for it; -1 when one is against it. */
static int count_votes(struct pk_run *run)
{
	char name[128], text[NOTE];

	for (; run->seen < run->o->ranks; run->seen++) {
		resume_name(run, ".vote", (int)run->round, (int)run->seen, name, sizeof(name));
		if (!read_note(run->o->control, name, text))
			return 0;
		run->met_at = pk_now();
		if (!strcmp(text, "ok"))
			continue;
		if (strcmp(text, "damaged") != 0)
			snprintf(run->vote_why, sizeof(run->vote_why), "rank %u: %.200s", run->seen,
				text);
		return -1;
	}
	return 1;
}

/* In round 0 all tell that they are there. */
static void lead(struct pk_run *run)
{
	char text[NOTE];
	int votes = count_votes(run);

	if (votes > 0 && run->round) {
		snprintf(text, sizeof(text), "%u", run->proposed);
		decide(run, text);
	} else if (votes) {
		propose(run);
	}
}

void pk_group_vote(struct pk_run *run, const struct pk_error *err)
{
	struct pk_candidate *c = &run->candidate[run->n_candidates - 1];
	char name[128];

	c->damaged = err && err->class == PK_E_IMAGE && err->sys_errno != ENOTSUP;
	if (err)
		pk_say_failure(run, "checkpoint cannot be used", err, "");
	resume_name(run, ".vote", (int)run->vote, (int)run->o->rank, name, sizeof(name));
	put_note(run->o->control, name, !err ? "ok" : c->damaged ? "damaged" : err->what, NULL);
	run->met_at = pk_now();
}

/* The next proposal, if there is one: verified by a worker, whose news become the vote. */
static int follow(struct pk_run *run, struct pk_error *err)
{
	PK_FREE char *image = NULL;
	char name[128], text[NOTE];
	struct pk_candidate *more;
	uint32_t gen;

	resume_name(run, ".propose", (int)run->vote + 1, -1, name, sizeof(name));
	if (run->verify.pid || !read_note(run->o->control, name, text))
		return 0;
	gen = (uint32_t)strtoul(text, NULL, 10);
	more = reallocarray(run->candidate, run->n_candidates + 1, sizeof(*more));
	image = pk_asprintf("%s/%06u", run->o->store, gen);
	if (!more || !image)
		return pk_fail_errno(err, "resume");
	run->candidate = more;
	run->candidate[run->n_candidates++] = (struct pk_candidate){.number = gen};
	run->vote++;
	if (access(image, F_OK) < 0 && is_there(run->o->store, "ended")) {
		pk_group_vote(run, NULL);
		return 0;
	}
	return pk_start_verify(run, image, err);
}

/* A rank that had ended by then ends again: in the same way. */
static bool was_over(struct pk_run *run, bool has_checkpoint)
{
	char text[NOTE];

	if (!read_note(run->o->store, "ended", text))
		return false;
	run->status = atoi(text);
	return !has_checkpoint || run->status == 0;
}

static int obey(struct pk_run *run, const char *text, struct pk_error *err)
{
	PK_FREE char *ended = in_dir(run->o->store, "ended");
	uint32_t gen = (uint32_t)strtoul(text, NULL, 10);
	char name[32];

	if (!strncmp(text, "abort ", 6)) {
		pk_fail(err, PK_E_ERROR, "the ranks cannot go on together");
		pk_why(err, "%s", text + 6);
		return pk_try(
			err, "see what that rank says; --fresh starts all from the beginning");
	}
	for (run->at = 0; run->at < run->n_candidates; run->at++)
		if (run->candidate[run->at].number == gen)
			break;
	if (gen && run->at == run->n_candidates) {
		pk_fail(err, PK_E_TEMPFAIL, "%s: the decision is of another run", run->o->control);
		return pk_try(err, "start all ranks anew");
	}
	snprintf(name, sizeof(name), "%06u/commit", gen);
	if (gen && was_over(run, is_there(run->o->store, name))) {
		run->over = true;
		return 0;
	}
	if (ended)
		unlink(ended);
	return 1;
}

static int alone(struct pk_run *run, struct pk_error *err)
{
	if (pk_now() - run->met_at < VOTE_LIMIT)
		return 0;
	pk_fail(err, PK_E_TEMPFAIL, "rank %u waits for others in %s", run->o->rank,
		run->o->control);
	pk_why(err, "there was no news within %.0f s", (double)VOTE_LIMIT / 1e9);
	return pk_try(err, "look whether all ranks were started, with the same --control");
}

int pk_group_resume(struct pk_run *run, struct pk_error *err)
{
	char name[128], text[NOTE];
	int r;

	if (!run->met_at) {
		run->met_at = pk_now();
		resume_name(run, ".vote", 0, (int)run->o->rank, name, sizeof(name));
		if (put_note(run->o->control, name, "ok", err) < 0)
			return -err->class;
	}
	resume_name(run, "", -1, -1, name, sizeof(name));
	if (!run->verify.pid && read_note(run->o->control, name, text))
		return obey(run, text, err);
	if (run->o->rank == 0)
		lead(run);
	r = follow(run, err);
	return r < 0 || run->verify.pid ? r : alone(run, err);
}

void pk_group_fail(struct pk_run *run, const struct pk_error *err)
{
	char text[NOTE];

	snprintf(text, sizeof(text), "abort rank %u: %.400s", run->o->rank, err->what);
	decide(run, text);
}

/* Rank 0, once it is clear from where all go on: what nobody will finish any more. */
void pk_group_tidy(struct pk_run *run)
{
	PK_FREE uint32_t *gens = NULL;
	struct request r = {0};
	char text[NOTE];
	size_t n;

	/* One that is not decided yet was meant for us. */
	if (read_request(run->o->control, &r) && !gen_undecided(run->o->control, r.gen, text))
		run->gen = r.gen;
	if (run->o->rank != 0)
		return;
	gens = list_gens(run->o->control, &n);
	for (size_t i = 0; gens && i < n; i++) {
		PK_FREE char *dir = gen_dir(run->o->control, gens[i]);
		char why[NOTE];

		if (dir && gens[i] != r.gen && gen_undecided(run->o->control, gens[i], why))
			say_first(dir, "decision", "its ranks have ended");
	}
}
