/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues: mq_overview(7). Messages cannot be looked at without being taken: while
 * everything is frozen all are received, and sent again in the same order.
 *
 * A queue lives in an ipc namespace. A restore uses the one that is there under its name, or makes
 * it again; in it are then the messages of the dump. Where the job gets an ipc namespace of its own
 * (sysv.h) the queue is made there.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "kind/anonfd.h"
#include "kind/sysv.h"

#define MQUEUE_MAGIC 0x19800202
#define INODE_SIZE   80 /* of every queue's inode */

struct mqmsg {
	uint32_t priority;
	struct pk_bytes text;
};
struct mqueue {
	uint32_t queue; /* the same for all that have it open: the record that comes first */
	uint32_t flags;
	char *name;        /* with its slash */
	uint32_t unlinked; /* no name leads to it */
	uint32_t private;  /* the job had an ipc namespace of its own */
	uint32_t mode, uid, gid;
	int64_t max, size;   /* mq_maxmsg, mq_msgsize */
	struct pk_list msgs; /* struct mqmsg, with the record that comes first */
};

static const struct pk_type type;

#define M struct mqmsg
static const struct pk_type msg_type = {
	.name = "mqmsg",
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_U32, priority, "mq_send(3)"),
			PK_FIELD(M, 2, PK_F_BYTES, text, "the message"),
			PK_FIELD_END,
		},
};

/* ---- looking at queues */

static bool is_queue(pid_t pid, const struct pk_file_view *f)
{
	struct statfs fs;
	char path[64];

	if (!S_ISREG(f->st.st_mode) || f->st.st_size != INODE_SIZE)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%u", pid, f->fd);
	return statfs(path, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
}

static bool match(const struct pk_view *v)
{
	return is_queue(v->src->pid, v->file);
}

/*
 * A description of our own, or where the queue's mode forbids that, a descriptor of the job that
 * may be used for it; -1 if there is none.
 */
static int open_anew(const struct pk_view *v, const struct pk_file_view *f, int access)
{
	const struct pk_open_fds *all = v->src->open;
	struct pk_error err;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "fd/%u", f->fd);
	fd = openat(v->src->procfd, name, access | O_NONBLOCK | O_CLOEXEC);
	for (size_t i = 0; i < all->n && fd < 0; i++) {
		const struct pk_file_view *o = &all->v[i].view;
		int mode = (int)(o->info.flags & O_ACCMODE);

		if (o->st.st_ino == f->st.st_ino && o->st.st_dev == f->st.st_dev &&
			(mode == access || mode == O_RDWR))
			fd = pk_source_getfd(all->v[i].src, o->fd, &err);
	}
	return fd;
}

static int no_access(const struct pk_file_view *f, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: POSIX message queue %s", f->fd, f->link);
	pk_why(err, "its permissions keep its messages from being read and sent again");
	return pk_try(err, "dump as its owner, or when the program has closed it");
}

/* Who is told of the next message (mq_notify(3)): 0 is nobody. */
struct told {
	int how, signo, pid;
};

static int who_is_told(const struct pk_view *v, const struct pk_file_view *f, struct told *ret,
	struct pk_error *err)
{
	PK_CLOSE int fd = open_anew(v, f, O_RDONLY);
	char text[256];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (fd < 0)
		return no_access(f, err);
	text[n < 0 ? 0 : n] = '\0';
	if (sscanf(text, "QSIZE:%*u NOTIFY:%d SIGNO:%d NOTIFY_PID:%d", &ret->how, &ret->signo,
		    &ret->pid) == 3)
		return 0;
	pk_fail(err, PK_E_HOST, "fd %u: POSIX message queue %s", f->fd, f->link);
	return pk_why(err, "this kernel tells of it in an unknown form");
}

/* ---- messages */

static int attributes(int fd, struct mq_attr *a)
{
	return (int)syscall(SYS_mq_getsetattr, fd, NULL, a);
}

/* Neither waits: descriptors may be the program's, which may not be changed. */
static ssize_t receive(int fd, void *p, size_t n, uint32_t *priority)
{
	const struct timespec at_once = {0};

	return syscall(SYS_mq_timedreceive, fd, p, n, priority, &at_once);
}

static int put(int fd, const struct mqmsg *m)
{
	const struct timespec at_once = {0};

	return (int)syscall(SYS_mq_timedsend, fd, m->text.p, m->text.n, m->priority, &at_once);
}

