/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V objects that no mapping leads to: semaphores, message queues, and shared memory that
 * nobody has attached. Which of them are the job's is not written anywhere. In an ipc namespace
 * that a restore made, all are. In the host's, those of the job's user are
 *
 *	- that one of its processes has used last (or, shared memory, made), or
 *	- that were changed after the job's first process began and that no process that lives now
 *	  has used last: somebody made them whose process has ended.
 *
 * They are copied: the host's own stay where they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kind/sysv.h"

#define MAX_SEMS    16384       /* that fit into a script's data */
#define MAX_MESSAGE (128 << 10) /* also */

struct semset {
	struct pk_sysv ipc;
	struct pk_bytes values; /* uint16_t */
};
struct message {
	int64_t type;
	struct pk_bytes text;
};
struct queue {
	struct pk_sysv ipc;
	uint64_t max; /* msg_qbytes */
	struct pk_list message;
};
struct detached {
	struct pk_sysv ipc;
	uint64_t size;
	struct pk_bytes content;
};
struct sysvipc {
	struct pk_list sem, msg, shm;
};

#define S struct semset
static const struct pk_type sem_type = {
	.name = "semset",
	.size = sizeof(S),
	.fields =
		(const struct pk_field[]){
			PK_SYSV_FIELDS(S, ipc),
			PK_FIELD(S, 6, PK_F_BYTES, values, "u16 each"),
			PK_FIELD_END,
		},
};
#define M struct message
static const struct pk_type message_type = {
	.name = "message",
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_I64, type, "mtype"),
			PK_FIELD(M, 2, PK_F_BYTES, text, "mtext"),
			PK_FIELD_END,
		},
};
#define Q struct queue
static const struct pk_type queue_type = {
	.name = "queue",
	.size = sizeof(Q),
	.fields =
		(const struct pk_field[]){
			PK_SYSV_FIELDS(Q, ipc),
			PK_FIELD(Q, 6, PK_F_U64, max, "bytes that it may hold"),
			PK_FIELD_LIST(Q, 7, message, &message_type, "what is in it, oldest first"),
			PK_FIELD_END,
		},
};
#define D struct detached
static const struct pk_type detached_type = {
	.name = "detached",
	.size = sizeof(D),
	.fields =
		(const struct pk_field[]){
			PK_SYSV_FIELDS(D, ipc),
			PK_FIELD(D, 6, PK_F_U64, size, "bytes"),
			PK_FIELD(D, 7, PK_F_BYTES, content, "without the zeros at its end"),
			PK_FIELD_END,
		},
};

/* ---- asking */

struct ask {
	struct pk_view *v;
	bool private;
	int64_t began; /* CLOCK_REALTIME, s */
};

/* One call in the process, with data that it reads or writes; its result. */
static int64_t call_there(struct ask *a, uint32_t nr, const uint64_t arg[3], void *data, size_t n,
	int at, struct pk_error *err)
{
	struct pk_script s = {0};
	struct pk_call c = {.nr = nr};
	size_t offset = pk_script_data(&s, data, n);
	int64_t ret;

	for (int i = 0; i < 3; i++)
		c.a[i] = pk_num(arg[i]);
	c.a[at] = pk_addr(offset);
	pk_script_call(&s, &c);
	ret = pk_source_run(a->v->src, &s, err);
	if (ret == 0) {
		ret = pk_script_ret(&s, 0);
		memcpy(data, pk_script_at(&s, offset), n);
	}
	pk_script_free(&s);
	return ret;
}

/* The same, by ourselves where we see the same objects: there may be many that are not the job's.
 */
static int64_t call(struct ask *a, uint32_t nr, uint64_t x, uint64_t y, uint64_t cmd, void *data,
	size_t n, int at, struct pk_error *err)
{
	uint64_t arg[4] = {x, y, cmd};
	long ret;

	if (a->private)
		return call_there(a, nr, arg, data, n, at, err);
	arg[at] = (uint64_t)(uintptr_t)data;
	ret = syscall(nr, arg[0], arg[1], arg[2], arg[3]);
	return ret < 0 ? -errno : ret;
}

