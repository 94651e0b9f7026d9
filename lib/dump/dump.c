/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dump, from top to bottom: look at the process, open the store, freeze, fill the model, read
 * the memory, let the process go on, write the records, commit. With --kill the commit comes first,
 * and the process, still frozen, never runs again.
 *
 * Everything between freeze and release happens on a thread of its own (pk_tracer_run): when that
 * ends, for whatever reason, the process goes on.
 */
#include "dump/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "dump/dump_internal.h"
#include "image/io.h"
#include "image/sum.h"
#include "kind/trace.h"
#include "ptrace/rseq.h"

#define SCRIPT_ROOM     (256u << 10) /* for programs run inside the process */
#define RECORDS         "core.pk"
#define GATE_MS         20  /* between two questions at a gate */
#define LONGEST_WAIT_MS 640 /* for an obstacle to go away; half of it the time before */

int pk_dump_late(const struct pk_dump *d, struct pk_error *err)
{
	pk_fail(err, PK_E_TEMPFAIL, "dump of pid %d given up", d->o->pid);
	if (pk_deadline_cancelled(&d->deadline))
		return pk_why(err, "interrupted by a signal");
	pk_why(err, "it was not done within the time limit");
	return pk_try(err, "allow more with --timeout, or use more threads with -T");
}

static int check_threads(struct pk_proc *proc, struct pk_error *err)
{
	if (proc->freeze.v[0]->tid != proc->src.pid) {
		pk_fail(err, PK_E_UNSUPPORTED, "pid %d: its first thread has ended", proc->src.pid);
		pk_why(err, "the others go on without it (pthread_exit in main)");
		return pk_try(err, "have main wait for the other threads");
	}
	for (size_t i = 0; i < proc->freeze.n; i++)
		if (!pk_regs_native(&proc->freeze.v[i]->regs)) {
			pk_fail(err, PK_E_UNSUPPORTED, "pid %d: thread %d runs 32-bit code",
				proc->src.pid, proc->freeze.v[i]->tid);
			pk_why(err, "pckpt knows the 64-bit state of a program only");
			return pk_try(err, "use a 64-bit version of the program");
		}
	return 0;
}

static int abort_rseq(struct pk_proc *proc, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; i < proc->freeze.n && r == 0; i++) {
		struct pk_rseq rs;

		r = pk_rseq_get(proc->freeze.v[i], &rs, err);
		if (r == 0)
			r = pk_rseq_abort(proc->freeze.v[i], &rs, err);
	}
	return r;
}

static int freeze(struct pk_dump *d, struct pk_error *err)
{
	int r = pk_tree_freeze(d, err);

	for (size_t i = 0; i < d->n_procs && r == 0; i++) {
		if (d->proc[i]->zombie)
			continue;
		r = check_threads(d->proc[i], err);
		if (r == 0)
			r = abort_rseq(d->proc[i], err);
	}
	return r;
}

/* Signals without a handler that are ignored by default: they announce the end of a script. */
static uint64_t quiet_signals(const struct pk_status *s)
{
	const uint64_t ignored = UINT64_C(1) << (SIGURG - 1) | UINT64_C(1) << (SIGWINCH - 1) |
				 UINT64_C(1) << (SIGCHLD - 1);

	return ignored & ~s->sig_cgt & ~s->shd_pnd;
}

static int look_again(struct pk_proc *proc, struct pk_error *err)
{
	pk_maps_free(&proc->src.maps);
	return pk_maps_read(proc->src.procfd, true, &proc->src.maps, err);
}

/* Shared mappings show the name by which the file was opened; it may have another by now. */
static void rename_linked(struct pk_maps *maps)
{
	for (size_t i = 0; i < maps->n; i++) {
		struct pk_map *m = &maps->v[i];
		char *other = NULL;

		if (m->deleted && m->shared && m->path[0] == '/' && m->ino)
			other = pk_other_name(m->path, makedev(m->dev_major, m->dev_minor), m->ino);
		if (!other)
			continue;
		free(m->path);
		m->path = other;
		m->deleted = false;
	}
}

