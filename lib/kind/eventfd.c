/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd(2): the counter, and whether it counts down one by one. */
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "kind/anonfd.h"

struct eventfd {
	uint64_t count;
	uint32_t semaphore;
	uint32_t flags;
};

static bool match(const struct pk_view *v)
{
	return !strcmp(v->file->link, "anon_inode:[eventfd]");
}

struct probe {
	uint64_t more, got, rest, count;
};

static void call(struct pk_script *s, uint32_t nr, uint32_t fd, size_t at)
{
	pk_script_call(s, &(struct pk_call){.nr = nr,
				  .a = {pk_num(fd), pk_addr(at), pk_num(sizeof(uint64_t))},
				  .check = PK_CHECK_OK});
}

/*
 * Kernels before 6.5 do not tell: a read does, which takes one of a semaphore and else all. The
 * counter, at least two for that, is put back by the same program, which ends also if pckpt dies.
 */
static int probe_semaphore(
	const struct pk_view *v, struct eventfd *e, uint32_t fd, struct pk_error *err)
{
	struct probe p = {.more = e->count < 2 ? 2 - e->count : 0, .count = e->count};
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, &p, sizeof(p));
	int r;

	if (p.more)
		call(&s, SYS_write, fd, at + offsetof(struct probe, more));
	call(&s, SYS_read, fd, at + offsetof(struct probe, got));
	if (!p.more) {
		call(&s, SYS_write, fd, at + offsetof(struct probe, got));
	} else {
		size_t now = s.n;

		/* 2: nothing is left, so what there was is added; 1: one is left. */
		pk_script_op(&s, &(struct pk_op){.code = PK_OP_JEQ,
					 .a = {at + offsetof(struct probe, got), 2, now + 3}});
		if (e->count)
			pk_script_op(&s, &(struct pk_op){.code = PK_OP_END});
		else
			call(&s, SYS_read, fd, at + offsetof(struct probe, rest));
		pk_script_op(&s, &(struct pk_op){.code = PK_OP_END});
		if (e->count)
			call(&s, SYS_write, fd, at + offsetof(struct probe, count));
		else
			pk_script_op(&s, &(struct pk_op){.code = PK_OP_END});
	}
	r = pk_source_run(v->src, &s, err);
	if (r == 0)
		e->semaphore = ((const struct probe *)pk_script_at(&s, at))->got == 1;
	pk_script_free(&s);
	return r;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct eventfd *e = obj;
	uint64_t semaphore;
	int r = pk_info_must(v, "eventfd-count", 16, &e->count, err);
	if (r < 0)
		return r;
	e->flags = v->file->info.flags;
	if (!pk_info_number(v, "eventfd-semaphore", 10, &semaphore))
		return probe_semaphore(v, e, v->file->fd, err);
	e->semaphore = semaphore != 0;
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct eventfd *e = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_FILES, 0);
	size_t count = pk_script_data(s, &e->count, sizeof(e->count));

	(void)err;
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_eventfd2,
				  .a = {pk_num(0), pk_num(e->semaphore ? EFD_SEMAPHORE : 0)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)p->next_fd,
			  });
	if (e->count)
		call(s, SYS_write, p->next_fd, count);
	pk_plan_setfl(p, e->flags);
	return 0;
}

#define E struct eventfd
static const struct pk_type type = {
	.name = "eventfd",
	.id = 80,
	.size = sizeof(E),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(E, 1, PK_F_U64, count, "counter"),
			PK_FIELD(E, 2, PK_F_U32, semaphore, "1: EFD_SEMAPHORE"),
			PK_FIELD(E, 3, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_eventfd = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "eventfds: counter, semaphore mode",
	.match = match,
	.collect = collect,
	.plan = plan,
};