static bool in_job(const struct ask *a, int64_t pid)
{
	for (const struct pk_source *s = a->v->src->first; s; s = s->next)
		if (s->pid == pid)
			return true;
	return false;
}

/* Numbers of processes are ours: the namespace is the host's. */
static bool belongs(const struct ask *a, const struct ipc_perm *p, int64_t changed,
	const int64_t *pid, size_t n)
{
	bool alive = false;

	if (a->private)
		return true;
	if (p->uid != a->v->src->status.uid[1])
		return false;
	for (size_t i = 0; i < n; i++) {
		if (in_job(a, pid[i]))
			return true;
		if (pid[i] > 0 && (kill((pid_t)pid[i], 0) == 0 || errno == EPERM))
			alive = true;
	}
	return !alive && changed >= a->began;
}

static int64_t began(const struct pk_source *s)
{
	int64_t ticks = (int64_t)s->first->stat.start_time;
	struct timespec boot, real;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	return real.tv_sec - boot.tv_sec + ticks / sysconf(_SC_CLK_TCK);
}

/* ---- semaphores */

static int add_sem(struct ask *a, struct sysvipc *k, int index, struct pk_error *err)
{
	struct semid_ds ds = {0};
	int64_t id = call(a, SYS_semctl, (uint64_t)index, 0, SEM_STAT, &ds, sizeof(ds), 3, err);
	int64_t pid[64];
	size_t n = ds.sem_nsems < 64 ? ds.sem_nsems : 64;
	struct semset *s;

	if (id < 0 || ds.sem_nsems > MAX_SEMS)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char none[8] = {0};

		pid[i] = call(a, SYS_semctl, (uint64_t)id, i, GETPID, none, sizeof(none), 3, err);
	}
	if (!belongs(a, &ds.sem_perm, ds.sem_ctime, pid, n))
		return 0;
	s = pk_list_add(&k->sem, &sem_type);
	if (s)
		s->values.p = calloc(ds.sem_nsems, sizeof(uint16_t));
	if (!s || !s->values.p)
		return pk_fail_errno(err, "System V semaphores %ld", (long)id);
	s->ipc = pk_sysv_of((int32_t)id, &ds.sem_perm);
	s->values.n = ds.sem_nsems * sizeof(uint16_t);
	if (call(a, SYS_semctl, (uint64_t)id, 0, GETALL, s->values.p, s->values.n, 3, err) < 0)
		return pk_fail(err, PK_E_NOPERM, "System V semaphores %ld: values", (long)id);
	return 0;
}

/* ---- messages */

static int add_message(
	struct ask *a, struct queue *q, uint64_t index, size_t room, struct pk_error *err)
{
	struct pk_script s = {0};
	size_t at = pk_script_data(&s, NULL, room + 8);
	struct message *m = pk_list_add(&q->message, &message_type);
	int64_t n;
	int r = m ? 0 : pk_fail_errno(err, "System V message");

	pk_script_call(&s, &(struct pk_call){
				   .nr = SYS_msgrcv,
				   .a = {pk_num((uint64_t)q->ipc.id), pk_addr(at), pk_num(room),
					   pk_num(index), pk_num(MSG_COPY | IPC_NOWAIT)},
				   .check = PK_CHECK_OK,
			   });
	if (r == 0)
		r = pk_source_run(a->v->src, &s, err);
	if (r == 0) {
		n = pk_script_ret(&s, 0);
		memcpy(&m->type, pk_script_at(&s, at), 8);
		r = pk_bytes_set(&m->text, pk_script_at(&s, at + 8), (size_t)n);
	}
	pk_script_free(&s);
	return r < 0 ? pk_wrap(err, "System V message queue %d", q->ipc.id) : 0;
}