/* Read /proc again now that nothing changes any more. */
static int look(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_source *s = &proc->src;
	bool found;
	int r;

	pk_status_free(&s->status);
	r = pk_status_read(s->procfd, &s->status, err);
	if (r == 0)
		r = pk_stat_read(s->procfd, &s->stat, err);
	if (r < 0 || proc->zombie)
		return r;
	r = pk_maps_read(s->procfd, true, &s->maps, err);
	if (r == 0)
		r = pk_pagemap_open(s->procfd, true, &s->pagemap, err);
	if (r < 0)
		return r;
	s->memfd = openat(s->procfd, "mem", O_RDONLY | O_CLOEXEC);
	if (s->memfd < 0)
		return pk_fail_errno(err, "/proc/%d/mem", s->pid);
	proc->remote.quiet = quiet_signals(&s->status);
	proc->remote.deadline = proc->d->deadline;
	proc->remote.namer = pk_trace_name;
	proc->remote.trace = proc->d->o->trace;
	r = pk_foothold_settle(proc, err);
	if (r == 0)
		r = pk_foothold_clean(proc, &found, err);
	if (r == 0 && found)
		r = look_again(proc, err);
	if (r == 0)
		rename_linked(&s->maps);
	return r;
}

/* In all processes before any is collected: what they share may be asked about in each. */
static int open_areas(struct pk_dump *d, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; i < d->n_procs && r == 0; i++) {
		struct pk_proc *proc = d->proc[i];

		if (!proc->zombie)
			r = pk_remote_open(&proc->remote, proc->freeze.v[0], 0, SCRIPT_ROOM, err);
	}
	return r;
}

static int close_areas(struct pk_dump *d, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; i < d->n_procs; i++) {
		struct pk_proc *proc = d->proc[i];
		int e = proc->remote.base ? pk_remote_close(&proc->remote, proc->freeze.v[0],
						    r < 0 ? NULL : err)
					  : 0;

		if (r == 0)
			r = e;
	}
	return r;
}

static int collect(struct pk_dump *d, struct pk_error *err)
{
	int r = 0, back;

	for (size_t i = 0; i < d->n_procs && r == 0; i++)
		r = look(d->proc[i], err);
	for (size_t i = 0; i < d->n_procs && r == 0; i++)
		pk_find_forked(d->proc[i]);
	if (r == 0)
		r = pk_collect_host(d, err);
	if (r == 0)
		r = open_areas(d, err);
	for (size_t i = 0; i < d->n_procs && r == 0; i++) {
		struct pk_proc *proc = d->proc[i];

		r = proc->zombie ? pk_collect_zombie(proc, err) : pk_collect(proc, err);
		d->ret->threads += (unsigned)proc->freeze.n;
	}
	if (r == 0)
		r = pk_collect_fds(d, err);
	back = close_areas(d, r < 0 ? NULL : err);
	if (r == -PK_E_TEMPFAIL && pk_deadline_passed(&d->deadline))
		return pk_dump_late(d, err);
	d->in_passing = r == -PK_E_TEMPFAIL;
	return r < 0 ? r : back;
}

static int write_records(struct pk_dump *d, struct pk_commit_file *file, struct pk_error *err)
{
	PK_CLEAN_BUF struct pk_buf buf = {0};
	int r = pk_records_encode(&d->model, &buf, err);

	if (r < 0)
		return r;
	if (pk_write_file(d->store.partfd, RECORDS, buf.p, buf.len) < 0)
		return pk_write_failed(err, "%s: %s: cannot write", d->store.path, RECORDS);
	*file = (struct pk_commit_file){
		.name = RECORDS, .size = buf.len, .xxh3 = pk_xxh3(buf.p, buf.len)};
	d->ret->image_bytes += buf.len;
	return 0;
}

