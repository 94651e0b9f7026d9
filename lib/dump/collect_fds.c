/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: which open file description each refers to, and what that is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump_internal.h"

static void cut_deleted(struct pk_file_view *f)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(f->link), k = sizeof(mark) - 1;

	/* A name may end so by itself: then the file has a link, and there is nothing to cut. */
	f->deleted = n > k && !strcmp(f->link + n - k, mark) &&
		     (f->st.st_nlink == 0 || f->link[0] != '/');
	if (f->deleted)
		f->link[n - k] = '\0';
}

/* The name that is gone may not have been the only one. */
static void rename_linked(struct pk_file_view *f)
{
	char *other = NULL;

	if (f->link[0] == '/' && S_ISREG(f->st.st_mode) && f->st.st_nlink > 0 &&
		access(f->link, F_OK) < 0)
		other = pk_other_name(f->link, f->st.st_dev, f->st.st_ino);
	if (!other)
		return;
	free(f->link);
	f->link = other;
}

static int look_at(struct pk_source *s, uint32_t fd, struct pk_open_fd *o, struct pk_error *err)
{
	struct pk_file_view *f = &o->view;
	char name[32];
	size_t n;

	o->src = s;
	f->fd = fd;
	f->std = f->supervisor_std = -1;
	snprintf(name, sizeof(name), "fd/%u", fd);
	f->link = pk_read_link(s->procfd, name);
	if (!f->link || fstatat(s->procfd, name, &f->st, 0) < 0)
		return pk_fail_errno(err, "pid %d fd %u", s->pid, fd);
	snprintf(name, sizeof(name), "fdinfo/%u", fd);
	f->info_text = pk_read_file(s->procfd, name, 1 << 24, &n);
	if (!f->info_text)
		return pk_fail_errno(err, "pid %d fd %u", s->pid, fd);
	cut_deleted(f);
	rename_linked(f);
	return pk_fdinfo_parse(f->info_text, n, &f->info, err);
}

/* kcmp(2) tells whether two descriptors share one open file description. */
bool pk_same_open_file(const struct pk_open_fd *a, const struct pk_open_fd *b)
{
	const struct pk_file_view *x = &a->view, *y = &b->view;

	if (x->st.st_ino != y->st.st_ino || x->st.st_dev != y->st.st_dev ||
		x->info.pos != y->info.pos ||
		(x->info.flags ^ y->info.flags) & ~(uint32_t)O_CLOEXEC)
		return false;
	return syscall(SYS_kcmp, a->src->pid, b->src->pid, KCMP_FILE, x->fd, y->fd) == 0;
}

static bool same_terminal(const struct pk_open_fd *a, const struct pk_open_fd *b)
{
	return S_ISCHR(a->view.st.st_mode) && S_ISCHR(b->view.st.st_mode) &&
	       a->view.st.st_rdev == b->view.st.st_rdev && a->view.st.st_dev == b->view.st.st_dev;
}

/*
 * Which standard stream a descriptor is or shares: one of the job's first process, or one of its
 * own process. Descriptors ascend, so 0 to 2 come first.
 */
static void find_std(struct pk_open_fds *all, size_t first, size_t i)
{
	const size_t from[2] = {0, first};
	struct pk_open_fd *v = all->v;

	for (size_t p = 0; p < 2; p++)
		for (size_t k = from[p]; k <= i && v[k].src == v[from[p]].src && v[k].view.fd <= 2;
			k++)
			if (k == i || pk_same_open_file(&v[k], &v[i]) ||
				same_terminal(&v[k], &v[i])) {
				v[i].view.std = (int)v[k].view.fd;
				return;
			}
}

static void find_supervisor_std(const struct pk_dump *d, struct pk_open_fd *o)
{
	pid_t pid = d->o->supervisor;

	for (int fd = 2; pid && S_ISREG(o->view.st.st_mode) && fd >= 0; fd--)
		if (syscall(SYS_kcmp, pid, o->src->pid, KCMP_FILE, fd, o->view.fd) == 0)
			o->view.supervisor_std = fd;
}

int pk_collect_open_file(struct pk_dump *d, size_t i, struct pk_error *err)
{
	struct pk_open_fd *v = d->open.v;
	struct pk_view view = {.src = v[i].src, .file = &v[i].view, .owner = v[i].src->task};
	int r;

	for (size_t k = 0; k < i; k++)
		if (pk_same_open_file(&v[k], &v[i])) {
			v[i].file = v[k].file;
			return 0;
		}
	r = pk_collect_object(pk_kind_match(&view, PK_LV_FILE), &view, &d->model, &v[i].file, err);
	return r < 0 ? pk_wrap(err, "pid %d", v[i].src->pid) : 0;
}

