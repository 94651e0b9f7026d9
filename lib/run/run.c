/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run, from top to bottom: open the store, start or continue the program, then wait for what
 * comes: signals, ends of children, moments for a dump. One thread, one poll(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "run/run_internal.h"

#define MINUTE     (60 * PK_NSEC)
#define AUTO_FIRST (10 * MINUTE)
#define AUTO_LEAST (5 * MINUTE)
#define AUTO_MOST  (240 * MINUTE)
#define AUTO_MTBF  (24 * 60 * MINUTE) /* time between failures that is assumed */
#define LOOK       (2 * PK_NSEC)      /* between two looks at whose the store is */
#define KILL_AGAIN (5 * PK_NSEC)      /* after the first dump that failed; then twice as long */

void pckpt_run_block(struct pckpt_signals *ret)
{
	const struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &ret->mask);
	/* Ignored, children would vanish unseen. */
	sigaction(SIGCHLD, &dfl, &ret->chld);
}

static uint64_t bit(int sig)
{
	return UINT64_C(1) << (sig - 1);
}

/* Young's formula, with what a dump costs the program. */
int64_t pk_auto_period(int64_t stall)
{
	int64_t t = (int64_t)sqrt(2.0 * (double)stall * (double)AUTO_MTBF);

	if (!stall)
		return AUTO_FIRST;
	return t < AUTO_LEAST ? AUTO_LEAST : t > AUTO_MOST ? AUTO_MOST : t;
}

static int64_t period(const struct pk_run *run)
{
	return run->o->every_auto ? pk_auto_period(run->stall) : run->o->every_ns;
}

static void schedule(struct pk_run *run, int64_t from)
{
	int64_t t = run->o->control && run->o->rank ? 0 : period(run);

	run->next = t ? from + t : 0;
	if (t && run->next <= pk_now())
		run->next = pk_now() + t;
}

/* Signals */

static const struct pckpt_on *find_on(const struct pk_run *run, int sig)
{
	for (size_t i = 0; i < run->o->n_on; i++)
		if (run->o->on[i].signal == sig)
			return &run->o->on[i];
	return NULL;
}

static bool is_group(const struct pk_run *run)
{
	return run->o->control != NULL;
}

static void forward(const struct pk_run *run, int sig)
{
	kill(run->program, sig);
	/* The restore stops with a program that is stopped by the terminal. */
	if (sig == SIGCONT && run->child != run->program)
		kill(run->child, sig);
}

static bool ends_us(int sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
}

/* Before the program is there: its checkpoint is, and nothing is lost. */
static void give_up(struct pk_run *run, int sig)
{
	run->gave_up = sig;
	if (run->at < run->n_candidates) {
		run->saved = run->candidate[run->at].number;
		pk_say(run, "given up: signal %d (%s) came while %06u was being restored", sig,
			pckpt_signal_name(sig), run->saved);
	}
}

static void take_signal(struct pk_run *run, const struct signalfd_siginfo *info)
{
	int sig = (int)info->ssi_signo;
	const struct pckpt_on *on = find_on(run, sig);

	/* Our own are of the kernel's: SIGPIPE, say. */
	if (sig == SIGCHLD || (pid_t)info->ssi_pid == run->self || run->over)
		return;
	if (on) {
		run->wanted |= !on->kill;
		run->kill_wanted |= on->kill;
		return;
	}
	if (!run->program && ends_us(sig)) {
		give_up(run, sig);
		return;
	}
	if (!run->program) {
		run->waiting |= bit(sig);
		return;
	}
	if (is_group(run) && sig == SIGTERM) {
		pk_group_term(run);
		return;
	}
	/* From the terminal, to everybody in the group. */
	if (info->ssi_code == SI_KERNEL && getpgid(run->program) == getpgrp())
		return;
	if (!pk_witness_defers(run, sig, (pid_t)info->ssi_pid))
		forward(run, sig);
}

static void pass_deferred(struct pk_run *run)
{
	int sig;

	while ((sig = pk_witness_due(run)))
		if (run->program)
			forward(run, sig);
}

static void take_signals(struct pk_run *run)
{
	struct signalfd_siginfo info;

	while (read(run->sigfd, &info, sizeof(info)) == sizeof(info))
		take_signal(run, &info);
}

/* ^Z: the shell wants its prompt back. */
static void stop_too(const struct pk_run *run, int sig)
{
	bool terminal = isatty(STDIN_FILENO) || isatty(STDERR_FILENO);

	if (terminal && (sig == SIGTSTP || run->child != run->program))
		kill(run->self, SIGSTOP);
}

/* The program */

