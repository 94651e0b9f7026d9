/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard streams that lead outside the job: a terminal, a pipe, a socket. The other end stays
 * where it is; at restore they become those of `pckpt restore`, wherever the job's descriptors
 * shared them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "kind/kind.h"

struct stdstream {
	uint32_t std; /* 0, 1 or 2 */
	uint32_t flags;
	char *was;
};

static bool match(const struct pk_view *v)
{
	mode_t m = v->file->st.st_mode;

	return v->file->std >= 0 && (S_ISCHR(m) || S_ISFIFO(m) || S_ISSOCK(m));
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct stdstream *s = obj;

	s->std = (uint32_t)v->file->std;
	s->flags = v->file->info.flags & ~(uint32_t)O_CLOEXEC;
	s->was = strdup(v->file->link);
	return s->was ? 0 : pk_fail_errno(err, "fd %u", v->file->fd);
}

static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct stdstream *s = o->data;
	int from = s->std < 3 ? t->std[s->std] : -1;
	int fd =
		from >= 0 ? fcntl(from, F_DUPFD_CLOEXEC, 3) : open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return pk_fail_errno(err, "standard stream %u", s->std);
	return pk_target_give(t, o->id, fd, err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct stdstream *s = o->data;

	(void)err;
	pk_plan_call(p, PK_PH_FILES, 0,
		&(struct pk_call){
			.nr = SYS_dup,
			.a = {pk_num((uint64_t)pk_target_given(p->target, o->id))},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
	if (s->flags & O_NONBLOCK)
		pk_plan_call(p, PK_PH_FILES, 0,
			&(struct pk_call){
				.nr = SYS_fcntl,
				.a = {pk_num(p->next_fd), pk_num(F_SETFL),
					pk_num(s->flags & (O_NONBLOCK | O_APPEND))},
			});
	return 0;
}

#define S struct stdstream
static const struct pk_type type = {
	.name = "stdstream",
	.id = 36,
	.size = sizeof(S),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(S, 1, PK_F_U32, std,
				"0, 1 or 2: which of the restorer's takes its place"),
			PK_FIELD(S, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(S, 3, PK_F_STR, was, "what it was, as /proc/PID/fd showed it"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_stdstream = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "standard input, output, error to a terminal, pipe or socket: taken from pckpt "
		   "restore",
	.match = match,
	.collect = collect,
	.prepare = prepare,
	.plan = plan,
};