/* Room for n messages, so that nothing but receiving and sending can fail later. */
static int make_room(struct pk_list *l, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		struct mqmsg *m = pk_list_add(l, &msg_type);

		if (!m || !(m->text.p = malloc(size ? size : 1)))
			return -1;
	}
	return 0;
}

/* Take all, and put them back: oldest first, which keeps the order of equal priorities. */
static int take_and_put(int from, int to, struct pk_list *l, size_t size)
{
	struct mqmsg *m = l->p;
	size_t got = 0;
	int failed = 0;

	while (got < l->n) {
		ssize_t n = receive(from, m[got].text.p, size, &m[got].priority);

		if (n < 0)
			break;
		m[got++].text.n = (size_t)n;
	}
	if (got < l->n)
		failed = errno;
	for (size_t i = 0; i < got; i++)
		if (put(to, &m[i]) < 0)
			failed = errno;
	errno = failed;
	return failed ? -1 : 0;
}

static int collect_messages(struct pk_view *v, struct mqueue *q, size_t n, struct pk_error *err)
{
	PK_CLOSE int from = open_anew(v, v->file, O_RDONLY);
	PK_CLOSE int to = open_anew(v, v->file, O_WRONLY);
	struct told told;
	int r;

	if (from < 0 || to < 0)
		return no_access(v->file, err);
	r = who_is_told(v, v->file, &told, err);
	if (r < 0)
		return r;
	if (told.pid) {
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: POSIX message queue %s", v->file->fd,
			q->name);
		pk_why(err,
			"it holds messages, and process %d waits to be notified (mq_notify) of "
			"the next: reading them would notify it",
			told.pid);
		return pk_try(err, "dump again when the program has emptied it");
	}
	if (make_room(&q->msgs, n, (size_t)q->size) == 0 &&
		take_and_put(from, to, &q->msgs, (size_t)q->size) == 0)
		return 0;
	pk_fail_errno(err, "fd %u: messages of the POSIX message queue %s", v->file->fd, q->name);
	return pk_why(err, "another process uses it at this moment");
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct stat *st = &v->file->st;
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	const char *base = strrchr(v->file->link, '/');
	struct mqueue *q = obj;
	struct mq_attr a;

	if (fd < 0)
		return -err->class;
	q->flags = v->file->info.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_CLOEXEC);
	q->name = strdup(base ? base : v->file->link);
	q->unlinked = st->st_nlink == 0;
	q->private = pk_sysv_private(v->src);
	q->mode = st->st_mode & 07777;
	q->uid = st->st_uid;
	q->gid = st->st_gid;
	/* Without pidfd_getfd(2) it is not the same, but a queue all the same. */
	if (!q->name || attributes(fd, &a) < 0)
		return pk_fail_errno(err, "fd %u: POSIX message queue", v->file->fd);
	q->max = a.mq_maxmsg;
	q->size = a.mq_msgsize;
	q->queue = pk_source_known(v->src, st->st_dev, st->st_ino, &type);
	if (q->queue)
		return 0;
	q->queue = v->id;
	if (pk_source_know(v->src, st->st_dev, st->st_ino, &type, v->id, err) < 0)
		return -err->class;
	return a.mq_curmsgs ? collect_messages(v, q, (size_t)a.mq_curmsgs, err) : 0;
}

/* ---- restore */

static bool own(const struct pk_target *t)
{
	return t->own_ipc && t->pids == PK_PID_NS;
}

static bool is_sane(const struct pk_target *t, const struct mqueue *q)
{
	const struct pk_obj *first = pk_model_find(t->model, q->queue, &type);
	const struct mqmsg *m = q->msgs.p;

	if (!first || ((const struct mqueue *)first->data)->queue != q->queue ||
		q->name[0] != '/' || !q->name[1] || strchr(q->name + 1, '/') || q->max <= 0 ||
		q->size <= 0 || q->msgs.n > (size_t)q->max)
		return false;
	for (size_t i = 0; i < q->msgs.n; i++)
		if (m[i].text.n > (size_t)q->size)
			return false;
	return true;
}

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct mqueue *q = o->data;
	struct pk_error err;

	if (q->private)
		t->own_ipc = true;
	if (!is_sane(t, q)) {
		pk_fail(&err, PK_E_IMAGE, "record %u", o->id);
		pk_why(&err, "it describes no message queue");
		pk_report_add(&t->report, &err);
	}
	if (!q->private || t->pids == PK_PID_NS)
		return;
	pk_fail(&err, PK_E_HOST, "POSIX message queue %s", q->name);
	pk_why(&err, "the program needs an ipc namespace of its own, as it had one");
	pk_try(&err, "--pid=ns, or ask for user.max_user_namespaces > 0");
	pk_report_add(&t->report, &err);
}

