/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories of /proc: those of the job's processes, and those of no process. Opened
 * again by path when all processes are there; they show what is then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/anonfd.h"

#define PROC_MAGIC 0x9fa0

struct procfile {
	uint32_t task; /* whose it is; 0: nobody's */
	char *path;    /* below /proc, or below /proc/PID */
	uint32_t flags;
	uint64_t pos;
};

static bool match(const struct pk_view *v)
{
	char path[64];
	struct statfs fs;

	/* Before anything else is asked: /proc has no device, and no files that can be mapped. */
	if (major(v->file->st.st_dev) || v->file->link[0] != '/')
		return false;
	if (!S_ISREG(v->file->st.st_mode) && !S_ISDIR(v->file->st.st_mode))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%u", v->src->pid, v->file->fd);
	return statfs(path, &fs) == 0 && fs.f_type == PROC_MAGIC;
}

enum { NAME_MAX_LEN = 4096 };

/* As the process sees it: its /proc may be another one, with other numbers. */
static char *ask_name(const struct pk_view *v, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at, link;
	char *name = NULL, path[64];
	int64_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%u", v->file->fd);
	link = pk_script_str(&s, path);
	at = pk_script_data(&s, NULL, NAME_MAX_LEN);
	pk_script_call(&s, &(struct pk_call){
				   .nr = SYS_readlink,
				   .a = {pk_addr(link), pk_addr(at), pk_num(NAME_MAX_LEN)},
				   .check = PK_CHECK_OK,
			   });
	if (pk_source_run(v->src, &s, err) == 0) {
		n = pk_script_ret(&s, 0);
		name = strndup(pk_script_at(&s, at), (size_t)n);
		if (!name)
			pk_fail_errno(err, "fd %u", v->file->fd);
	}
	pk_script_free(&s);
	return name;
}

/* The task of the job that has this number for itself. */
static uint32_t find_task(const struct pk_source *s, int32_t pid)
{
	for (s = s->first; s; s = s->next) {
		const struct pk_obj *o = pk_model_find(s->model, s->task, &pk_task_type);

		if (o && ((const struct pk_task *)o->data)->pid == pid)
			return s->task;
	}
	return 0;
}

static int refuse(const struct pk_view *v, const char *name, const char *why, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s: file of /proc", v->file->fd, name);
	pk_why(err, "%s", why);
	return pk_try(err, "dump again when the program has closed it");
}

static int take_name(
	const struct pk_view *v, struct procfile *f, const char *name, struct pk_error *err)
{
	const char *rest = name + strlen("/proc/");
	char *end;
	long pid;

	if (strncmp(name, "/proc/", strlen("/proc/")) != 0 && strcmp(name, "/proc") != 0)
		return refuse(v, name, "it is not below /proc", err);
	if (!strcmp(name, "/proc"))
		rest = "";
	pid = strtol(rest, &end, 10);
	if (end != rest) {
		rest = *end == '/' ? end + 1 : end;
		f->task = find_task(v->src, (int32_t)pid);
		if (!f->task || v->file->deleted)
			return refuse(
				v, name, "that process has ended, or is not part of the job", err);
	}
	f->path = strdup(rest);
	return f->path ? 0 : pk_fail_errno(err, "fd %u", v->file->fd);
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_FREE char *name = NULL;
	struct procfile *f = obj;

	f->flags =
		v->file->info.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_ASYNC);
	f->pos = v->file->info.pos;
	name = ask_name(v, err);
	return name ? take_name(v, f, name, err) : -err->class;
}

/* /proc/self where it can be: that is there also where no /proc of the new namespace is. */
static void path_of(const struct pk_plan *p, const struct pk_obj *o, char *out, size_t n)
{
	const struct procfile *f = o->data;
	const struct pk_obj *task = pk_model_find(p->model, f->task, &pk_task_type);

	if (!task)
		snprintf(out, n, "/proc/%s", f->path);
	else if (f->task == o->owner)
		snprintf(out, n, "/proc/self/%s", f->path);
	else
		snprintf(out, n, "/proc/%d/%s", pk_plan_pid(p, task), f->path);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct procfile *f = o->data;
	struct pk_script *s = pk_plan_script(p, p->open, 0);
	char path[NAME_MAX_LEN + 64];

	(void)err;
	path_of(p, o, path, sizeof(path));
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD), pk_addr(pk_script_str(s, path)),
					  pk_num(f->flags)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)p->next_fd,
			  });
	return 0;
}

/* Late: it makes the kernel write the text up to there, which shows what was set before. */
static int place(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, struct pk_error *err)
{
	const struct procfile *f = o->data;

	(void)err;
	if (f->pos)
		pk_plan_try(p, PK_PH_LATE, 0,
			&(struct pk_call){.nr = SYS_lseek,
				.a = {pk_num(fd), pk_num(f->pos), pk_num(SEEK_SET)}},
			"fd %u: /proc/.../%s is read from the beginning again", fd, f->path);
	return 0;
}

#define F struct procfile
static const struct pk_type type = {
	.name = "procfile",
	.id = 85,
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(F, 1, PK_F_U32, task, "whose it is; 0: no process's"),
			PK_FIELD(F, 2, PK_F_STR, path, "below /proc/PID, or below /proc"),
			PK_FIELD(F, 3, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(F, 4, PK_F_U64, pos, "file offset"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_procfile = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "files of /proc, of the job's processes or of none: they show what is then",
	.match = match,
	.collect = collect,
	.late = true,
	.plan = plan,
	.place = place,
};