static void ended(struct pk_run *run, int status)
{
	run->over = true;
	run->status = status;
	run->child = run->program = 0;
	if (is_group(run) && !run->dump.pid)
		pk_group_ended(run, status);
}

/* Workers' ends show in their pipes; whoever else ends is an orphan of the job. */
static void reap(struct pk_run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | __WALL)) > 0) {
		if (pid != run->child)
			continue;
		if (WIFSTOPPED(status))
			stop_too(run, WSTOPSIG(status));
		else if (!run->restore.pid)
			ended(run, status);
	}
}

static void write_pidfile(struct pk_run *run)
{
	struct pk_error err;
	char text[16];

	if (!run->o->pidfile)
		return;
	snprintf(text, sizeof(text), "%d\n", run->program);
	if (pk_put_file(run->o->pidfile, text, &err) < 0)
		pk_say(run, "warning: pid file %s: %s", err.what, err.why);
}

/* It runs. */
static void running(struct pk_run *run)
{
	write_pidfile(run);
	pk_witness_start(run);
	schedule(run, pk_now());
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (run->waiting & bit(sig))
			forward(run, sig);
	run->waiting = 0;
}

static void restored(struct pk_run *run, const struct pckpt_restore_result *r)
{
	char memory[32];

	run->program = r->pid;
	pk_resumed(run);
	pk_say_held(run);
	pk_size_text(r->memory_bytes, memory, sizeof(memory));
	pk_say(run, "restored %06u of pid %d in %.2f s, memory %s", run->candidate[run->at].number,
		r->pid, (double)r->built_ns / 1e9, memory);
	running(run);
}

static int resume(struct pk_run *run, struct pk_error *err)
{
	int r = pk_resume(run, err);

	if (r == 0 && run->program)
		running(run);
	return r;
}

static int killed_restore(struct pk_news *news)
{
	news->ret = pk_fail(&news->err, PK_E_INTERNAL, "the restore was killed");
	return pk_why(&news->err, "its process ended without a word");
}

/* The restore tells that the program runs, that it has ended, or why it could not be continued. */
static int restore_news(struct pk_run *run, struct pk_error *err)
{
	PK_FREE struct pk_news *news = calloc(1, sizeof(*news));
	bool told;

	if (!news)
		return pk_fail_errno(err, "restore");
	told = pk_read_news(&run->restore, news);
	if (told && news->running) {
		restored(run, &news->restore);
		return 0;
	}
	pk_forget_worker(&run->restore);
	if (run->program) {
		ended(run, told && news->ret == 0 ? news->restore.status : SIGKILL);
		return 0;
	}
	run->child = 0;
	if (!told)
		killed_restore(news);
	pk_not_resumed(run, &news->err);
	return resume(run, err);
}

/* The ranks of a job agree from where they go on. */
static int resume_together(struct pk_run *run, struct pk_error *err)
{
	int r = pk_group_resume(run, err);

	if (r <= 0 && !run->over)
		return r;
	run->resuming = false;
	pk_group_tidy(run);
	if (!run->over)
		return resume(run, err);
	pk_say_held(run);
	return 0;
}

static int verify_news(struct pk_run *run, struct pk_error *err)
{
	PK_FREE struct pk_news *news = calloc(1, sizeof(*news));

	if (!news)
		return pk_fail_errno(err, "verify");
	if (!pk_read_news(&run->verify, news))
		news->ret = pk_fail(&news->err, PK_E_INTERNAL, "the check was killed");
	pk_forget_worker(&run->verify);
	pk_group_vote(run, news->ret < 0 ? &news->err : NULL);
	return 0;
}

/* Dumps */

static const char *dump_text(const struct pckpt_dump_result *r, char *text, size_t n)
{
	char memory[32], image[32];

	pk_size_text(r->memory_bytes, memory, sizeof(memory));
	pk_size_text(r->image_bytes, image, sizeof(image));
	snprintf(text, n, "%06u: %s in %.1f s, stalled %.1f s, image %s", r->number, memory,
		(double)r->total_ns / 1e9, (double)r->frozen_ns / 1e9, image);
	return text;
}

static void dumped(struct pk_run *run, const struct pckpt_dump_result *r)
{
	char text[160];

	run->stall = r->frozen_ns;
	run->last_dump = r->total_ns;
	run->asked_kill = false;
	if (run->dump_kills) {
		run->saved = r->number;
		pk_say(run, "saved %s; the program was ended", dump_text(r, text, sizeof(text)));
	} else {
		pk_say(run, "dumped %s", dump_text(r, text, sizeof(text)));
	}
	run->kill_failures = 0;
	schedule(run, run->dump_began);
}