static int open_name(const char *name, uint32_t flags, uint32_t mode, struct mq_attr *a)
{
	return (int)syscall(SYS_mq_open, name + 1,
		(flags & (O_ACCMODE | O_CREAT | O_EXCL)) | O_CLOEXEC | O_NONBLOCK, mode, a);
}

static void set_limit(const char *name, int64_t least)
{
	char path[64], text[24];
	PK_CLOSE int fd = -1;
	uint64_t is;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	if (pk_read_u64(AT_FDCWD, path, &is) < 0 || (int64_t)is >= least)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, text, (size_t)snprintf(text, sizeof(text), "%ld", (long)least));
}

/* Empty, and with permissions of the owner until it is filled. */
static int make_queue(
	struct pk_target *t, const struct mqueue *q, const char *name, struct pk_error *err)
{
	struct mq_attr a = {.mq_maxmsg = (long)q->max, .mq_msgsize = (long)q->size};
	int fd = open_name(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);

	if (fd < 0 && errno == EINVAL && own(t)) {
		set_limit("msg_max", q->max);
		set_limit("msgsize_max", q->size);
		fd = open_name(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	}
	if (fd >= 0)
		return fd;
	pk_fail_errno(err, "POSIX message queue %s of %ld messages of %ld bytes", q->name,
		(long)q->max, (long)q->size);
	pk_try(err, "raise fs.mqueue.msg_max, fs.mqueue.msgsize_max, or ulimit -q");
	return -1;
}

/* The queue that is there under this name, or a new one. */
static int find_queue(
	struct pk_target *t, const struct mqueue *q, const char *name, struct pk_error *err)
{
	PK_CLOSE int fd = q->unlinked ? -1 : open_name(name, O_RDWR, 0, NULL);
	struct mq_attr a;

	if (fd < 0 && !q->unlinked && errno != ENOENT) {
		pk_fail_errno(err, "POSIX message queue %s", q->name);
		return -1;
	}
	if (fd < 0)
		return make_queue(t, q, name, err);
	if (attributes(fd, &a) < 0 || a.mq_maxmsg != q->max || a.mq_msgsize != q->size) {
		pk_fail(err, PK_E_MISSING, "POSIX message queue %s", q->name);
		pk_why(err, "it is another one now: its size was %ld messages of %ld bytes",
			(long)q->max, (long)q->size);
		pk_try(err, "remove it, then restore again");
		return -1;
	}
	return pk_steal_fd(&fd);
}

static int set_given(struct pk_target *t, uint32_t obj, int fd, struct pk_error *err)
{
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].obj == obj) {
			t->given[i].fd = fd;
			return 0;
		}
	return pk_target_give(t, obj, fd, err);
}

/* Each open file of one queue, while it has a name. */
static int open_ends(
	struct pk_target *t, const struct pk_obj *first, const char *name, struct pk_error *err)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(t->model, o, &type, PK_ANY_OWNER))) {
		const struct mqueue *q = o->data;
		int fd;

		if (q->queue != first->id)
			continue;
		fd = open_name(name, q->flags & O_ACCMODE, 0, NULL);
		if (fd < 0)
			return pk_fail_errno(err, "POSIX message queue %s", q->name);
		if (set_given(t, o->id, fd, err) < 0)
			return -err->class;
	}
	return 0;
}

/* Returns the queue, open for reading and writing; -1 and err. */
static int make_one(struct pk_target *t, const struct pk_obj *first, struct pk_error *err)
{
	const struct mqueue *q = first->data;
	PK_CLOSE int fd = -1;
	char name[300];
	int r;

	/* Without a name it gets one that nobody has, for this moment. */
	if (q->unlinked)
		snprintf(name, sizeof(name), "/pckpt-%d-%u", getpid(), first->id);
	else
		snprintf(name, sizeof(name), "%s", q->name);
	fd = find_queue(t, q, name, err);
	if (fd < 0)
		return -1;
	r = open_ends(t, first, name, err);
	if (q->unlinked)
		(void)syscall(SYS_mq_unlink, name + 1);
	return r < 0 ? -1 : pk_steal_fd(&fd);
}