static int add_msg(struct ask *a, struct sysvipc *k, int index, struct pk_error *err)
{
	struct msqid_ds ds = {0};
	int64_t id = call(a, SYS_msgctl, (uint64_t)index, MSG_STAT, 0, &ds, sizeof(ds), 2, err);
	const int64_t pid[] = {ds.msg_lspid, ds.msg_lrpid};
	struct queue *q;
	int r = 0;

	if (id < 0 || !belongs(a, &ds.msg_perm, ds.msg_ctime, pid, 2))
		return 0;
	if (ds.__msg_cbytes > MAX_MESSAGE) {
		pk_fail(err, PK_E_UNSUPPORTED, "System V message queue %ld", (long)id);
		return pk_why(err, "it holds more than %d bytes", MAX_MESSAGE);
	}
	q = pk_list_add(&k->msg, &queue_type);
	if (!q)
		return pk_fail_errno(err, "System V message queue %ld", (long)id);
	q->ipc = pk_sysv_of((int32_t)id, &ds.msg_perm);
	q->max = ds.msg_qbytes;
	for (uint64_t i = 0; i < ds.msg_qnum && r == 0; i++)
		r = add_message(a, q, i, ds.__msg_cbytes, err);
	return r;
}

/* ---- shared memory that nobody has attached */

static int enter(int procfd, const char *name, int type)
{
	PK_CLOSE int fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, type);
}

/* In a child of ours, which may go where the job is. 0 or an errno. */
static int copy_detached(const struct ask *a, const struct detached *d, void *to)
{
	const void *p;

	/* That user namespace may be our own, which cannot be entered. */
	if (a->private) {
		(void)enter(a->v->src->procfd, "ns/user", CLONE_NEWUSER);
		if (enter(a->v->src->procfd, "ns/ipc", CLONE_NEWIPC) < 0)
			return errno;
	}
	p = shmat(d->ipc.id, NULL, SHM_RDONLY);
	if (p == (void *)-1)
		return errno;
	memcpy(to, p, d->size);
	return 0;
}

static int read_detached(struct ask *a, struct detached *d, struct pk_error *err)
{
	char *p = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t n = d->size;
	int status = 0, r;
	pid_t pid;

	if (p == MAP_FAILED)
		return pk_fail_errno(err, "System V shared memory %d", d->ipc.id);
	pid = fork();
	if (pid == 0)
		_exit(copy_detached(a, d, p));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	while (n && !p[n - 1])
		n--;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
	r = pid < 0 || status ? -1 : pk_bytes_set(&d->content, p, n);
	if (r < 0)
		r = pk_fail_errno(err, "System V shared memory %d", d->ipc.id);
	munmap(p, d->size);
	return r;
}

static int add_shm(struct ask *a, struct sysvipc *k, int index, struct pk_error *err)
{
	struct shmid_ds ds = {0};
	int64_t id = call(a, SYS_shmctl, (uint64_t)index, SHM_STAT, 0, &ds, sizeof(ds), 2, err);
	const int64_t pid[] = {ds.shm_cpid, ds.shm_lpid};
	struct detached *d;

	if (id < 0 || ds.shm_nattch || !belongs(a, &ds.shm_perm, ds.shm_ctime, pid, 2))
		return 0;
	d = pk_list_add(&k->shm, &detached_type);
	if (!d)
		return pk_fail_errno(err, "System V shared memory %ld", (long)id);
	d->ipc = pk_sysv_of((int32_t)id, &ds.shm_perm);
	d->size = ds.shm_segsz;
	return read_detached(a, d, err);
}

/* ---- all of them */