/* FD_CLOEXEC is the descriptor's own; fdinfo shows it as O_CLOEXEC. */
static int fill_table(
	struct pk_proc *proc, const struct pk_open_fd *v, size_t n, struct pk_error *err)
{
	struct pk_fds *t = pk_model_add(&proc->d->model, &pk_fds_type, proc->src.task, NULL);

	if (!t)
		return pk_fail_errno(err, "descriptors");
	for (size_t i = 0; i < n; i++) {
		struct pk_fd *fd = pk_list_add(&t->fd, &pk_fd_type);

		if (!fd)
			return pk_fail_errno(err, "descriptors");
		*fd = (struct pk_fd){
			.fd = v[i].view.fd,
			.flags = v[i].view.info.flags & O_CLOEXEC ? FD_CLOEXEC : 0,
			.file = v[i].file,
		};
	}
	return 0;
}

int pk_look_at_fd(struct pk_dump *d, struct pk_source *s, uint32_t fd, struct pk_error *err)
{
	struct pk_open_fd *v = pk_array_more(d->open.v, d->open.n, sizeof(*v));

	if (!v)
		return pk_fail_errno(err, "pid %d: descriptors", s->pid);
	d->open.v = v;
	v[d->open.n] = (struct pk_open_fd){0};
	return look_at(s, fd, &v[d->open.n++], err);
}

static int look_at_all(struct pk_dump *d, struct pk_proc *proc, struct pk_error *err)
{
	PK_FREE uint32_t *fds = NULL;
	size_t first = d->open.n, n;
	int r = 0;

	if (pk_list_numbers(proc->src.procfd, "fd", &fds, &n) < 0)
		return pk_fail_errno(err, "pid %d: descriptors", proc->src.pid);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = pk_look_at_fd(d, &proc->src, fds[i], err);
		if (r < 0)
			break;
		find_std(&d->open, first, d->open.n - 1);
		find_supervisor_std(d, &d->open.v[d->open.n - 1]);
	}
	return r;
}

static bool shares_table(const struct pk_proc *proc)
{
	const struct pk_obj *task = pk_model_find(&proc->d->model, proc->src.task, &pk_task_type);

	return ((const struct pk_task *)task->data)->files_of != 0;
}

static int collect_table(struct pk_proc *proc, size_t first, size_t *end, struct pk_error *err)
{
	struct pk_dump *d = proc->d;
	int r = 0;

	for (*end = first; *end < d->open.n && d->open.v[*end].src == &proc->src && r == 0; ++*end)
		r = pk_collect_open_file(d, *end, err);
	return r < 0 ? r
		     : fill_table(proc, d->open.v ? d->open.v + first : NULL, *end - first, err);
}

/* What belongs to the tables, now that all open files have a record. */
static int collect_table_kinds(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_view v = {.src = &proc->src, .owner = proc->src.task};
	uint32_t id;
	int r = 0;

	for (size_t i = 0; pk_kinds[i] && r == 0; i++)
		if (pk_kinds[i]->level == PK_LV_TABLE)
			r = pk_collect_object(pk_kinds[i], &v, &proc->d->model, &id, err);
	return r < 0 ? pk_wrap(err, "pid %d", proc->src.pid) : 0;
}

int pk_collect_fds(struct pk_dump *d, struct pk_error *err)
{
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; i < d->n_procs && r == 0; i++)
		if (!d->proc[i]->zombie && !shares_table(d->proc[i]))
			r = look_at_all(d, d->proc[i], err);
	d->ret->fds = (unsigned)d->open.n;
	if (r == 0)
		r = pk_find_flights(d, err);
	for (size_t i = 0; i < d->n_procs && r == 0; i++)
		if (!d->proc[i]->zombie && !shares_table(d->proc[i]))
			r = collect_table(d->proc[i], at, &at, err);
	if (r == 0)
		r = pk_collect_flights(d, at, err);
	for (size_t i = 0; i < d->n_procs && r == 0; i++)
		if (!d->proc[i]->zombie && !shares_table(d->proc[i]))
			r = collect_table_kinds(d->proc[i], err);
	return r;
}

void pk_forget_last_fd(struct pk_dump *d)
{
	struct pk_open_fd *o = &d->open.v[--d->open.n];

	free(o->view.link);
	free(o->view.info_text);
	if (o->src->in_flight)
		close((int)o->view.fd);
}

void pk_free_fds(struct pk_dump *d)
{
	while (d->open.n)
		pk_forget_last_fd(d);
	pk_free_flights(d);
	free(d->open.v);
	d->open = (struct pk_open_fds){0};
}