/* What is in it is older than this checkpoint or younger: the program would see it twice. */
static int64_t empty(int fd, size_t size)
{
	PK_FREE char *buf = malloc(size);
	int64_t n = 0;
	uint32_t priority;

	while (buf && receive(fd, buf, size, &priority) >= 0)
		n++;
	return n;
}

static int fill(int fd, const struct mqueue *q, struct pk_error *err)
{
	const struct mqmsg *m = q->msgs.p;
	int64_t gone = empty(fd, (size_t)q->size);
	struct stat st;

	if (gone)
		pk_log(PK_LOG_INFO,
			"POSIX message queue %s: the %ld messages in it are replaced by the %zu of "
			"the dump",
			q->name, (long)gone, q->msgs.n);
	for (size_t i = 0; i < q->msgs.n; i++)
		if (put(fd, &m[i]) < 0)
			return pk_fail_errno(err, "POSIX message queue %s: message", q->name);
	if (fstat(fd, &st) < 0)
		return pk_fail_errno(err, "POSIX message queue %s", q->name);
	if (((st.st_uid != q->uid || st.st_gid != q->gid) && geteuid() == 0 &&
		    fchown(fd, q->uid, q->gid) < 0) ||
		((st.st_mode & 07777) != q->mode && fchmod(fd, q->mode) < 0))
		pk_log(PK_LOG_WARN, "POSIX message queue %s: owner or permissions: %s", q->name,
			strerror(errno));
	return 0;
}

/* In the ipc namespace that we share with the job. */
static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct mqueue *q = o->data;
	int fd;

	if (own(t))
		return pk_target_give(t, o->id, -1, err);
	if (q->queue != o->id)
		return 0;
	fd = make_one(t, o, err);
	if (fd < 0)
		return err->class ? -err->class : -PK_E_ERROR;
	close(fd);
	return 0;
}

/* In the job's own. */
static int make(struct pk_target *t, struct pk_error *err)
{
	const struct pk_obj *o = NULL;

	while (own(t) && (o = pk_model_next(t->model, o, &type, PK_ANY_OWNER))) {
		const struct mqueue *q = o->data;
		PK_CLOSE int fd = -1;

		if (q->queue != o->id)
			continue;
		fd = make_one(t, o, err);
		if (fd < 0 || fill(fd, q, err) < 0)
			return -err->class;
	}
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct mqueue *q = o->data;

	(void)err;
	pk_plan_dup(p, o);
	pk_plan_setfl(p, q->flags);
	return 0;
}

/* Last: what is taken out of a queue that is still there is gone. */
static int finish(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct mqueue *q = o->data;
	PK_CLOSE int fd = -1;
	char path[32];

	if (own(t) || q->queue != o->id)
		return 0;
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].obj == o->id) {
			snprintf(path, sizeof(path), "/proc/self/fd/%d", t->given[i].fd);
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
	return fd < 0 ? pk_fail_errno(err, "POSIX message queue %s", q->name) : fill(fd, q, err);
}

