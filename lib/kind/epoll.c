/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epoll instances: which descriptors they watch, for what, with which data; epoll(7). Entries are
 * made when all descriptors are there. One whose descriptor was closed while a duplicate lives on
 * cannot be named by number, and is refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/kind.h"

struct watch {
	uint32_t fd, events;
	uint64_t data;
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
			PK_FIELD_END,
		},
};

/* The watched number must still be what was added: the same inode. */
static int check_watched(const struct pk_view *v, uint32_t fd, uint64_t ino, struct pk_error *err)
{
	char name[32];
	struct stat st;

	snprintf(name, sizeof(name), "fd/%u", fd);
	if (fstatat(v->src->procfd, name, &st, 0) == 0 && (!ino || st.st_ino == ino))
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: epoll entry for fd %u", v->file->fd, fd);
	pk_why(err,
		"that descriptor was closed, but the file is still watched through a duplicate");
	return pk_try(err, "have the program remove the entry before it closes the descriptor");
}

static int add(struct pk_view *v, struct epoll *e, const char *line, struct pk_error *err)
{
	uint32_t fd, events;
	uint64_t data, ino = 0;
	const char *at = strstr(line, "ino:");
	struct watch *w;
	int r;

	if (sscanf(line, "tfd: %u events: %x data: %" SCNx64, &fd, &events, &data) != 3) {
		pk_fail(err, PK_E_HOST, "fd %u: epoll entry", v->file->fd);
		return pk_why(err, "this kernel prints it in an unknown form: %.100s", line);
	}
	if (at)
		ino = strtoull(at + 4, NULL, 16);
	r = check_watched(v, fd, ino, err);
	if (r < 0)
		return r;
	w = pk_list_add(&e->watch, &watch_type);
	if (!w)
		return pk_fail_errno(err, "fd %u", v->file->fd);
	*w = (struct watch){fd, events, data};
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
	(void)o;
	(void)err;
	pk_plan_call(p, PK_PH_FILES, 0,
		&(struct pk_call){
			.nr = SYS_epoll_create1,
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
	return 0;
}

static int place(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, struct pk_error *err)
{
	const struct epoll *e = o->data;
	const struct watch *w = e->watch.p;

	(void)err;
	for (size_t i = 0; i < e->watch.n; i++) {
		struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
		struct epoll_event ev = {.events = w[i].events, .data.u64 = w[i].data};

		pk_script_call(s, &(struct pk_call){
					  .nr = SYS_epoll_ctl,
					  .a = {pk_num(fd), pk_num(EPOLL_CTL_ADD), pk_num(w[i].fd),
						  pk_addr(pk_script_data(s, &ev, sizeof(ev)))},
					  .check = PK_CHECK_OK,
				  });
	}
	return 0;
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
	.summary = "epoll instances",
	.match = match,
	.collect = collect,
	.plan = plan,
	.place = place,
};