static int add_sort(struct ask *a, struct sysvipc *k, uint32_t nr, uint64_t info, int arg,
	int (*add)(struct ask *, struct sysvipc *, int, struct pk_error *), struct pk_error *err)
{
	char room[256] = {0}; /* struct seminfo, msginfo, shm_info */
	int64_t last = call(a, nr, 0, info, info, room, sizeof(room), arg, err);
	int r = 0;

	for (int i = 0; i <= last && r == 0; i++)
		r = add(a, k, i, err);
	return r;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct ask a = {.v = v, .private = pk_sysv_private(v->src), .began = began(v->src)};
	struct sysvipc *k = obj;
	int r;

	if (v->src != v->src->first)
		return PK_SKIP;
	r = add_sort(&a, k, SYS_semctl, SEM_INFO, 3, add_sem, err);
	if (r == 0)
		r = add_sort(&a, k, SYS_msgctl, MSG_INFO, 2, add_msg, err);
	if (r == 0)
		r = add_sort(&a, k, SYS_shmctl, SHM_INFO, 2, add_shm, err);
	if (r < 0)
		return r;
	return k->sem.n || k->msg.n || k->shm.n ? 0 : PK_SKIP;
}

static const struct pk_type type;

static const struct sysvipc *all_of(const struct pk_model *m)
{
	const struct pk_obj *o = pk_model_next(m, NULL, &type, PK_ANY_OWNER);

	return o ? o->data : NULL;
}

/* ---- restore */

static void check(struct pk_target *t, const struct pk_obj *o)
{
	const struct sysvipc *k = o->data;

	if (k->sem.n)
		pk_sysv_check(t, "semaphores", ((const struct semset *)k->sem.p)->ipc.id);
	if (k->msg.n)
		pk_sysv_check(t, "message queue", ((const struct queue *)k->msg.p)->ipc.id);
	if (k->shm.n)
		pk_sysv_check(t, "shared memory", ((const struct detached *)k->shm.p)->ipc.id);
}

static int make_sem(const struct semset *s, struct pk_error *err)
{
	const int flags = (int)(IPC_CREAT | IPC_EXCL | s->ipc.mode);
	int r = pk_sysv_next("sem", s->ipc.id, err);

	if (r == 0)
		r = pk_sysv_made("sem", &s->ipc,
			semget((key_t)s->ipc.key, (int)(s->values.n / sizeof(uint16_t)), flags),
			err);
	if (r == 0 && semctl(s->ipc.id, 0, SETALL, s->values.p) < 0)
		r = pk_fail_errno(err, "System V semaphores %d: values", s->ipc.id);
	return r;
}

static int put_message(const struct queue *q, const struct message *m, struct pk_error *err)
{
	char *buf = malloc(m->text.n + 8);
	int r = -1;

	if (buf) {
		memcpy(buf, &m->type, 8);
		memcpy(buf + 8, m->text.p, m->text.n);
		r = msgsnd(q->ipc.id, buf, m->text.n, IPC_NOWAIT);
		free(buf);
	}
	return r < 0 ? pk_fail_errno(err, "System V message queue %d: message", q->ipc.id) : 0;
}

static int make_msg(const struct queue *q, struct pk_error *err)
{
	const struct message *m = q->message.p;
	struct msqid_ds ds;
	int r = pk_sysv_next("msg", q->ipc.id, err);

	if (r == 0)
		r = pk_sysv_made("msg", &q->ipc,
			msgget((key_t)q->ipc.key, (int)(IPC_CREAT | IPC_EXCL | q->ipc.mode)), err);
	if (r < 0)
		return r;
	if (msgctl(q->ipc.id, IPC_STAT, &ds) == 0 && ds.msg_qbytes != q->max) {
		ds.msg_qbytes = q->max;
		if (msgctl(q->ipc.id, IPC_SET, &ds) < 0)
			return pk_fail_errno(err, "System V message queue %d: size", q->ipc.id);
	}
	for (size_t i = 0; i < q->message.n && r == 0; i++)
		r = put_message(q, &m[i], err);
	return r;
}

