/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of the job: the one that was named and all that descend from it. With every process
 * that is known stopped, only what is not known yet can have children; so the tree is walked until
 * a whole pass over all of them finds nothing new. Parents are stopped before their children: a
 * parent that waits in vfork(2) cannot stop before its child has run execve(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump_internal.h"

/* For the other threads of a process whose first has ended. */
#define END_LIMIT (PK_NSEC / 2)
/* For threads that do not stop: in vfork(2), in a dead file system, or for want of a CPU. */
#define STOP_LIMIT (15 * PK_NSEC)

int pk_open_proc(pid_t pid, struct pk_error *err)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	pk_fail(err, PK_E_MISSING, "pid %d", pid);
	pk_why(err, "there is no such process");
	return pk_try(err, "look it up again with ps or pgrep");
}

static void free_proc(struct pk_proc *p)
{
	const int fds[] = {p->src.procfd, p->src.pidfd, p->src.memfd};

	pk_freeze_free(&p->freeze);
	pk_waits_free(&p->waits);
	pk_maps_free(&p->src.maps);
	pk_status_free(&p->src.status);
	pk_pagemap_close(&p->src.pagemap);
	free(p->src.inner);
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(p);
}

void pk_tree_free(struct pk_dump *d)
{
	for (size_t i = 0; i < d->n_procs; i++)
		free_proc(d->proc[i]);
	free(d->proc);
	d->proc = NULL;
	d->n_procs = 0;
}

static struct pk_proc *find(const struct pk_dump *d, pid_t pid)
{
	for (size_t i = 0; i < d->n_procs; i++)
		if (d->proc[i]->src.pid == pid)
			return d->proc[i];
	return NULL;
}

struct pk_proc *pk_tree_add(
	struct pk_dump *d, struct pk_proc *parent, pid_t pid, struct pk_error *err)
{
	void *v = pk_array_more(d->proc, d->n_procs, sizeof(*d->proc));
	struct pk_proc *p;

	if (v)
		d->proc = v;
	p = v ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		pk_fail_errno(err, "pid %d", pid);
		return NULL;
	}
	p->d = d;
	p->parent = parent;
	p->src = (struct pk_source){
		.model = &d->model,
		.contents = &d->contents,
		.known = &d->known,
		.open = &d->open,
		.freeze = &p->freeze,
		.remote = &p->remote,
		.host = d->host,
		.strict = d->o->strict,
		.pid = pid,
		.procfd = pk_open_proc(pid, err),
		.pidfd = -1,
		.memfd = -1,
		.pagemap = {.fd = -1},
	};
	if (p->src.procfd < 0 || pk_status_read(p->src.procfd, &p->src.status, err) < 0) {
		free_proc(p);
		return NULL;
	}
	p->src.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	d->proc[d->n_procs++] = p;
	return p;
}

/* One that ended before it was stopped. Its children are somebody else's now. */
static void forget(struct pk_dump *d, size_t i)
{
	free_proc(d->proc[i]);
	memmove(d->proc + i, d->proc + i + 1, (d->n_procs - i - 1) * sizeof(*d->proc));
	d->n_procs--;
}

static bool is_dead(const struct pk_proc *p)
{
	struct pk_stat st;

	return pk_stat_read(p->src.procfd, &st, NULL) < 0 || st.state == 'X';
}

static uint32_t threads_now(const struct pk_proc *p)
{
	struct pk_status s = {0};
	uint32_t n = pk_status_read(p->src.procfd, &s, NULL) < 0 ? 0 : s.threads;

	pk_status_free(&s);
	return n;
}

/*
 * A process of which only the first thread has ended shows Z, too: for as long as its end takes, or
 * for good (pthread_exit in main).
 */
