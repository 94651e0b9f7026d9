/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfd_open(2): of processes and threads of the job. One whose process has been waited for comes
 * back as just that; so does, with a warning, one of a process outside the job.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "kind/anonfd.h"

struct pidfd {
	uint32_t task;  /* 0: it has ended */
	int32_t tid;    /* of one thread of it: PIDFD_THREAD; else 0 */
	uint32_t flags; /* PIDFD_NONBLOCK is O_NONBLOCK, PIDFD_THREAD is O_EXCL */
};

static bool match(const struct pk_view *v)
{
	/* Since 6.9 each process has an inode of its own. */
	return !strcmp(v->file->link, "anon_inode:[pidfd]") ||
	       !strncmp(v->file->link, "pidfd:[", 7);
}

static void find(const struct pk_source *s, pid_t pid, struct pidfd *p)
{
	for (s = s->first; s && !p->task; s = s->next) {
		if (s->pid == pid) {
			p->task = s->task;
			return;
		}
		if (!(p->flags & O_EXCL))
			continue;
		p->tid = pk_source_inner_tid(s, pid);
		if (p->tid)
			p->task = s->task;
	}
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const char *text = pk_info_text(v->file->info_text, "Pid");
	struct pidfd *p = obj;
	long pid = text ? strtol(text, NULL, 10) : 0;

	(void)err;
	p->flags = v->file->info.flags;
	if (pid == -1)
		return 0;
	find(v->src, (pid_t)pid, p);
	if (!p->task && v->src->strict) {
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: pidfd of process %ld outside the job",
			v->file->fd, pid);
		pk_why(err, "it cannot be restored, and --strict allows no loss");
		return pk_try(err, "dump without --strict, or an ancestor of both");
	}
	if (!p->task)
		pk_log(PK_LOG_WARN,
			"pid %d fd %u: this pidfd is of process %ld, which is not in the job: "
			"restored, it is as if that process had ended",
			v->src->pid, v->file->fd, pid);
	return 0;
}

static int32_t number_of(const struct pk_plan *p, const struct pidfd *f, const struct pk_obj *task)
{
	const struct pk_obj *o = NULL;

	while (f->tid && (o = pk_model_next(p->model, o, &pk_thread_type, task->id)))
		if (((const struct pk_thread *)o->data)->tid == f->tid)
			return pk_plan_tid(p, o);
	return pk_plan_pid(p, task);
}

/*
 * A process that ends at once, and is waited for. The child goes on with the same program: there,
 * and only there, clone(2) has stored its number.
 */
static void make_ended(struct pk_plan *p)
{
	const uint64_t flags = CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_UNTRACED;
	struct pk_script *s = pk_plan_script(p, p->open, 0);
	size_t fd = pk_script_data(s, NULL, sizeof(int)),
	       tid = pk_script_data(s, NULL, sizeof(int));
	size_t at = pk_script_call(
		s, &(struct pk_call){
			   .nr = SYS_clone,
			   /* Where tid comes depends on the machine. */
			   .a = {pk_num(flags), pk_num(0), pk_addr(fd), pk_addr(tid), pk_addr(tid)},
			   .check = PK_CHECK_OK,
		   });

	pk_script_op(s, &(struct pk_op){.code = PK_OP_JEQ, .a = {tid, 0, at + 3}});
	pk_script_call(s, &(struct pk_call){.nr = SYS_exit_group});
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_waitid,
				  .a = {pk_num(P_PIDFD), pk_num(p->next_fd), pk_num(0),
					  pk_num(WEXITED | __WALL)},
				  .check = PK_CHECK_OK,
			  });
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pidfd *f = o->data;
	const struct pk_obj *task = pk_model_find(p->model, f->task, &pk_task_type);

	if (f->task && !task) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "a pidfd of a process that is not in the image");
	}
	if (task)
		pk_plan_call(p, p->open, 0,
			&(struct pk_call){
				.nr = SYS_pidfd_open,
				.a = {pk_num((uint64_t)number_of(p, f, task)),
					pk_num(f->flags & O_EXCL)},
				.check = PK_CHECK_EQUAL,
				.want = (int64_t)p->next_fd,
			});
	else
		make_ended(p);
	pk_plan_setfl(p, f->flags);
	return 0;
}

#define P struct pidfd
static const struct pk_type type = {
	.name = "pidfd",
	.id = 84,
	.size = sizeof(P),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(P, 1, PK_F_U32, task, "record of the process; 0: it has ended"),
			PK_FIELD(P, 2, PK_F_I32, tid, "PIDFD_THREAD: the thread, else 0"),
			PK_FIELD(P, 3, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_pidfd = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "pidfds of processes of the job; of one outside: as if it had ended",
	.match = match,
	.collect = collect,
	.late = true,
	.plan = plan,
};