static int make_shm(const struct detached *d, struct pk_error *err)
{
	int r = pk_sysv_next("shm", d->ipc.id, err);
	char *p;

	if (r == 0)
		r = pk_sysv_made("shm", &d->ipc,
			shmget((key_t)d->ipc.key, d->size,
				(int)(IPC_CREAT | IPC_EXCL | d->ipc.mode)),
			err);
	if (r < 0)
		return r;
	p = shmat(d->ipc.id, NULL, 0);
	if (p == (void *)-1 || d->content.n > d->size)
		return pk_fail_errno(err, "System V shared memory %d", d->ipc.id);
	memcpy(p, d->content.p, d->content.n);
	shmdt(p);
	return 0;
}

static int make_all(const struct sysvipc *k, struct pk_error *err)
{
	const struct semset *sem = k->sem.p;
	const struct detached *shm = k->shm.p;
	const struct queue *msg = k->msg.p;
	int r = 0;

	for (size_t i = 0; i < k->sem.n && r == 0; i++)
		r = make_sem(&sem[i], err);
	for (size_t i = 0; i < k->msg.n && r == 0; i++)
		r = make_msg(&msg[i], err);
	for (size_t i = 0; i < k->shm.n && r == 0; i++)
		r = make_shm(&shm[i], err);
	return r;
}

static int make(struct pk_target *t, struct pk_error *err)
{
	const struct sysvipc *k = all_of(t->model);

	return k ? make_all(k, err) : 0;
}