static int pass_gate(struct pk_dump *d, enum pckpt_gate gate, uint32_t number, struct pk_error *err)
{
	int r;

	if (!d->o->gate)
		return 0;
	while ((r = d->o->gate(d->o->gate_arg, gate, number, err)) == 1) {
		/* What is committed is not for the clock to take back: others may count on it. */
		if (gate == PCKPT_GATE_COMMIT ? pk_deadline_passed(&d->deadline)
					      : pk_deadline_cancelled(&d->deadline))
			return pk_dump_late(d, err);
		poll(NULL, 0, GATE_MS);
	}
	return r;
}

static void take_back(struct pk_dump *d, uint32_t number)
{
	struct pk_error err;

	if (pk_store_remove(&d->store, number, &err) < 0)
		pk_log(PK_LOG_WARN, "%s: %s", err.what, err.why);
}

static int commit(struct pk_dump *d, struct pk_error *err)
{
	struct pk_commit_file files[PK_MAX_WORKERS + 1];
	uint32_t number = d->store.number;
	size_t n = 0;
	int r = write_records(d, &files[n++], err);

	if (r == 0)
		r = pk_dump_finish_pages(d, files, &n, err);
	pk_fault("dump.commit");
	if (r == 0 && pk_deadline_cancelled(&d->deadline))
		r = pk_dump_late(d, err);
	if (r == 0)
		r = pass_gate(d, PCKPT_GATE_COMMIT, number, err);
	if (r == 0)
		r = pk_store_commit(&d->store, files, n, err);
	if (r < 0)
		return r;
	pk_fault("dump.committed");
	r = pass_gate(d, PCKPT_GATE_COMMITTED, number, err);
	if (r < 0) {
		take_back(d, number);
		return r;
	}
	snprintf(d->ret->path, sizeof(d->ret->path), "%.3900s/%06u", d->store.path, number);
	d->ret->number = number;
	if (d->o->keep && pk_store_prune(&d->store, d->o->keep, err) < 0) {
		/* The new checkpoint is good, whatever became of the old ones. */
		pk_log(PK_LOG_WARN, "%s: %s", err->what, err->why);
		*err = (struct pk_error){0};
	}
	return 0;
}

/* A process is dead when its last thread is; a zombie that nobody reaps counts as dead. */
static void wait_dead(const struct pk_proc *proc)
{
	for (int i = 0; i < 10000; i++) {
		struct pk_stat st;

		if (pk_stat_read(proc->src.procfd, &st, NULL) < 0 || st.state == 'Z' ||
			st.state == 'X')
			return;
		poll(NULL, 0, 1);
	}
}

/* What the kinds change where nobody will see it. */
static void doom_files(struct pk_dump *d)
{
	for (size_t i = 0; i < d->open.n; i++) {
		struct pk_open_fd *o = &d->open.v[i];
		struct pk_view v = {.src = o->src, .file = &o->view, .id = o->file};
		const struct pk_obj *obj = pk_model_find(&d->model, o->file, NULL);
		const struct pk_kind *k = obj ? pk_kind_of(obj->type) : NULL;

		if (k && k->doom)
			k->doom(&v);
	}
}

/* All at once, while none of them can react. */
static int kill_all(struct pk_dump *d, struct pk_error *err)
{
	doom_files(d);
	for (size_t i = 0; i < d->n_procs; i++)
		if (kill(d->proc[i]->src.pid, SIGKILL) < 0 && errno != ESRCH)
			return pk_fail_errno(err,
				"pid %d: cannot kill it; its checkpoint is complete",
				d->proc[i]->src.pid);
	for (size_t i = 0; i < d->n_procs; i++)
		if (!d->proc[i]->zombie)
			wait_dead(d->proc[i]);
	return 0;
}

