/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epoll instances: which descriptors they watch, for what, with which data; epoll(7). Entries are
 * made when all descriptors are there. An entry belongs to a number and an open file: if that
 * number was closed since, or is another file now, the file is found by a duplicate, which gets
 * that number while the entry is made.
 *
 * Whether an edge was already reported cannot be seen: what is ready is reported once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/anonfd.h"

struct watch {
	uint32_t fd, events;
	uint64_t data;
	/* If `fd` is not what is watched: a task, and the number that it has for that. Else 0. */
	uint32_t holder, held;
};
struct epoll {
	uint32_t flags;
	uint32_t fd; /* one of its descriptors */
	struct pk_list watch;
};

static bool match(const struct pk_view *v)
{
	return !strcmp(v->file->link, "anon_inode:[eventpoll]");
}

#define W struct watch
static const struct pk_type watch_type = {
	.name = "watch",
	.size = sizeof(W),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(W, 1, PK_F_U32, fd, "descriptor watched"),
			PK_FIELD(W, 2, PK_F_U32, events, "EPOLL* bits"),
			PK_FIELD(W, 3, PK_F_U64, data, "epoll_data"),
			PK_FIELD(W, 4, PK_F_U32, holder,
				"if `fd` is not what is watched any more: a task that has it"),
			PK_FIELD(W, 5, PK_F_U32, held, "the number that it has there"),
			PK_FIELD_END,
		},
};

/* Whether a descriptor is what an entry watches: the nth of those with this number. */
static bool is_watched(const struct pk_view *v, const struct watch *w, uint32_t nth, pid_t pid,
	uint32_t fd, uint64_t ino)
{
	struct kcmp_epoll_slot slot = {.efd = v->file->fd, .tfd = w->fd, .toff = nth};
	char name[32];
	struct stat st;
	long r = syscall(SYS_kcmp, pid, v->src->pid, KCMP_EPOLL_TFD, fd, &slot);

	if (r >= 0 || errno == EBADF)
		return r == 0;
	/* A kernel that does not know: the same number, and the same inode. */
	snprintf(name, sizeof(name), "fd/%u", fd);
	return pid == v->src->pid && fd == w->fd && fstatat(v->src->procfd, name, &st, 0) == 0 &&
	       (!ino || st.st_ino == ino);
}

/* Find what is watched: under its number, or a duplicate in any process of the job. */
static int find_watched(
	const struct pk_view *v, struct watch *w, uint32_t nth, uint64_t ino, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;

	if (is_watched(v, w, nth, v->src->pid, w->fd, ino))
		return 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct pk_open_fd *o = &all->v[i];

		if (o->src->in_flight || !is_watched(v, w, nth, o->src->pid, o->view.fd, ino))
			continue;
		w->holder = o->src->task;
		w->held = o->view.fd;
		return 0;
	}
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: epoll entry for fd %u", v->file->fd, w->fd);
	pk_why(err, "that was closed here, but a process outside the job has it open, or it is on "
		    "its way through a socket");
	return pk_try(err, "have the program remove the entry before it closes the descriptor");
}

static uint32_t same_number(const struct epoll *e, uint32_t fd)
{
	const struct watch *w = e->watch.p;
	uint32_t n = 0;

	for (size_t i = 0; i < e->watch.n; i++)
		n += w[i].fd == fd;
	return n;
}

static int add(struct pk_view *v, struct epoll *e, const char *line, struct pk_error *err)
{
	const char *at = strstr(line, "ino:");
	struct watch found = {0}, *w;
	int r;

	if (sscanf(line, "tfd: %u events: %x data: %" SCNx64, &found.fd, &found.events,
		    &found.data) != 3) {
		pk_fail(err, PK_E_HOST, "fd %u: epoll entry", v->file->fd);
		return pk_why(err, "this kernel prints it in an unknown form: %.100s", line);
	}
	r = find_watched(
		v, &found, same_number(e, found.fd), at ? strtoull(at + 4, NULL, 16) : 0, err);
	if (r < 0)
		return r;
	w = pk_list_add(&e->watch, &watch_type);
	if (!w)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	*w = found;
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_FREE char *text = strdup(v->file->info_text);
	struct epoll *e = obj;
	int r = 0;

	if (!text)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	e->flags = v->file->info.flags;
	e->fd = v->file->fd;
	for (char *save, *line = strtok_r(text, "\n", &save); line && r == 0;
		line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "tfd:", 4))
			r = add(v, e, line, err);
	return r;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct epoll *e = o->data;

	(void)err;
	pk_plan_call(p, PK_PH_FILES, 0,
		&(struct pk_call){
			.nr = SYS_epoll_create1,
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
	pk_plan_setfl(p, e->flags);
	return 0;
}

static size_t call(struct pk_plan *p, uint32_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	return pk_plan_call(p, PK_PH_TASK, 0,
		&(struct pk_call){
			.nr = nr, .a = {pk_num(a), pk_num(b), pk_num(c)}, .check = PK_CHECK_OK});
}

static struct pk_call ctl(
	struct pk_script *s, uint32_t epfd, int op, uint32_t fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return (struct pk_call){
		.nr = SYS_epoll_ctl,
		.a = {pk_num(epfd), pk_num((uint64_t)op), pk_num(fd),
			pk_addr(pk_script_data(s, &ev, sizeof(ev)))},
		.check = PK_CHECK_OK,
	};
}

/* It has reported its one event, and waits to be armed again. */
static bool is_spent(const struct watch *w)
{
	return w->events & EPOLLONESHOT && !(w->events & (EPOLLERR | EPOLLHUP));
}

/*
 * The kernel always watches new entries for errors. One that is to be spent is offered every event:
 * if there is one now, it is spent by that; else it is left to errors.
 */
static void make_spent(struct pk_plan *p, uint32_t epfd, const struct watch *w)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
	uint32_t all = w->events | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI;
	struct pk_call add = ctl(s, epfd, EPOLL_CTL_ADD, w->fd, all, w->data);
	struct pk_call mod = ctl(s, epfd, EPOLL_CTL_MOD, w->fd, w->events, w->data);
	size_t got = pk_script_data(s, NULL, sizeof(struct epoll_event)), zero, wait;

	zero = pk_script_data(s, NULL, sizeof(uint32_t));
	pk_script_call(s, &add);
	wait = pk_script_call(s, &(struct pk_call){.nr = SYS_epoll_pwait,
					 .a = {pk_num(epfd), pk_addr(got), pk_num(1)},
					 .check = PK_CHECK_OK});
	pk_script_op(s, &(struct pk_op){.code = PK_OP_JEQ, .a = {got, 0, wait + 3}});
	pk_script_op(s, &(struct pk_op){.code = PK_OP_JEQ, .a = {zero, 0, wait + 4}});
	pk_script_call(s, &mod);
}

