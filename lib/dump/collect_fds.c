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

#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump_internal.h"

struct open_fd {
	uint32_t fd;
	struct pk_file_view view;
	uint32_t file; /* record of its description, 0 until it has one */
};

static void free_views(struct open_fd *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].view.link);
		free(v[i].view.info_text);
	}
	free(v);
}

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

static int look_at(const struct pk_source *s, struct open_fd *o, struct pk_error *err)
{
	struct pk_file_view *f = &o->view;
	char name[32];
	size_t n;

	f->fd = o->fd;
	f->std = -1;
	snprintf(name, sizeof(name), "fd/%u", o->fd);
	f->link = pk_read_link(s->procfd, name);
	if (!f->link || fstatat(s->procfd, name, &f->st, 0) < 0)
		return pk_fail_errno(err, "pid %d fd %u", s->pid, o->fd);
	snprintf(name, sizeof(name), "fdinfo/%u", o->fd);
	f->info_text = pk_read_file(s->procfd, name, 1 << 24, &n);
	if (!f->info_text)
		return pk_fail_errno(err, "pid %d fd %u", s->pid, o->fd);
	cut_deleted(f);
	return pk_fdinfo_parse(f->info_text, n, &f->info, err);
}

/* kcmp(2) tells whether two descriptors share one open file description. */
static bool shares(const struct pk_source *s, const struct open_fd *a, const struct open_fd *b)
{
	const struct pk_file_view *x = &a->view, *y = &b->view;

	if (x->st.st_ino != y->st.st_ino || x->st.st_dev != y->st.st_dev ||
		x->info.pos != y->info.pos)
		return false;
	return syscall(SYS_kcmp, s->pid, s->pid, KCMP_FILE, a->fd, b->fd) == 0;
}

static bool same_terminal(const struct open_fd *a, const struct open_fd *b)
{
	return S_ISCHR(a->view.st.st_mode) && S_ISCHR(b->view.st.st_mode) &&
	       a->view.st.st_rdev == b->view.st.st_rdev;
}

/* Which standard stream a descriptor is or shares; descriptors ascend, so 0 to 2 come first. */
static void find_std(const struct pk_source *s, struct open_fd *v, size_t i)
{
	for (size_t k = 0; k <= i && v[k].fd <= 2; k++)
		if (k == i || shares(s, &v[k], &v[i]) || same_terminal(&v[k], &v[i])) {
			v[i].view.std = (int)v[k].fd;
			return;
		}
}

static int collect_file(struct pk_dump *d, struct open_fd *v, size_t i, struct pk_error *err)
{
	struct pk_view view = {.src = &d->src, .file = &v[i].view, .owner = d->src.task};
	int r;

	for (size_t k = 0; k < i; k++)
		if (shares(&d->src, &v[k], &v[i])) {
			v[i].file = v[k].file;
			return 0;
		}
	r = pk_collect_object(pk_kind_match(&view, PK_LV_FILE), &view, &d->model, &v[i].file, err);
	return r < 0 ? pk_wrap(err, "pid %d", d->src.pid) : 0;
}

/* FD_CLOEXEC is the descriptor's own; fdinfo shows it as O_CLOEXEC. */
static int fill_table(struct pk_dump *d, const struct open_fd *v, size_t n, struct pk_error *err)
{
	struct pk_fds *t = pk_model_add(&d->model, &pk_fds_type, d->src.task, NULL);

	if (!t)
		return pk_fail_errno(err, "descriptors");
	for (size_t i = 0; i < n; i++) {
		struct pk_fd *fd = pk_list_add(&t->fd, &pk_fd_type);

		if (!fd)
			return pk_fail_errno(err, "descriptors");
		*fd = (struct pk_fd){
			.fd = v[i].fd,
			.flags = v[i].view.info.flags & O_CLOEXEC ? FD_CLOEXEC : 0,
			.file = v[i].file,
		};
	}
	return 0;
}

int pk_collect_fds(struct pk_dump *d, struct pk_error *err)
{
	PK_FREE uint32_t *fds = NULL;
	struct open_fd *v;
	size_t n;
	int r = 0;

	if (pk_list_numbers(d->src.procfd, "fd", &fds, &n) < 0)
		return pk_fail_errno(err, "pid %d: descriptors", d->src.pid);
	v = calloc(n ? n : 1, sizeof(*v));
	if (!v)
		return pk_fail_errno(err, "pid %d: descriptors", d->src.pid);
	for (size_t i = 0; i < n && r == 0; i++) {
		v[i].fd = fds[i];
		r = look_at(&d->src, &v[i], err);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		find_std(&d->src, v, i);
		r = collect_file(d, v, i, err);
	}
	if (r == 0)
		r = fill_table(d, v, n, err);
	free_views(v, n);
	d->ret->fds = (unsigned)n;
	return r;
}