#define K struct sysvipc
static const struct pk_type type = {
	.name = "sysvipc",
	.id = 126,
	.size = sizeof(K),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(K, 1, sem, &sem_type, "semaphores"),
			PK_FIELD_LIST(K, 2, msg, &queue_type, "message queues"),
			PK_FIELD_LIST(K, 3, shm, &detached_type,
				"shared memory that nobody has attached"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_sysvipc = {
	.type = &type,
	.level = PK_LV_TABLE,
	.summary =
		"System V semaphores, message queues with what is in them, detached shared memory; "
		"under their numbers, in an ipc namespace of the job's own",
	.collect = collect,
	.check = check,
	.make = make,
};

/* ---- what is undone at the end of a process: semop(2), SEM_UNDO */

struct undo {
	int32_t id;
	uint32_t num;
	int32_t adjust; /* added to the value when the process ends */
	uint32_t value;
};
struct semundo {
	struct pk_list undo;
};

#define U struct undo
static const struct pk_type undo_type = {
	.name = "undo",
	.size = sizeof(U),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(U, 1, PK_F_I32, id, "number of the set"),
			PK_FIELD(U, 2, PK_F_U32, num, "semaphore in it"),
			PK_FIELD(U, 3, PK_F_I32, adjust, "added when the process ends"),
			PK_FIELD(U, 4, PK_F_U32, value, "present value of the semaphore"),
			PK_FIELD_END,
		},
};

enum { TOP = 32767 }; /* of values and of adjustments */

static struct sembuf op(uint32_t num, int64_t by, short flags)
{
	return (struct sembuf){(unsigned short)num, (short)by, (short)(flags | IPC_NOWAIT)};
}

/*
 * The kernel does not tell an adjustment, but refuses operations that would make it too large: with
 * ERANGE, before it finds that the last of them cannot be done, for which nothing is done at all.
 * Whether it is `k` or more (k > 0), or `k` or less (k < 0).
 */
static int64_t probe(struct ask *a, const struct undo *u, int32_t k, struct pk_error *err)
{
	const int64_t rest = k > 0 ? k + 1 : -k;
	struct sembuf ops[] = {
		op(u->num, -(int64_t)u->value, 0),
		op(u->num, TOP, k > 0 ? SEM_UNDO : 0),
		op(u->num, -TOP, k > 0 ? 0 : SEM_UNDO),
		op(u->num, rest, k > 0 ? SEM_UNDO : 0),
		op(u->num, -rest, k > 0 ? 0 : SEM_UNDO),
		op(u->num, -1, 0),
	};
	/* An operation by 0 would wait for 0. */
	const size_t from = u->value ? 0 : 1, n = sizeof(ops) / sizeof(*ops) - from;
	const uint64_t arg[3] = {(uint64_t)u->id, 0, n};

	return call_there(a, SYS_semop, arg, ops + from, n * sizeof(*ops), 1, err);
}

static int measure(struct ask *a, struct undo *u, struct pk_error *err)
{
	for (int sign = 1; sign >= -1; sign -= 2) {
		int32_t low = 0, high = TOP - 1;

		/* The largest that still holds; mostly 0 or 1. */
		for (int32_t k = 1; low < high; k = low + (high - low + 1) / 2) {
			int64_t ret = probe(a, u, sign * k, err);
			/* Of negative ones more is in the way: there ERANGE says that it is less.
			 */
			bool holds = ret == -EAGAIN;

			if (ret != -EAGAIN && ret != -ERANGE)
				return pk_fail(err, PK_E_UNSUPPORTED,
					"System V semaphores %d: what is undone", u->id);
			if (holds)
				low = k;
			else
				high = k - 1;
			if (!low && k == 1 && !holds)
				break;
		}
		u->adjust = sign * low;
		if (low)
			return 0;
	}
	return 0;
}

static int measure_set(
	struct ask *a, struct semundo *k, const struct semset *s, struct pk_error *err)
{
	const uint16_t *value = s->values.p;
	int r = 0;

	for (uint32_t i = 0; i < s->values.n / sizeof(*value) && r == 0; i++) {
		struct undo u = {.id = s->ipc.id, .num = i, .value = value[i]}, *new;

		r = measure(a, &u, err);
		if (r < 0 || !u.adjust)
			continue;
		new = pk_list_add(&k->undo, &undo_type);
		if (!new)
			return pk_fail_errno(err, "System V semaphores");
		*new = u;
	}
	return r;
}

static int collect_undo(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct sysvipc *all = all_of(v->src->model);
	struct ask a = {.v = v};
	struct semundo *k = obj;
	const struct semset *s = all ? all->sem.p : NULL;
	int r = 0;

	/* The same as ours: none. */
	if (!all || !all->sem.n ||
		syscall(SYS_kcmp, getpid(), v->src->pid, KCMP_SYSVSEM, 0, 0) == 0)
		return PK_SKIP;
	for (size_t i = 0; i < all->sem.n && r == 0; i++)
		r = measure_set(&a, k, &s[i], err);
	if (r < 0)
		return r;
	return k->undo.n ? 0 : PK_SKIP;
}

/* There and back: only one way is remembered. */
static void plan_one(struct pk_plan *p, const struct undo *u)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_LATE, 0);
	struct sembuf undo = op(u->num, (int32_t) - (int64_t)u->adjust, SEM_UNDO),
		      back = op(u->num, u->adjust, 0);
	bool first = u->adjust > 0 ? (int64_t)u->value >= u->adjust
				   : (int64_t)u->value - u->adjust <= TOP;
	struct sembuf ops[2] = {first ? undo : back, first ? back : undo};

	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_semop,
				  .a = {pk_num((uint64_t)u->id),
					  pk_addr(pk_script_data(s, ops, sizeof(ops))), pk_num(2)},
				  .check = PK_CHECK_OK,
			  });
}

static int plan_undo(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct semundo *k = o->data;
	const struct undo *u = k->undo.p;

	(void)err;
	for (size_t i = 0; i < k->undo.n; i++)
		plan_one(p, &u[i]);
	return 0;
}

#define N struct semundo
static const struct pk_type semundo_type = {
	.name = "semundo",
	.id = 127,
	.size = sizeof(N),
	.fields =
		(const struct pk_field[]){
			PK_FIELD_LIST(N, 1, undo, &undo_type, "semaphores"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_semundo = {
	.type = &semundo_type,
	.level = PK_LV_TABLE,
	.summary = "what System V semaphores get back when a process ends (SEM_UNDO)",
	.collect = collect_undo,
	.plan = plan_undo,
};
