/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File locks: flock(2), and those of fcntl(2), of a process (POSIX) or of an open file description
 * (OFD); leases (F_SETLEASE). /proc/PID/fdinfo shows them with the descriptor that they were taken
 * through.
 *
 * They are taken again as the last thing that is done with descriptors: a POSIX lock is gone as
 * soon as its process closes any descriptor of the file. Locks of an open file description are seen
 * in each process that has it, and taking them twice changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "kind/kind.h"

enum sort { LOCK_FLOCK, LOCK_POSIX, LOCK_OFD, LOCK_LEASE };

struct lock {
	uint32_t fd;
	uint32_t sort;
	uint32_t exclusive;
	uint64_t start, len; /* len 0: to the end, however far that is */
	char *path;          /* NULL: no path leads to the file */
};
struct locks {
	struct pk_list lock;
};

#define L struct lock
static const struct pk_type lock_type = {
	.name = "lock",
	.size = sizeof(L),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(L, 1, PK_F_U32, fd, "a descriptor that it was taken through"),
			PK_FIELD(L, 2, PK_F_U32, sort,
				"0: flock(2), 1: F_SETLK, 2: F_OFD_SETLK, 3: F_SETLEASE"),
			PK_FIELD(L, 3, PK_F_U32, exclusive, "1: for writing, 0: shared"),
			PK_FIELD(L, 4, PK_F_U64, start, "offset in the file"),
			PK_FIELD(L, 5, PK_F_U64, len, "bytes; 0: without end"),
			PK_FIELD(L, 6, PK_F_STR, path, "path of the file; empty: none leads to it"),
			PK_FIELD_END,
		},
};

static int refuse(const struct pk_file_view *f, const char *line, struct pk_error *err)
{
	bool lease = strstr(line, "LEASE"); /* not ACTIVE */

	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: %s: %s", f->fd, f->link,
		lease ? "lease on the file (F_SETLEASE), about to be broken"
		      : "lock of an unknown sort");
	pk_why(err,
		lease ? "another process waits to open the file" : "this kernel shows it as: %.80s",
		line);
	return pk_try(err, "dump again when the program has given it up");
}

/* "1: POSIX  ADVISORY  WRITE 123 fe:01:4711 0 EOF" */
static int parse(const char *line, struct lock *ret)
{
	static const char *const sorts[] = {"FLOCK", "POSIX", "OFDLCK", "LEASE"};
	char sort[16], how[16], type[16], end[24];
	uint64_t last;

	if (sscanf(line, " %*d: %15s %15s %15s %*s %*s %" SCNu64 " %23s", sort, how, type,
		    &ret->start, end) != 5)
		return -1;
	for (ret->sort = 0; ret->sort < 4 && strcmp(sort, sorts[ret->sort]) != 0; ret->sort++)
		;
	if (ret->sort == 4 || (ret->sort == LOCK_LEASE && strcmp(how, "ACTIVE") != 0) ||
		(strcmp(type, "READ") != 0 && strcmp(type, "WRITE") != 0))
		return -1;
	ret->exclusive = type[0] == 'W';
	last = strtoull(end, NULL, 10);
	ret->len = !strcmp(end, "EOF") ? 0 : last - ret->start + 1;
	return 0;
}

static int add(
	struct locks *l, const struct pk_file_view *f, const char *line, struct pk_error *err)
{
	struct lock one = {.fd = f->fd}, *new;

	if (parse(line, &one) < 0)
		return refuse(f, line, err);
	if (f->link[0] == '/' && !f->deleted)
		one.path = strdup(f->link);
	new = pk_list_add(&l->lock, &lock_type);
	if (!new || (!one.path && f->link[0] == '/' && !f->deleted)) {
		free(one.path);
		return pk_fail_errno(err, "file locks");
	}
	*new = one;
	return 0;
}

static int add_all(struct locks *l, const struct pk_file_view *f, struct pk_error *err)
{
	PK_FREE char *text = strdup(f->info_text);
	int r = 0;

	if (!text)
		return pk_fail_errno(err, "file locks");
	for (char *save, *line = strtok_r(text, "\n", &save); line && r == 0;
		line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "lock:", 5))
			r = add(l, f, line + 5, err);
	return r;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;
	struct locks *l = obj;
	int r = 0;

	for (size_t i = 0; i < all->n && r == 0; i++)
		if (all->v[i].src == v->src && all->v[i].view.info.locks)
			r = add_all(l, &all->v[i].view, err);
	if (r < 0)
		return r;
	return l->lock.n ? 0 : PK_SKIP;
}

static struct flock as_flock(const struct lock *l)
{
	return (struct flock){
		.l_type = l->exclusive ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)l->start,
		.l_len = (off_t)l->len,
	};
}

/*
 * Who has a lease on the file, as /proc/locks shows it: opening the file would break it, one for
 * reading only if it is opened for writing. 0: nobody.
 */