static void make_watch(
	struct pk_plan *p, uint32_t epfd, const struct watch *w, const struct pk_obj *file)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
	struct pk_call add = ctl(s, epfd, EPOLL_CTL_ADD, w->fd, w->events, w->data);

	/* The restorer's streams may be files, which cannot be watched. */
	if (!file || !pk_target_owns(p->target, file)) {
		add.check = PK_CHECK_NONE;
		pk_plan_try(p, PK_PH_TASK, 0, &add,
			"fd %u: epoll cannot watch fd %u, which is not what it was", epfd, w->fd);
	} else if (is_spent(w)) {
		make_spent(p, epfd, w);
	} else {
		pk_script_call(s, &add);
	}
}

/* What the process has under a number while it is built; flags for dup3(2). */
static bool is_taken(const struct pk_plan *p, uint32_t task, uint32_t fd, uint64_t *flags)
{
	const struct pk_obj *o = pk_model_next(p->model, NULL, &pk_fds_type, task);
	const struct pk_fds *t = o ? o->data : NULL;
	const struct pk_fd *v = t ? t->fd.p : NULL;

	*flags = O_CLOEXEC;
	for (size_t i = 0; t && i < t->fd.n; i++)
		if (v[i].fd == fd) {
			*flags = v[i].flags & FD_CLOEXEC ? O_CLOEXEC : 0;
			return true;
		}
	for (size_t i = 0; i < p->target->n_staged; i++)
		if (p->target->staged[i].number == (int)fd)
			return true;
	for (size_t i = 0; i < p->target->n_given; i++)
		if (p->target->given[i].number == (int)fd)
			return true;
	return false;
}

/* What is watched gets its old number for a moment. */
static int place_held(struct pk_plan *p, const struct pk_obj *o, uint32_t epfd,
	const struct watch *w, struct pk_error *err)
{
	const struct pk_obj *file = pk_target_file(p->target, w->holder, w->held);
	int at = file ? pk_target_staged(p->target, file->id) : -1;
	uint32_t spare = p->next_fd;
	uint64_t flags;
	bool taken = is_taken(p, o->owner, w->fd, &flags);

	if (at < 0) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "it watches a file that no process has open");
	}
	if (at == (int)w->fd) {
		make_watch(p, epfd, w, file);
		return 0;
	}
	if (taken)
		call(p, SYS_dup3, w->fd, spare, O_CLOEXEC);
	call(p, SYS_dup3, (uint64_t)at, w->fd, O_CLOEXEC);
	make_watch(p, epfd, w, file);
	if (taken)
		call(p, SYS_dup3, spare, w->fd, flags);
	call(p, SYS_close, taken ? spare : w->fd, 0, 0);
	return 0;
}

static int place_one(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, const struct watch *w,
	struct pk_error *err)
{
	if (w->holder)
		return place_held(p, o, fd, w, err);
	make_watch(p, fd, w, pk_target_file(p->target, o->owner, w->fd));
	return 0;
}

/* Spent ones first: they wait for an event while no other entry is there to have one. */
static int place(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, struct pk_error *err)
{
	const struct epoll *e = o->data;
	const struct watch *w = e->watch.p;
	int r = 0;

	for (int spent = 1; spent >= 0; spent--)
		for (size_t i = 0; i < e->watch.n && r == 0; i++)
			if (is_spent(&w[i]) == spent)
				r = place_one(p, o, fd, &w[i], err);
	return r;
}

#define E struct epoll
static const struct pk_type type = {
	.name = "epoll",
	.id = 37,
	.size = sizeof(E),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(E, 1, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(E, 2, PK_F_U32, fd, "a descriptor that refers to it"),
			PK_FIELD_LIST(E, 3, watch, &watch_type, "entries"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_epoll = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "epoll instances, nested ones and entries of closed descriptors too; "
		   "edge-triggered "
		   "entries report once more what is ready",
	.match = match,
	.collect = collect,
	.plan = plan,
	.place = place,
};
