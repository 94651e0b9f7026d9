/* SPDX-License-Identifier: Apache-2.0 */
/* Open directories, and O_PATH descriptors of anything: opened again by path. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "kind/fileid.h"

struct place {
	char *path;
	uint32_t flags;
	uint64_t pos;
};

static bool match_dir(const struct pk_view *v)
{
	return S_ISDIR(v->file->st.st_mode);
}

static bool match_opath(const struct pk_view *v)
{
	return v->file->info.flags & O_PATH;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_file_view *f = v->file;
	struct place *d = obj;

	if (f->deleted || f->link[0] != '/') {
		pk_fail(err, PK_E_UNSUPPORTED, "%s: it has been removed", f->link);
		return pk_try(err, "dump again when the program has closed it");
	}
	d->path = strdup(f->link);
	d->flags = f->info.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
	d->pos = f->info.pos;
	return d->path ? 0 : pk_fail_errno(err, "%s", f->link);
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct place *d = o->data;
	struct pk_error err;
	struct stat st;

	if (lstat(d->path, &st) == 0)
		return;
	pk_fail(&err, PK_E_MISSING, "open directory or path %s", d->path);
	pk_why(&err, "%s", strerror(errno));
	pk_try(&err, "make it again, then restore");
	pk_report_add(&t->report, &err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct place *d = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_FILES, 0);

	(void)err;
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD),
					  pk_addr(pk_script_str(s, d->path)), pk_num(d->flags)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)p->next_fd,
			  });
	if (d->pos)
		pk_script_call(
			s, &(struct pk_call){
				   .nr = SYS_lseek,
				   .a = {pk_num(p->next_fd), pk_num(d->pos), pk_num(SEEK_SET)},
				   .check = PK_CHECK_OK,
			   });
	return 0;
}

#define D struct place
static const struct pk_field fields[] = {
	PK_FIELD(D, 1, PK_F_STR, path, "absolute path"),
	PK_FIELD(D, 2, PK_F_U32, flags, "open(2) flags"),
	PK_FIELD(D, 3, PK_F_U64, pos, "directory offset, lseek(2)"),
	PK_FIELD_END,
};
static const struct pk_type dir_type = {
	.name = "dir", .id = 33, .size = sizeof(D), .fields = fields};
static const struct pk_type opath_type = {
	.name = "opath", .id = 34, .size = sizeof(D), .fields = fields};

const struct pk_kind pk_kind_dir = {
	.type = &dir_type,
	.level = PK_LV_FILE,
	.summary = "open directories, with their reading position",
	.match = match_dir,
	.collect = collect,
	.check = check,
	.plan = plan,
};

const struct pk_kind pk_kind_opath = {
	.type = &opath_type,
	.level = PK_LV_FILE,
	.summary = "O_PATH descriptors of files, directories, symbolic links",
	.match = match_opath,
	.collect = collect,
	.check = check,
	.plan = plan,
};
