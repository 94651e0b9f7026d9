/* SPDX-License-Identifier: Apache-2.0 */
/*
 * umask, working directory, root. A working directory that was removed is made, entered and removed
 * again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/fileid.h"

struct fsattr {
	uint32_t umask;
	char *cwd;
	uint32_t removed; /* the working directory was; its permission bits */
	uint32_t mode;
};

static int refuse_root(const struct pk_view *v, struct pk_error *err)
{
	struct stat ours, theirs;

	if (stat("/", &ours) == 0 && fstatat(v->src->procfd, "root", &theirs, 0) == 0 &&
		(ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)) {
		pk_fail(err, PK_E_UNSUPPORTED, "its root directory is not /");
		pk_why(err, "it runs in a chroot or a container");
		return pk_try(err, "run pckpt inside that container");
	}
	return 0;
}

/* Cut off what /proc adds to the name of one that was removed. */
static bool cut_removed(char *path, const struct stat *st)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(path), k = sizeof(mark) - 1;

	if (st->st_nlink || n <= k || strcmp(path + n - k, mark) != 0)
		return false;
	path[n - k] = '\0';
	return true;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct fsattr *f = obj;
	struct stat st;

	f->umask = v->src->status.umask;
	f->cwd = pk_read_link(v->src->procfd, "cwd");
	if (!f->cwd || fstatat(v->src->procfd, "cwd", &st, 0) < 0)
		return pk_fail_errno(err, "working directory");
	f->removed = cut_removed(f->cwd, &st);
	f->mode = st.st_mode & 07777;
	if (!f->removed && !pk_path_is(f->cwd, &st)) {
		pk_fail(err, PK_E_UNSUPPORTED, "working directory %s", f->cwd);
		pk_why(err, "it is hidden under a mount, or pckpt sees other mounts than the "
			    "program");
		return pk_try(err, "make the program change its directory, or start it in another");
	}
	return refuse_root(v, err);
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct fsattr *f = o->data;
	struct pk_error err;
	struct stat st;

	if (f->removed || (stat(f->cwd, &st) == 0 && S_ISDIR(st.st_mode)))
		return;
	pk_fail(&err, PK_E_MISSING, "working directory %s", f->cwd);
	pk_why(&err, "%s", strerror(errno ? errno : ENOTDIR));
	pk_try(&err, "make it again, then restore");
	pk_report_add(&t->report, &err);
}

/* Where it was, or beside that if something else is there now, or in /tmp. */
static void plan_removed(struct pk_script *s, const struct fsattr *f, uint32_t id)
{
	char name[64], path[4200];
	char *slash;
	struct stat st;
	size_t at;

	snprintf(path, sizeof(path) - sizeof(name), "%s", f->cwd);
	slash = strrchr(path, '/');
	if (lstat(path, &st) == 0)
		snprintf(path + strlen(path), sizeof(name), ".pckpt-%d-%u", getpid(), id);
	if (slash && slash != path) {
		*slash = '\0';
		at = access(path, W_OK) == 0;
		*slash = '/';
		if (!at)
			snprintf(path, sizeof(path), "/tmp/.pckpt-%d-%u", getpid(), id);
	}
	at = pk_script_str(s, path);
	pk_script_call(s,
		&(struct pk_call){
			.nr = SYS_mkdir, .a = {pk_addr(at), pk_num(0700)}, .check = PK_CHECK_OK});
	pk_script_call(
		s, &(struct pk_call){.nr = SYS_chdir, .a = {pk_addr(at)}, .check = PK_CHECK_OK});
	pk_script_call(s, &(struct pk_call){.nr = SYS_chmod,
				  .a = {pk_addr(at), pk_num(f->mode)},
				  .check = PK_CHECK_OK});
	pk_script_call(
		s, &(struct pk_call){.nr = SYS_rmdir, .a = {pk_addr(at)}, .check = PK_CHECK_OK});
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct fsattr *f = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);

	(void)err;
	pk_script_call(s, &(struct pk_call){.nr = SYS_umask, .a = {pk_num(f->umask)}});
	if (f->removed) {
		plan_removed(s, f, o->id);
		return 0;
	}
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_chdir,
				  .a = {pk_addr(pk_script_str(s, f->cwd))},
				  .check = PK_CHECK_OK,
			  });
	return 0;
}

#define F struct fsattr
static const struct pk_type type = {
	.name = "fsattr",
	.id = 48,
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(F, 1, PK_F_U32, umask, "umask(2)"),
			PK_FIELD(F, 2, PK_F_STR, cwd, "working directory, absolute"),
			PK_FIELD(F, 3, PK_F_U32, removed, "1: it had been removed"),
			PK_FIELD(F, 4, PK_F_U32, mode, "its permission bits"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_fsattr = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "umask, working directory, also one that was removed",
	.collect = collect,
	.check = check,
	.plan = plan,
};