/* A dump that was to end the program is wanted urgently: soon again, then less and less often. */
static void dump_failed(struct pk_run *run, const struct pk_error *err)
{
	int64_t again = KILL_AGAIN << (run->kill_failures < 4 ? run->kill_failures : 4);
	char now[64] = "the program runs on";

	schedule(run, run->dump_began);
	if (run->dump_kills && (!is_group(run) || run->asked_kill)) {
		if (again > MINUTE)
			again = MINUTE;
		if (run->o->every_ns && again > run->o->every_ns)
			again = run->o->every_ns;
		run->kill_failures++;
		run->kill_wanted = true;
		run->kill_again = pk_now() + again;
		snprintf(now, sizeof(now), "the program runs on; trying again in %.0f s",
			(double)again / 1e9);
	}
	if (is_group(run))
		pk_group_abort(run, err);
	pk_say_failure(run, "dump failed", err, now);
}

static int dump_news(struct pk_run *run, struct pk_error *err)
{
	PK_FREE struct pk_news *news = calloc(1, sizeof(*news));

	if (!news)
		return pk_fail_errno(err, "dump");
	if (!pk_read_news(&run->dump, news)) {
		news->ret = pk_fail(&news->err, PK_E_INTERNAL, "the dump was killed");
		pk_why(&news->err, "its process ended without a word");
	}
	pk_forget_worker(&run->dump);
	reap(run);
	/* Complete, but not all could be killed: that is our part. */
	if (news->ret == 0 || (run->dump_kills && news->dump.number))
		dumped(run, &news->dump);
	else if (run->over && is_group(run))
		pk_group_ended(run, run->status);
	else if (!run->over && !(run->fenced = pk_owner_lost(run)))
		dump_failed(run, &news->err);
	return 0;
}

static void start_dump(struct pk_run *run, bool kills)
{
	struct pk_error err;

	if (pk_start_dump(run, kills, &err) == 0)
		return;
	run->dump_kills = kills;
	run->dump_began = pk_now();
	dump_failed(run, &err);
}

/* Of several ranks each asks all, itself included. */
static void ask_all(struct pk_run *run, bool kills)
{
	run->asked_kill |= kills;
	pk_group_request(run, kills);
	schedule(run, pk_now());
}

static void begin_dump(struct pk_run *run)
{
	int64_t now = pk_now();
	bool kills = run->kill_wanted && now >= run->kill_again;
	bool due = run->next && now >= run->next;

	if (is_group(run))
		pk_group_look(run);
	if (!run->program || run->dump.pid)
		return;
	if (run->gen_wanted) {
		run->gen_wanted = false;
		start_dump(run, run->gen_kills);
		return;
	}
	if (!kills && !run->wanted && !due)
		return;
	run->wanted = false;
	if (kills)
		run->kill_wanted = false;
	if (is_group(run))
		ask_all(run, kills);
	else
		start_dump(run, kills);
}

/* Nobody has told what it means: then it is for the program. */
static void pass_term(struct pk_run *run)
{
	if (!run->term_at || pk_now() < run->term_at || !run->program || run->dump.pid ||
		run->gen_wanted)
		return;
	run->term_at = 0;
	forward(run, SIGTERM);
}

/* The end of it */

static void look_at_owner(struct pk_run *run)
{
	if (pk_now() < run->next_look || run->saved || run->fenced)
		return;
	run->next_look = pk_now() + LOOK;
	run->fenced = pk_owner_lost(run);
}

static void settle(struct pk_run *run)
{
	if (run->saved || run->gave_up || run->fenced) {
		run->done = true;
		return;
	}
	if (!run->over)
		return;
	/* Nobody will want its checkpoint. One that kills tells whether that was the end. */
	if (run->dump.pid && !run->dump_kills && !run->told) {
		kill(run->dump.pid, SIGTERM);
		run->told = true;
	}
	run->done = !run->dump.pid;
}

static void say_end(struct pk_run *run)
{
	struct pckpt_run_result *r = run->ret;

	if (r->end == PCKPT_RUN_EXITED)
		pk_say(run, "ended: exit code %u", r->value);
	if (r->end == PCKPT_RUN_KILLED)
		pk_say(run, "ended: signal %u (%s)", r->value, pckpt_signal_name((int)r->value));
}