static pid_t leaser(const char *path, bool exclusive)
{
	PK_FREE char *text = pk_read_file(AT_FDCWD, "/proc/locks", 1 << 24, NULL);
	struct stat st;

	if (!text || stat(path, &st) < 0)
		return 0;
	for (char *save, *line = strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		unsigned major, minor;
		char sort[16];
		uint64_t ino;
		pid_t pid;

		if (sscanf(line, " %*d: LEASE %*s %15s %d %x:%x:%" SCNu64, sort, &pid, &major,
			    &minor, &ino) == 5 &&
			(exclusive || !strcmp(sort, "WRITE")) && ino == st.st_ino &&
			makedev(major, minor) == st.st_dev)
			return pid ? pid : -1;
	}
	return 0;
}

/* Who holds a lock that is in the way: a process, or -1 for "not known", or 0 for nobody. */
static pid_t holder(const struct lock *l)
{
	PK_CLOSE int fd = -1;
	struct flock f = as_flock(l);
	pid_t pid = leaser(l->path, l->exclusive);

	if (pid || l->sort == LOCK_LEASE)
		return pid;
	fd = open(l->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (l->sort == LOCK_FLOCK)
		return flock(fd, (l->exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 &&
				       errno == EWOULDBLOCK
			       ? -1
			       : 0;
	if (fcntl(fd, F_OFD_GETLK, &f) < 0 || f.l_type == F_UNLCK)
		return 0;
	return f.l_pid > 0 ? f.l_pid : -1;
}

static void check_one(struct pk_target *t, const struct lock *l)
{
	pid_t pid = holder(l);
	struct pk_error err;

	if (!pid)
		return;
	pk_fail(&err, PK_E_TEMPFAIL, "fd %u: the program's lock or lease on %s", l->fd, l->path);
	if (pid > 0)
		pk_why(&err, "process %d holds one that excludes it", pid);
	else
		pk_why(&err, "another program holds one that excludes it");
	pk_try(&err, "end that program (it may be the one that was dumped), then restore again");
	pk_report_add(&t->report, &err);
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct locks *k = o->data;
	const struct lock *l = k->lock.p;

	for (size_t i = 0; i < k->lock.n; i++)
		if (l[i].path && l[i].path[0] &&
			pk_target_owns(t, pk_target_file(t, o->owner, l[i].fd)))
			check_one(t, &l[i]);
}

static int cut_back(struct pk_target *t, const struct pk_obj *file, struct pk_error *err)
{
	int r = pk_kind_regfile.secure(t, file, err);

	return r < 0 ? r : pk_kind_regfile.finish(t, file, err);
}

/*
 * A file that has grown is cut back now: opening it later would break the lease. Only the one who
 * writes to it can have a lease on it, so that nothing else of the job has to be kept first.
 */
static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct locks *k = o->data;
	const struct lock *l = k->lock.p;
	int r = 0;

	for (size_t i = 0; i < k->lock.n && r == 0; i++) {
		const struct pk_obj *file = pk_target_file(t, o->owner, l[i].fd);

		if (l[i].sort == LOCK_LEASE && file && file->type == pk_kind_regfile.type &&
			pk_target_owns(t, file))
			r = cut_back(t, file, err);
	}
	return r;
}

static void take_lease(struct pk_plan *p, const struct lock *l)
{
	pk_plan_try(p, PK_PH_LATE, 0,
		&(struct pk_call){
			.nr = SYS_fcntl,
			.a = {pk_num(l->fd), pk_num(F_SETLEASE),
				pk_num(l->exclusive ? F_WRLCK : F_RDLCK)},
		},
		"fd %u: the lease on %s could not be taken again", l->fd,
		l->path && *l->path ? l->path : "an unlinked file");
}

static void plan_one(struct pk_plan *p, const struct lock *l)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);
	struct flock f = as_flock(l);
	uint64_t how = (l->exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;

	if (l->sort == LOCK_FLOCK)
		pk_script_call(s, &(struct pk_call){
					  .nr = SYS_flock,
					  .a = {pk_num(l->fd), pk_num(how)},
					  .check = PK_CHECK_OK,
				  });
	else
		pk_script_call(
			s, &(struct pk_call){
				   .nr = SYS_fcntl,
				   .a = {pk_num(l->fd),
					   pk_num(l->sort == LOCK_OFD ? F_OFD_SETLK : F_SETLK),
					   pk_addr(pk_script_data(s, &f, sizeof(f)))},
				   .check = PK_CHECK_OK,
			   });
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct locks *k = o->data;
	const struct lock *l = k->lock.p;

	(void)err;
	for (size_t i = 0; i < k->lock.n; i++) {
		if (l[i].sort == LOCK_LEASE &&
			pk_target_owns(p->target, pk_target_file(p->target, o->owner, l[i].fd)))
			take_lease(p, &l[i]);
		else if (pk_target_owns(p->target, pk_target_file(p->target, o->owner, l[i].fd)))
			plan_one(p, &l[i]);
		else
			pk_log(PK_LOG_WARN,
				"fd %u: its lock is not taken again: the file comes from the "
				"restorer",
				l[i].fd);
	}
	return 0;
}

#define K struct locks
static const struct pk_type type = {
	.name = "locks",
	.id = 120,
	.size = sizeof(K),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(K, 1, lock, &lock_type, "file locks"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_locks = {
	.type = &type,
	.level = PK_LV_TABLE,
	.summary = "file locks: flock, fcntl of a process or of an open file; leases",
	.collect = collect,
	.check = check,
	.prepare = prepare,
	.plan = plan,
};
