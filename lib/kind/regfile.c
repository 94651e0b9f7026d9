/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular files, opened again by path. A file that the job has open for writing and that has grown
 * since the dump is cut back to its recorded size, so that what the job writes again is not there
 * twice; what is cut off is kept in the store. This is the last thing done before the job runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "kind/fileid.h"
#include "kind/ghost.h"

struct regfile {
	struct pk_fileid id;
	uint32_t flags; /* open(2), without those of creation */
	uint64_t pos;
	uint32_t stream; /* of the supervisor, plus 1 */
};

static bool match(const struct pk_view *v)
{
	return S_ISREG(v->file->st.st_mode) && v->file->link[0] == '/' &&
	       strncmp(v->file->link, "/memfd:", 7) != 0 &&
	       strcmp(v->file->link, "/secretmem") != 0;
}

static bool writable(const struct regfile *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

int pk_regfile_stream(const struct pk_obj *o)
{
	const struct regfile *f = o && o->type == pk_kind_regfile.type ? o->data : NULL;

	return f && f->stream >= 1 && f->stream <= 3 ? (int)f->stream - 1 : -1;
}

static int refuse_leased(const struct pk_file_view *f, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s: lease on an unlinked file", f->fd, f->link);
	pk_why(err, "reading the file, as a dump does, would break it");
	return pk_try(err, "dump again when the program has given it up");
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_file_view *fv = v->file;
	struct regfile *f = obj;
	int r;

	f->flags = fv->info.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
	f->pos = fv->info.pos;
	if (writable(f) && fv->supervisor_std >= 0)
		f->stream = (uint32_t)fv->supervisor_std + 1;
	r = pk_fileid_set(&f->id, v->src, fv->link, &fv->st, err);
	if (r < 0)
		return r;
	if (pk_ghost_needed(v->src, fv->link, fv->deleted, &fv->st)) {
		if (fv->info.locks && strstr(fv->info_text, "LEASE"))
			return refuse_leased(fv, err);
		f->id.ghost = pk_ghost_of_fd(v->src, fv->fd, &fv->st, fv->link, err);
		/* It will be opened by a link in /proc. */
		f->flags &= ~(uint32_t)(__O_TMPFILE | O_NOFOLLOW);
		return f->id.ghost ? 0 : -PK_E_ERROR;
	}
	if (pk_path_is(fv->link, &fv->st))
		return 0;
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s: the name leads to another file", fv->fd,
		fv->link);
	pk_why(err, "something is mounted over it, or pckpt sees other mounts than the program");
	return pk_try(err, "run pckpt where the program runs");
}

static bool may_open(const struct regfile *f)
{
	int mode = writable(f) ? W_OK : 0;

	if ((f->flags & O_ACCMODE) != O_WRONLY)
		mode |= R_OK;
	return faccessat(AT_FDCWD, f->id.path, mode, AT_EACCESS) == 0 || errno != EACCES;
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct regfile *f = o->data;
	struct pk_error err;
	struct stat st;

	if (f->id.ghost)
		return;
	if (pk_fileid_stat(&f->id, "open file", &st, &err) < 0) {
		pk_report_add(&t->report, &err);
		return;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < f->id.size) {
		pk_fail(&err, PK_E_MISSING, "open file %s", f->id.path);
		pk_why(&err, "it has shrunk: %lu bytes at the dump, %lu now",
			(unsigned long)f->id.size, (unsigned long)st.st_size);
		pk_try(&err, "put the longer version back, then restore again");
		pk_report_add(&t->report, &err);
		return;
	}
	if (!may_open(f) && st.st_uid != geteuid()) {
		pk_fail_errno(&err, "open file %s", f->id.path);
		pk_report_add(&t->report, &err);
	}
	/* Only what was appended can be undone; say so where a program writes in the middle. */
	if (writable(f) && f->pos < f->id.size && pk_mtime(&st) != f->id.mtime)
		pk_log(PK_LOG_WARN,
			"%s has been written to since the dump; changes before its end stay",
			f->id.path);
	if (!writable(f) && pk_mtime(&st) != f->id.mtime)
		pk_log(PK_LOG_WARN, "%s has changed since the dump", f->id.path);
}

/* What the process itself may not open any more. */
static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct regfile *f = o->data;
	int fd;

	if (f->id.ghost || pk_file_overridden(t, o->id) || may_open(f))
		return 0;
	fd = pk_fileid_open(&f->id, (int)f->flags);
	if (fd < 0)
		return pk_fail_errno(err, "open file %s", f->id.path);
	return pk_target_give(t, o->id, fd, err);
}

/* By its path, or from what we opened. */
static void plan_open(struct pk_plan *p, struct pk_script *s, const struct pk_obj *o)
{
	const struct regfile *f = o->data;
	int given = pk_target_given(p->target, o->id);
	char path[4200];

	if (given >= 0) {
		pk_script_call(s, &(struct pk_call){
					  .nr = SYS_dup,
					  .a = {pk_num((uint64_t)given)},
					  .check = PK_CHECK_EQUAL,
					  .want = (int64_t)p->next_fd,
				  });
		return;
	}
	pk_fileid_open_path(&f->id, p->target, path, sizeof(path));
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD), pk_addr(pk_script_str(s, path)),
					  pk_num(f->flags)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)p->next_fd,
			  });
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct regfile *f = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_FILES, 0);

	(void)err;
	plan_open(p, s, o);
	if (f->pos)
		pk_script_call(
			s, &(struct pk_call){
				   .nr = SYS_lseek,
				   .a = {pk_num(p->next_fd), pk_num(f->pos), pk_num(SEEK_SET)},
				   .check = PK_CHECK_EQUAL,
				   .want = (int64_t)f->pos,
			   });
	return 0;
}