static void conclude(struct pk_run *run)
{
	struct pckpt_run_result *r = run->ret;
	int status = run->status;

	if (run->saved)
		*r = (struct pckpt_run_result){.end = PCKPT_RUN_SAVED, .value = run->saved};
	else if (run->fenced)
		*r = (struct pckpt_run_result){.end = PCKPT_RUN_FENCED, .value = run->fenced_by};
	else if (run->gave_up)
		*r = (struct pckpt_run_result){
			.end = PCKPT_RUN_KILLED, .value = (unsigned)run->gave_up};
	else if (WIFSIGNALED(status))
		*r = (struct pckpt_run_result){
			.end = PCKPT_RUN_KILLED, .value = (unsigned)WTERMSIG(status)};
	else
		*r = (struct pckpt_run_result){
			.end = PCKPT_RUN_EXITED, .value = (unsigned)WEXITSTATUS(status)};
	if (run->over && !run->saved && !run->fenced)
		pk_streams_end(run);
	say_end(run);
}

/* How long poll may wait, in ms. */
static int patience(const struct pk_run *run)
{
	int64_t at = pk_witness_next(run), now = pk_now();

	if (run->next_look < at)
		at = run->next_look;
	if (run->resuming && !run->verify.pid && now + 50 * PK_MSEC < at)
		at = now + 50 * PK_MSEC;
	if (is_group(run) && run->next_request < at)
		at = run->next_request;
	if (run->term_at > 1 && run->term_at < at)
		at = run->term_at;
	if (run->program && !run->dump.pid) {
		if (run->next && run->next < at)
			at = run->next;
		if (run->kill_wanted && run->kill_again < at)
			at = run->kill_again;
	}
	return at <= now ? 0 : (int)((at - now) / PK_MSEC + 1);
}

static int step(struct pk_run *run, struct pk_error *err)
{
	struct pollfd p[5] = {
		{.fd = run->sigfd, .events = POLLIN},
		{.fd = run->restore.pid ? run->restore.fd : -1, .events = POLLIN},
		{.fd = run->dump.pid ? run->dump.fd : -1, .events = POLLIN},
		{.fd = run->verify.pid ? run->verify.fd : -1, .events = POLLIN},
		{.fd = run->witness.pid ? run->witness.fd : -1, .events = POLLIN},
	};
	int r = 0;

	if (poll(p, 5, patience(run)) < 0 && errno != EINTR)
		return pk_fail_errno(err, "poll");
	take_signals(run);
	if (run->witness.pid && p[4].revents)
		pk_witness_hear(run);
	pass_deferred(run);
	reap(run);
	if (p[1].revents)
		r = restore_news(run, err);
	if (r == 0 && p[2].revents)
		r = dump_news(run, err);
	if (r == 0 && p[3].revents)
		r = verify_news(run, err);
	if (r == 0 && run->resuming)
		r = resume_together(run, err);
	if (r < 0)
		return r;
	look_at_owner(run);
	settle(run);
	if (!run->done)
		begin_dump(run);
	pass_term(run);
	return 0;
}

/* No file of ours becomes a standard stream because that was closed. The command finds it closed.
 */
static void occupy_streams(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd >= 0)
		close(fd);
}

static int begin(struct pk_run *run, struct pk_error *err)
{
	sigset_t all;
	int r = 0;

	occupy_streams();
	pk_open_events(run);
	sigfillset(&all);
	run->sigfd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->sigfd < 0)
		r = pk_fail_errno(err, "signalfd");
	/* Whoever loses its parent in the job is still ours to end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	run->holding = true;
	if (r == 0)
		r = pk_open_store(run, err);
	if (r < 0)
		return r;
	run->resuming = is_group(run);
	return run->resuming ? 0 : resume(run, err);
}

static int supervise(struct pk_run *run, struct pk_error *err)
{
	int r = begin(run, err);

	while (r == 0 && !run->done)
		r = step(run, err);
	if (r < 0 && is_group(run))
		pk_group_fail(run, err);
	pk_end_all(run);
	pk_owner_release(run, run->fenced);
	pk_say_held(run);
	if (r == 0)
		conclude(run);
	else if (err->class == PK_E_TEMPFAIL)
		run->ret->code = PK_E_TEMPFAIL;
	return r;
}

int pckpt_run(const struct pckpt_run_options *o, struct pckpt_run_result *ret, struct pk_error *err)
{
	struct pk_run run = {.o = o, .ret = ret, .self = getpid(), .sigfd = -1, .events = -1};
	struct pk_error other;
	int r;

	*ret = (struct pckpt_run_result){.end = PCKPT_RUN_FAILED, .code = PCKPT_RUN_NOTHING};
	r = supervise(&run, err);
	if (r < 0)
		pk_say_failure(&run, "run", err, "");
	if (pk_write_report(&run, &other) < 0)
		pk_say_failure(&run, "report", &other, "");
	if (run.sigfd >= 0)
		close(run.sigfd);
	if (run.events >= 0)
		close(run.events);
	pk_buf_free(&run.held);
	pk_free_candidates(&run);
	free(run.predecessor);
	return r;
}