#define Q struct mqueue
static const struct pk_type type = {
	.name = "mqueue",
	.id = 128,
	.size = sizeof(Q),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(Q, 1, PK_F_U32, queue, "the record of it that comes first"),
			PK_FIELD(Q, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(Q, 3, PK_F_STR, name, "with its slash"),
			PK_FIELD(Q, 4, PK_F_U32, unlinked, "1: mq_unlink(3) was called"),
			PK_FIELD(
				Q, 5, PK_F_U32, private, "1: in an ipc namespace of the job's own"),
			PK_FIELD(Q, 6, PK_F_U32, mode, "permissions"),
			PK_FIELD(Q, 7, PK_F_U32, uid, "owner"),
			PK_FIELD(Q, 8, PK_F_U32, gid, "group"),
			PK_FIELD(Q, 9, PK_F_I64, max, "mq_maxmsg"),
			PK_FIELD(Q, 10, PK_F_I64, size, "mq_msgsize"),
			PK_FIELD_LIST(Q, 11, msgs, &msg_type,
				"in the order of mq_receive(3), with the first record"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_mqueue = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "POSIX message queues that are open, unlinked ones too, with their messages",
	.match = match,
	.collect = collect,
	.check = check,
	.prepare = prepare,
	.make = make,
	.plan = plan,
	.finish = finish,
};

/* ---- mq_notify(3): a queue tells one process of the next message */

struct notify {
	uint32_t fd;
	uint32_t how; /* SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD */
	int32_t signo;
};
struct mqnotify {
	struct pk_list notify;
};

#define N struct notify
static const struct pk_type notify_type = {
	.name = "notify",
	.size = sizeof(N),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(N, 1, PK_F_U32, fd, "a descriptor of the queue"),
			PK_FIELD(N, 2, PK_F_U32, how, "SIGEV_*; SIGEV_THREAD is not made again"),
			PK_FIELD(N, 3, PK_F_I32, signo, "signal"),
			PK_FIELD_END,
		},
};

static const char *loss(uint32_t how)
{
	return how == SIGEV_THREAD ? "its notification by a thread (SIGEV_THREAD) is lost"
	       : how == SIGEV_SIGNAL
		       ? "the value that comes with its notification's signal is 0 after a restore"
		       : NULL;
}

static int add_notify(
	struct pk_view *v, struct mqnotify *k, const struct notify *n, struct pk_error *err)
{
	struct notify *new;

	if (loss(n->how) && v->src->strict) {
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: POSIX message queue", n->fd);
		pk_why(err, "%s, and --strict allows no loss", loss(n->how));
		return pk_try(err, "dump without --strict");
	}
	if (loss(n->how))
		pk_log(PK_LOG_WARN, "pid %d fd %u: POSIX message queue: %s", v->src->pid, n->fd,
			loss(n->how));
	new = pk_list_add(&k->notify, &notify_type);
	if (!new)
		return pk_fail_errno(err, "POSIX message queue");
	*new = *n;
	return 0;
}

/* Whether an earlier descriptor of the process is of the same queue. */
static bool is_again(const struct pk_open_fds *all, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (all->v[k].src == all->v[i].src &&
			all->v[k].view.st.st_ino == all->v[i].view.st.st_ino &&
			all->v[k].view.st.st_dev == all->v[i].view.st.st_dev)
			return true;
	return false;
}

static int collect_notify(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;
	struct mqnotify *k = obj;

	for (size_t i = 0; i < all->n; i++) {
		const struct pk_file_view *f = &all->v[i].view;
		struct notify n = {.fd = f->fd};
		struct told told = {0};

		if (all->v[i].src != v->src || !is_queue(v->src->pid, f) || is_again(all, i))
			continue;
		if (who_is_told(v, f, &told, err) < 0)
			return -err->class;
		n.how = (uint32_t)told.how;
		n.signo = told.signo;
		if (told.pid == v->src->pid && add_notify(v, k, &n, err) < 0)
			return -err->class;
	}
	return k->notify.n ? 0 : PK_SKIP;
}

/* Late: it would be gone as soon as the process closes any descriptor of the queue. */
static int plan_notify(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);
	const struct mqnotify *k = o->data;
	const struct notify *n = k->notify.p;

	(void)err;
	for (size_t i = 0; i < k->notify.n; i++) {
		struct sigevent e = {.sigev_notify = (int)n[i].how, .sigev_signo = n[i].signo};

		if (loss(n[i].how))
			pk_log(PK_LOG_WARN, "fd %u: POSIX message queue: %s", n[i].fd,
				loss(n[i].how));
		if (n[i].how == SIGEV_THREAD ||
			!pk_target_owns(p->target, pk_target_file(p->target, o->owner, n[i].fd)))
			continue;
		pk_plan_try(p, PK_PH_LATE, 0,
			&(struct pk_call){
				.nr = SYS_mq_notify,
				.a = {pk_num(n[i].fd), pk_addr(pk_script_data(s, &e, sizeof(e)))},
			},
			"fd %u: no notification of the POSIX message queue", n[i].fd);
	}
	return 0;
}

#define K struct mqnotify
static const struct pk_type mqnotify_type = {
	.name = "mqnotify",
	.id = 129,
	.size = sizeof(K),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(K, 1, notify, &notify_type, "queues"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_mqnotify = {
	.type = &mqnotify_type,
	.level = PK_LV_TABLE,
	.summary =
		"notification of messages (mq_notify) by a signal, which comes with the value 0; "
		"by a thread it is lost",
	.collect = collect_notify,
	.plan = plan_notify,
};
