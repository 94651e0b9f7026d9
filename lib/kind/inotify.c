/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7): watches with their numbers. The kernel tells the inode that is watched, not its name:
 * findpath.c looks for it. Events that were not read yet are lost, with a warning: they cannot be
 * looked at without being taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kind/anonfd.h"
#include "kind/findpath.h"

#define SETNEXTWD _IOW('I', 0, int32_t)
#define MAX_LOOP  100000
#define KEPT      (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT)

struct watch {
	int32_t wd;
	uint32_t mask;
	char *path;
};
struct inotify {
	uint32_t flags;
	uint32_t lost; /* bytes of events that were not read */
	struct pk_list watch;
};

static bool match(const struct pk_view *v)
{
	return !strcmp(v->file->link, "anon_inode:inotify");
}

#define W struct watch
static const struct pk_type watch_type = {
	.name = "inotify_watch",
	.size = sizeof(W),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(W, 1, PK_F_I32, wd, "watch descriptor"),
			PK_FIELD(W, 2, PK_F_U32, mask, "IN_* bits"),
			PK_FIELD(W, 3, PK_F_STR, path, "what is watched"),
			PK_FIELD_END,
		},
};

static int by_number(const void *a, const void *b)
{
	const struct watch *x = a, *y = b;

	return (x->wd > y->wd) - (x->wd < y->wd);
}

/* "inotify wd:1 ino:2 sdev:3 mask:4 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:..." */
static int add(struct pk_view *v, struct inotify *n, const char *line, struct pk_error *err)
{
	const char *at = strstr(line, "fhandle-bytes:");
	struct pk_wanted want = {.bytes = 0};
	uint32_t wd, sdev, mask;
	struct watch *w;

	if (sscanf(line, "inotify wd:%x ino:%" SCNx64 " sdev:%x mask:%x", &wd, &want.ino, &sdev,
		    &mask) != 4) {
		pk_fail(err, PK_E_HOST, "fd %u: inotify watch", v->file->fd);
		return pk_why(err, "this kernel prints it in an unknown form: %.100s", line);
	}
	want.dev = makedev(sdev >> 20, sdev & 0xfffff);
	if (at)
		pk_wanted_handle(&want, at);
	w = pk_list_add(&n->watch, &watch_type);
	if (!w)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	w->wd = (int32_t)wd;
	w->mask = mask & KEPT;
	w->path = pk_find_path(v->src, &want);
	if (w->path)
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: inotify watch of inode %lu", v->file->fd,
		(unsigned long)want.ino);
	pk_why(err, "the kernel does not tell its name, and it was not found near what the program "
		    "has open");
	return pk_try(err, "start the program in the directory that it watches");
}

static int count_lost(const struct pk_view *v, struct inotify *n, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	int bytes = 0;

	if (fd < 0 || ioctl(fd, FIONREAD, &bytes) < 0 || bytes <= 0)
		return fd < 0 ? fd : 0;
	if (v->src->strict) {
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: inotify events that are not read yet",
			v->file->fd);
		pk_why(err, "they cannot be saved, and --strict allows no loss");
		return pk_try(err, "dump again when the program has read them");
	}
	n->lost = (uint32_t)bytes;
	pk_log(PK_LOG_WARN,
		"pid %d fd %u: inotify events that the program has not read yet (%d bytes) are not "
		"in the checkpoint",
		v->src->pid, v->file->fd, bytes);
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_FREE char *text = strdup(v->file->info_text);
	struct inotify *n = obj;
	int r = 0;

	if (!text)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	n->flags = v->file->info.flags;
	for (char *save, *line = strtok_r(text, "\n", &save); line && r == 0;
		line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "inotify ", 8))
			r = add(v, n, line, err);
	if (r < 0)
		return r;
	if (n->watch.n)
		qsort(n->watch.p, n->watch.n, sizeof(struct watch), by_number);
	return count_lost(v, n, err);
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct inotify *n = o->data;
	const struct watch *w = n->watch.p;
	struct pk_error err;

	for (size_t i = 0; i < n->watch.n; i++) {
		if (faccessat(AT_FDCWD, w[i].path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		pk_fail_errno(&err, "%s, watched by inotify", w[i].path);
		pk_try(&err, "make it again, then restore");
		pk_report_add(&t->report, &err);
	}
}

/* Make the kernel hand out this number next; before 4.17 numbers are used up one by one. */
static void use_up(int fd, const char *path, int32_t last, int32_t wd)
{
	if (ioctl(fd, SETNEXTWD, wd) == 0)
		return;
	for (int32_t i = last + 1; i < wd && i - last < MAX_LOOP; i++)
		(void)inotify_rm_watch(
			fd, inotify_add_watch(fd, path, IN_DELETE_SELF | IN_DONT_FOLLOW));
}

static int add_watches(int fd, const struct inotify *n, struct pk_error *err)
{
	const struct watch *w = n->watch.p;
	int32_t last = 0;

	for (size_t i = 0; i < n->watch.n; i++) {
		int32_t wd;

		use_up(fd, w[i].path, last, w[i].wd);
		wd = inotify_add_watch(fd, w[i].path, (w[i].mask & KEPT) | IN_DONT_FOLLOW);
		if (wd < 0) {
			pk_fail_errno(err, "inotify watch of %s", w[i].path);
			return errno == ENOSPC ? pk_try(err, "raise fs.inotify.max_user_watches")
					       : -err->class;
		}
		if (wd != w[i].wd) {
			pk_fail(err, PK_E_HOST, "inotify watch of %s", w[i].path);
			return pk_why(err, "it has number %d instead of %d", wd, w[i].wd);
		}
		last = wd;
	}
	return 0;
}

/* Made here: the inodes are the same, and the numbers need a loop on old kernels. */
static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct inotify *n = o->data;
	PK_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r;

	if (fd < 0) {
		pk_fail_errno(err, "inotify instance");
		return pk_try(err, "raise fs.inotify.max_user_instances");
	}
	r = add_watches(fd, n, err);
	if (r < 0)
		return r;
	if (n->lost)
		pk_log(PK_LOG_WARN,
			"inotify events that the program had not read at the dump (%u bytes) are "
			"lost",
			n->lost);
	return pk_target_give(t, o->id, pk_steal_fd(&fd), err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct inotify *n = o->data;

	(void)err;
	pk_plan_dup(p, o);
	pk_plan_setfl(p, n->flags);
	return 0;
}

/* What the restore itself did to the files is nothing to the program. */
static int finish(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	struct pollfd p = {.fd = -1, .events = POLLIN};
	char events[8192];

	(void)err;
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].obj == o->id)
			p.fd = t->given[i].fd;
	while (p.fd >= 0 && poll(&p, 1, 0) > 0 && p.revents & POLLIN &&
		read(p.fd, events, sizeof(events)) > 0)
		;
	return 0;
}

#define N struct inotify
static const struct pk_type type = {
	.name = "inotify",
	.id = 86,
	.size = sizeof(N),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(N, 1, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(N, 2, PK_F_U32, lost, "bytes of events that were not read"),
			PK_FIELD_LIST(N, 3, watch, &watch_type, "ascending by wd"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_inotify = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary =
		"inotify instances, where what they watch is found; events not read yet are lost",
	.match = match,
	.collect = collect,
	.check = check,
	.prepare = prepare,
	.plan = plan,
	.finish = finish,
};