static bool is_zombie(struct pk_proc *p)
{
	int64_t limit = pk_now() + END_LIMIT;

	if (pk_stat_read(p->src.procfd, &p->src.stat, NULL) < 0 || p->src.stat.state != 'Z')
		return false;
	while (threads_now(p) > 1) {
		if (pk_now() > limit)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

/* This pckpt, or its helper, which is its child. */
static int refuse_own(const struct pk_proc *p, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "pid %d: it has started this pckpt", p->src.pid);
	pk_why(err, "pckpt would be part of the job that it saves");
	return pk_try(
		err, "start pckpt from outside of the job: another shell, or another job step");
}

/* The children of one thread that are not known yet; how many were added, or a class. */
static int add_children_of(struct pk_proc *p, uint32_t tid, struct pk_error *err)
{
	char name[64];
	PK_FREE char *text = NULL;
	int added = 0;

	snprintf(name, sizeof(name), "task/%u/children", tid);
	text = pk_read_file(p->src.procfd, name, 1 << 24, NULL);
	if (!text) {
		if (errno == ESRCH || faccessat(p->src.procfd, "task", F_OK, 0) < 0)
			return 0;
		snprintf(name, sizeof(name), "task/%u", tid);
		if (faccessat(p->src.procfd, name, F_OK, 0) < 0)
			return 0;
		pk_fail(err, PK_E_HOST, "pid %d: its children", p->src.pid);
		pk_why(err, "this kernel is built without CONFIG_PROC_CHILDREN");
		return pk_try(err, "use a node with a distribution's own kernel");
	}
	for (char *save, *word = strtok_r(text, " \n", &save); word;
		word = strtok_r(NULL, " \n", &save)) {
		pid_t pid = atoi(word);
		struct pk_error gone;

		if (pid > 0 && (pid == getpid() || pid == getppid()))
			return refuse_own(p, err);
		if (pid <= 0 || find(p->d, pid))
			continue;
		if (pk_tree_add(p->d, p, pid, &gone))
			added++;
		else if (gone.class != PK_E_MISSING) {
			*err = gone;
			return -err->class;
		}
	}
	return added;
}

static int add_children(struct pk_proc *p, struct pk_error *err)
{
	PK_FREE uint32_t *tids = NULL;
	size_t n;
	int added = 0;

	if (pk_list_numbers(p->src.procfd, "task", &tids, &n) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int r = add_children_of(p, tids[i], err);

		if (r < 0)
			return r;
		added += r;
	}
	return added;
}

/* Zombies are left as they are; one that is gone is no obstacle. */
static int check(struct pk_proc *p, struct pk_error *err)
{
	int r = 0;

	if (!p->checked && (!p->parent || !is_zombie(p)))
		r = pk_dump_check(p, err);
	p->checked = true;
	if (r < 0 && p->parent && (is_dead(p) || is_zombie(p)))
		return 0;
	return r;
}

int pk_tree_look(struct pk_dump *d, struct pk_error *err)
{
	/* d->n_procs grows while we go: parents come before their children. */
	for (size_t i = 0; i < d->n_procs; i++) {
		struct pk_proc *p = d->proc[i];
		int r = check(p, err);

		if (r < 0)
			return r;
		pk_foothold_find(p);
		r = add_children(p, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int explain(struct pk_proc *p, int r, struct pk_error *err)
{
	if (r == -PK_E_NOPERM)
		return pk_dump_explain_attach(p, err);
	return r == -PK_E_TEMPFAIL ? pk_dump_explain_stuck(p, err) : r;
}

/* 0, 1 if it is gone, or a class. */
static int freeze(struct pk_proc *p, const struct pk_deadline *deadline, struct pk_error *err)
{
	int r;

	if (is_dead(p))
		return 1;
	if (is_zombie(p)) {
		p->zombie = true;
		return 0;
	}
	r = check(p, err);
	if (r < 0)
		return r;
	if (!p->foothold.syscall)
		pk_foothold_find(p);
	p->freeze.deadline = *deadline;
	pk_waits_note(&p->waits, p->src.procfd, p->d->store.path);
	r = pk_freeze_process(&p->freeze, p->src.pid, p->src.procfd, err);
	p->stopped_at = pk_now();
	if (r == 0)
		r = pk_waits_stopped(&p->waits, p->src.procfd, &p->freeze, err);
	if (r < 0 && p->parent && is_dead(p))
		return 1;
	if (r < 0 && is_zombie(p)) {
		p->zombie = true;
		pk_freeze_free(&p->freeze);
		return 0;
	}
	return r < 0 ? explain(p, r, err) : 0;
}

/* Who the kernel says it is now; NULL if that one is not in the job. */
static struct pk_proc *find_parent(const struct pk_proc *p)
{
	struct pk_stat st;

	return pk_stat_read(p->src.procfd, &st, NULL) < 0 ? NULL : find(p->d, st.ppid);
}

/* Everything that is known and not yet stopped; how many were found, or a class. */
static int pass(struct pk_dump *d, const struct pk_deadline *deadline, struct pk_error *err)
{
	int found = 0;

	for (size_t i = 0; i < d->n_procs; i++) {
		struct pk_proc *p = d->proc[i];
		int r = 0;

		if (!p->freeze.n && !p->zombie) {
			r = freeze(p, deadline, err);
			if (r < 0)
				return r;
			found++;
		}
		if (r == 0 && !p->zombie)
			r = add_children(p, err);
		if (r < 0)
			return r;
		if (!p->freeze.n && !p->zombie)
			forget(d, i--);
	}
	return found;
}

static bool listed(struct pk_proc **v, size_t n, const struct pk_proc *p)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == p)
			return true;
	return false;
}

/*
 * Parents may have changed while some ran. What is left is the tree as it is now, parents first;
 * orphans that went to somebody outside have left the job.
 */
static int settle(struct pk_dump *d, struct pk_error *err)
{
	struct pk_proc **order = calloc(d->n_procs + 1, sizeof(*order));
	size_t n = 0;

	if (!order)
		return pk_fail_errno(err, "processes");
	for (size_t i = 1; i < d->n_procs; i++)
		d->proc[i]->parent = find_parent(d->proc[i]);
	if (d->n_procs)
		order[n++] = d->proc[0];
	for (size_t k = 0; k < n; k++)
		for (size_t i = 1; i < d->n_procs; i++)
			if (d->proc[i]->parent == order[k])
				order[n++] = d->proc[i];
	for (size_t i = 0; i < d->n_procs; i++)
		if (!listed(order, n, d->proc[i]))
			free_proc(d->proc[i]);
	free(d->proc);
	d->proc = order;
	d->n_procs = n;
	for (size_t i = 0; i < n; i++) {
		order[i]->src.first = &order[0]->src;
		order[i]->src.next = i + 1 < n ? &order[i + 1]->src : NULL;
	}
	return 0;
}

int pk_tree_freeze(struct pk_dump *d, struct pk_error *err)
{
	struct pk_deadline deadline = d->deadline;
	int64_t limit = pk_now() + STOP_LIMIT;
	int r;

	if (!d->deadline.at || limit < d->deadline.at)
		deadline.at = limit;
	d->frozen_at = pk_now();
	while ((r = pass(d, &deadline, err)) > 0)
		;
	if (r == 0)
		r = settle(d, err);
	if (r == 0 && (!d->n_procs || d->proc[0]->zombie)) {
		pk_fail(err, PK_E_MISSING, "pid %d", d->o->pid);
		return pk_why(err, "the process has ended");
	}
	return r;
}