static int frozen(void *arg, struct pk_error *err)
{
	struct pk_dump *d = arg;
	int r = freeze(d, err);

	if (r == 0)
		r = collect(d, err);
	if (r == 0 && !d->o->dry_run)
		r = pk_dump_pages(d, err);
	if (r == 0 && d->o->kill && !d->o->dry_run) {
		r = commit(d, err);
		if (r == 0)
			r = kill_all(d, err);
	}
	return r;
}

static unsigned allowed_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

static int open_store(struct pk_dump *d, struct pk_error *err)
{
	const struct pk_proc *root = d->proc[0];
	PK_FREE char *name =
		d->o->store ? strdup(d->o->store)
			    : pk_asprintf("pckpt-%s-%d", root->src.status.name, root->src.pid);
	int r;

	if (!name)
		return pk_fail_errno(err, "store");
	/* A program may call itself anything. */
	for (char *c = d->o->store ? NULL : name; c && (c = strchr(c, '/'));)
		*c = '_';
	r = pk_store_open(name, &d->store, err);
	if (r == 0)
		r = pk_store_begin_as(&d->store, d->o->number, err);
	if (r < 0)
		return r;
	d->n_workers = d->o->workers ? d->o->workers : allowed_cpus();
	if (d->n_workers > PK_MAX_WORKERS)
		d->n_workers = PK_MAX_WORKERS;
	return pk_dump_open_pages(d, err);
}

static int run(struct pk_dump *d, struct pk_error *err)
{
	int64_t started = pk_now();
	int r = pk_dump_resolve(d, err);

	if (r == 0)
		r = pk_tree_look(d, err);
	if (r == 0 && !d->o->dry_run)
		r = open_store(d, err);
	if (r < 0)
		return r;
	d->ret->pid = d->proc[0]->src.pid;
	snprintf(d->ret->comm, sizeof(d->ret->comm), "%.31s", d->proc[0]->src.status.name);
	r = pk_tracer_run(frozen, d, err);
	d->ret->frozen_ns = d->frozen_at ? pk_now() - d->frozen_at : 0;
	if (r == 0 && !d->o->kill && !d->o->dry_run)
		r = commit(d, err);
	d->ret->processes = (unsigned)d->n_procs;
	d->ret->total_ns = pk_now() - started;
	return r;
}

static void release(struct pk_dump *d)
{
	pk_dump_abort_pages(d);
	pk_store_close(&d->store);
	pk_contents_free(&d->contents);
	pk_free_fds(d);
	pk_tree_free(d);
	pk_model_free(&d->model);
	free(d->known.v);
	free(d->searched.v);
	for (size_t i = 0; i < PK_SHARED; i++)
		free(d->shared[i].v);
}

static int attempt(const struct pckpt_dump_options *o, const struct pk_deadline *deadline,
	struct pckpt_dump_result *ret, bool *again, struct pk_error *err)
{
	PK_FREE struct pk_dump *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return pk_fail_errno(err, "dump");
	*ret = (struct pckpt_dump_result){0};
	d->o = o;
	d->ret = ret;
	d->deadline = *deadline;
	d->store.dirfd = d->store.lockfd = d->store.partfd = -1;
	r = run(d, err);
	*again = d->in_passing;
	release(d);
	return r;
}

/*
 * What stands in the way may be there in passing only, a connection that is not accepted yet, say:
 * then the job runs on for a moment.
 */
int pk_dump(const struct pckpt_dump_options *o, const atomic_bool *cancelled,
	struct pckpt_dump_result *ret, struct pk_error *err)
{
	struct pk_deadline deadline = {.cancelled = cancelled};

	if (o->timeout_ns)
		deadline.at = pk_now() + o->timeout_ns;
	for (int wait_ms = 5;; wait_ms *= 2) {
		bool again = false;
		int r = attempt(o, &deadline, ret, &again, err);

		if (!again || wait_ms > LONGEST_WAIT_MS || pk_deadline_passed(&deadline))
			return r;
		pk_log(PK_LOG_INFO, "%s; trying again", err->what);
		*err = (struct pk_error){0};
		poll(NULL, 0, wait_ms);
	}
}