/* A new file in STORE/cut for the tail of one. */
static int keep_name(const struct pk_target *t, const char *path, char *out, size_t n)
{
	const char *base = strrchr(path, '/');
	struct timespec now;

	snprintf(out, n, "%s/cut", t->store);
	if (mkdir(out, 0700) < 0 && errno != EEXIST)
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(out, n, "%s/cut/%lld.%09ld-%d-%.100s", t->store, (long long)now.tv_sec,
		now.tv_nsec, getpid(), base ? base + 1 : path);
	return open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int copy_tail(int from, uint64_t at, int to)
{
	char buf[65536];

	for (;;) {
		ssize_t n = pread(from, buf, sizeof(buf), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : fsync(to);
		if (pk_write_all(to, buf, (size_t)n) < 0)
			return -1;
		at += (uint64_t)n;
	}
}

/* Copy what is to be cut off to the store. */
static int keep(const struct pk_target *t, const struct regfile *f, int fd, struct pk_error *err)
{
	char kept[4200];
	PK_CLOSE int to = keep_name(t, f->id.path, kept, sizeof(kept));

	if (to >= 0 && copy_tail(fd, f->id.size, to) == 0) {
		pk_log(PK_LOG_INFO, "%s is cut back to %lu bytes; the rest is in %s", f->id.path,
			(unsigned long)f->id.size, kept);
		return 0;
	}
	pk_fail_errno(err, "cannot keep the end of %s in %s/cut", f->id.path, t->store);
	if (to >= 0)
		unlink(kept);
	return -err->class;
}

static int cut(const struct regfile *f, int fd, struct pk_error *err)
{
	if (ftruncate(fd, (off_t)f->id.size) < 0)
		return pk_fail_errno(err, "cannot cut back %s", f->id.path);
	return 0;
}

/* A stream that does not append, and is the same file, goes on where the job was in it. */
static void place_stream(const struct regfile *f, int stream, const struct stat *file)
{
	int flags = fcntl(stream, F_GETFL);
	struct stat st;

	if (flags >= 0 && !(flags & O_APPEND) && fstat(stream, &st) == 0 &&
		st.st_ino == file->st_ino && st.st_dev == file->st_dev)
		lseek(stream, (off_t)f->pos, SEEK_SET);
}

static bool has_grown(const struct regfile *f, struct stat *st)
{
	return stat(f->id.path, st) == 0 && S_ISREG(st->st_mode) &&
	       (uint64_t)st->st_size > f->id.size;
}

/* A file that the job has open several times is kept once. */
static bool is_kept(const struct pk_target *t, const struct pk_obj *o)
{
	const struct regfile *f = o->data, *other;
	const struct pk_obj *i = NULL;

	while ((i = pk_model_next(t->model, i, o->type, PK_ANY_OWNER)) && i != o) {
		other = i->data;
		if (!other->id.ghost && writable(other) && !strcmp(other->id.path, f->id.path))
			return true;
	}
	return false;
}

static int secure(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct regfile *f = o->data;
	PK_CLOSE int fd = -1;
	struct stat st;

	if (f->id.ghost || !writable(f) || is_kept(t, o) || !has_grown(f, &st))
		return 0;
	fd = pk_fileid_open(&f->id, O_RDWR);
	if (fd >= 0)
		return keep(t, f, fd, err);
	if (pk_file_stream(t, o->id) < 0)
		return pk_fail_errno(err, "%s", f->id.path);
	pk_log(PK_LOG_WARN, "%s cannot be cut back: %s", f->id.path, strerror(errno));
	return 0;
}

/*
 * A standard stream of the job that is ours now: the file that it was may be the same one, or left
 * behind: what has been written to it since the dump will be written again. It may as well be gone,
 * or have been begun anew, or closed to us: that is nobody's fault.
 */
static int finish(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct regfile *f = o->data;
	int stream = pk_file_stream(t, o->id), r = 0;
	PK_CLOSE int fd = -1;
	struct stat st;

	if (f->id.ghost || !writable(f))
		return 0;
	if (has_grown(f, &st)) {
		fd = pk_fileid_open(&f->id, O_RDWR);
		if (fd < 0)
			return stream < 0 ? pk_fail_errno(err, "%s", f->id.path) : 0;
		r = cut(f, fd, err);
	}
	if (stream >= 0 && r == 0 && stat(f->id.path, &st) == 0 && S_ISREG(st.st_mode) &&
		(uint64_t)st.st_size >= f->id.size)
		place_stream(f, t->std[stream], &st);
	return r;
}

#define F struct regfile
static const struct pk_type type = {
	.name = "regfile",
	.id = 32,
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_IN(F, 1, PK_F_STR, id, path, "absolute path"),
			PK_FIELD_IN(F, 2, PK_F_U64, id, size, "bytes, at the dump"),
			PK_FIELD_IN(F, 3, PK_F_U64, id, mtime, "ns, at the dump"),
			PK_FIELD_IN(F, 4, PK_F_U32, id, ghost, "record of the carried file, or 0"),
			PK_FIELD(F, 5, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(F, 6, PK_F_U64, pos, "file offset"),
			PK_FIELD(F, 7, PK_F_U32, stream,
				"1, 2, 3: it was standard input, output, error of `pckpt run`"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_regfile = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "regular files: offset, flags, append; unlinked ones with their content",
	.match = match,
	.collect = collect,
	.check = check,
	.prepare = prepare,
	.plan = plan,
	.secure = secure,
	.finish = finish,
};
