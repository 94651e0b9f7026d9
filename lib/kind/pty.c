/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo terminals whose master is in the job: pty(7). They come back under the same numbers, in a
 * devpts of the job's own, mounted over /dev/pts. Terminals with their master elsewhere are streams
 * of the restorer: stdstream.c.
 *
 * Bytes on their way cannot be looked at: they are read and written again at once, with a terminal
 * that leaves them as they are. Input of a terminal that edits lines is read line by line; a line
 * that ends without a newline was ended by the end-of-file character, which is typed again.
 */
#include "kind/pty.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

#define PTY_MAJOR 136
#define PTY_MAX   4096 /* higher numbers would take as many descriptors to get to */

enum { HOLDS = 4000 }; /* bytes that a terminal takes in before they are read; a bit less */

enum slave { NEVER_OPEN, OPEN, CLOSED };

struct ptm {
	uint32_t index;
	uint32_t flags;
	uint32_t slave; /* enum slave */
	uint32_t locked, packet;
	struct pk_bytes termios; /* struct termios2 */
	struct pk_bytes winsize; /* struct winsize */
	struct pk_bytes input, output;
};

struct pts {
	uint32_t index;
	uint32_t flags;
	uint32_t exclusive;
	uint32_t mode; /* of the file */
};

struct ctty {
	uint32_t ptm; /* record of its master */
	int32_t fg;   /* the group in the foreground; 0: none that exists */
};

static const struct pk_type ptm_type, ctty_type;

/* ---- which is which */

static int64_t master_index(const struct pk_file_view *f)
{
	const char *line = strstr(f->info_text, "tty-index:");

	if (!S_ISCHR(f->st.st_mode) || f->st.st_rdev != makedev(TTYAUX_MAJOR, 2) || !line)
		return -1;
	return strtol(line + strlen("tty-index:"), NULL, 10);
}

static const struct pk_open_fd *find_master(const struct pk_source *s, int64_t index)
{
	for (size_t i = 0; i < s->open->n && index >= 0; i++)
		if (master_index(&s->open->v[i].view) == index)
			return &s->open->v[i];
	return NULL;
}

static const struct pk_source *find_leader(const struct pk_source *s)
{
	for (const struct pk_source *o = s->first; o; o = o->next)
		if (o->pid == s->stat.session)
			return o;
	return NULL;
}

/* The number of a process's controlling terminal, if the job has made it. */
static int64_t ctty_index(const struct pk_source *s)
{
	dev_t tty = s->stat.tty_nr;
	int64_t index = major(tty) == PTY_MAJOR ? (int64_t)minor(tty) : -1;

	return find_leader(s) && find_master(s, index) ? index : -1;
}

/* A terminal may belong to another devpts, and have the number of one of the job's. */
static int64_t slave_index(const struct pk_source *s, const struct pk_file_view *f)
{
	struct stat st;

	if (!S_ISCHR(f->st.st_mode))
		return -1;
	if (f->st.st_rdev == makedev(TTYAUX_MAJOR, 0))
		return ctty_index(s);
	if (major(f->st.st_rdev) != PTY_MAJOR || fstatat(s->procfd, "root/dev/pts", &st, 0) < 0 ||
		st.st_dev != f->st.st_dev)
		return -1;
	return minor(f->st.st_rdev);
}

static bool match_ptm(const struct pk_view *v)
{
	return master_index(v->file) >= 0;
}

static bool match_pts(const struct pk_view *v)
{
	return find_master(v->src, slave_index(v->src, v->file));
}

static bool has_slave(const struct pk_source *s, int64_t index)
{
	for (size_t i = 0; i < s->open->n; i++)
		if (slave_index(s->open->v[i].src, &s->open->v[i].view) == index)
			return true;
	return false;
}

/* ---- bytes on their way */

static int drain(int fd, struct pk_buf *to)
{
	char buf[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = 0;

	while (poll(&p, 1, 0) == 1 && p.revents & POLLIN && (n = read(fd, buf, sizeof(buf))) > 0)
		pk_buf_put(to, buf, (size_t)n);
	return n < 0 && errno != EAGAIN && errno != EIO ? -1 : 0;
}

/* Lines as the program would read them. */
static int drain_lines(int slave, const struct termios2 *t, struct pk_buf *to)
{
	char buf[4097];
	ssize_t n;

	while ((n = read(slave, buf, sizeof(buf))) >= 0) {
		char last = n ? buf[n - 1] : 0;

		pk_buf_put(to, buf, (size_t)n);
		if (last != '\n' &&
			(!last || (last != (char)t->c_cc[VEOL] && last != (char)t->c_cc[VEOL2])))
			pk_buf_put(to, &t->c_cc[VEOF], 1);
	}
	return errno == EAGAIN ? 0 : -1;
}

static int drain_input(int master, int slave, const struct termios2 *t, struct pk_buf *to)
{
	struct termios2 raw = *t;

	raw.c_lflag &= ~(tcflag_t)ICANON;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (t->c_lflag & ICANON && drain_lines(slave, t, to) < 0)
		return -1;
	return ioctl(master, TCSETS2, &raw) < 0 ? -1 : drain(slave, to);
}

/*
 * What was typed arrives at the terminal in the kernel's own time. It is there when all of it has
 * come back as an echo; more than a terminal holds waits before it, and comes in later.
 */
static int put_input(int master, const struct termios2 *t, const struct pk_bytes *input)
{
	struct pollfd p = {.fd = master, .events = POLLIN};
	const uint8_t *byte = input->p;
	size_t left = input->n;
	char echo[4096];

	if (pk_write_all(master, input->p, input->n) < 0)
		return -1;
	for (size_t i = 0; i < input->n && t->c_lflag & ICANON; i++)
		left -= byte[i] == t->c_cc[VEOF];
	if (left > HOLDS)
		left = HOLDS;
	while (left && poll(&p, 1, 5000) == 1) {
		ssize_t n = read(master, echo, sizeof(echo));

		if (n <= 0)
			return -1;
		left -= (size_t)n < left ? (size_t)n : left;
	}
	return 0;
}

/* The same bytes again. The terminal is left as `t` says. */
static int put_back(int master, int slave, const struct termios2 *t, const struct pk_bytes *input,
	const struct pk_bytes *output)
{
	struct termios2 plain = *t;

	plain.c_iflag = 0;
	plain.c_oflag = 0;
	plain.c_lflag = (t->c_lflag & ICANON) | ECHO;
	for (size_t i = 0; i < sizeof(plain.c_cc); i++)
		if (i != VEOF && i != VEOL && i != VEOL2)
			plain.c_cc[i] = 0;
	if (ioctl(master, TCSETS2, &plain) < 0 || (input->n && put_input(master, t, input) < 0) ||
		(output->n && pk_write_all(slave, output->p, output->n) < 0))
		return -1;
	return ioctl(master, TCSETS2, t);
}

static int take(struct pk_buf *b, struct pk_bytes *ret)
{
	int r = b->failed ? -1 : pk_bytes_set(ret, b->p, b->len);

	pk_buf_free(b);
	return r;
}

static int collect_queued(int master, int slave, struct ptm *m, const struct termios2 *t)
{
	struct pk_buf in = {0}, out = {0};
	const int off = 0, on = 1;
	int r;

	if (ioctl(master, TIOCPKT, &off) < 0)
		return -1;
	r = drain_input(master, slave, t, &in) < 0 || drain(master, &out) < 0 ? -1 : 0;
	if (take(&in, &m->input) < 0 || take(&out, &m->output) < 0)
		r = -1;
	if (put_back(master, slave, t, &m->input, &m->output) < 0)
		r = -1;
	if (m->packet && ioctl(master, TIOCPKT, &on) < 0)
		r = -1;
	return r;
}

/* ---- masters */

static int open_slave(int master)
{
	return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static int collect_state(int master, struct ptm *m, struct termios2 *t)
{
	struct winsize size;
	int locked, packet;

	if (ioctl(master, TCGETS2, t) < 0 || ioctl(master, TIOCGWINSZ, &size) < 0 ||
		ioctl(master, TIOCGPTLCK, &locked) < 0 || ioctl(master, TIOCGPKT, &packet) < 0 ||
		pk_bytes_set(&m->termios, t, sizeof(*t)) < 0 ||
		pk_bytes_set(&m->winsize, &size, sizeof(size)) < 0)
		return -1;
	m->locked = (uint32_t)locked;
	m->packet = (uint32_t)packet;
	return 0;
}

static int collect_ptm(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err), slave = -1;
	struct pollfd p = {.fd = fd};
	struct ptm *m = obj;
	struct termios2 t;
	unsigned n;

	if (fd < 0)
		return -err->class;
	m->index = (uint32_t)master_index(v->file);
	m->flags = v->file->info.flags & ~(uint32_t)O_CLOEXEC;
	/* Without pidfd_getfd(2) it is another one. */
	if (ioctl(fd, TIOCGPTN, &n) < 0 || n != m->index || m->index >= PTY_MAX) {
		pk_fail(err, PK_E_UNSUPPORTED, "fd %u: terminal %u", v->file->fd, m->index);
		return pk_why(err, m->index < PTY_MAX ? "this kernel has no pidfd_getfd"
						      : "its number is too high");
	}
	if (collect_state(fd, m, &t) < 0 || poll(&p, 1, 0) < 0)
		return pk_fail_errno(err, "fd %u: terminal %u", v->file->fd, m->index);
	m->slave = has_slave(v->src, m->index) ? OPEN : p.revents & POLLHUP ? CLOSED : NEVER_OPEN;
	if (m->slave == NEVER_OPEN)
		return 0; /* opening it would be noticed */
	slave = open_slave(fd);
	if (slave < 0 || collect_queued(fd, slave, m, &t) < 0)
		return pk_fail_errno(
			err, "fd %u: terminal %u: bytes on their way", v->file->fd, m->index);
	return 0;
}

static void check_ptm(struct pk_target *t, const struct pk_obj *o)
{
	const struct ptm *m = o->data;
	struct pk_error err;

	if (m->termios.n != sizeof(struct termios2) || m->winsize.n != sizeof(struct winsize) ||
		m->index >= PTY_MAX) {
		pk_fail(&err, PK_E_IMAGE, "record %u", o->id);
		pk_why(&err, "it describes no terminal");
		pk_report_add(&t->report, &err);
	}
	if (t->pids == PK_PID_NS)
		return;
	pk_fail(&err, PK_E_HOST, "terminal /dev/pts/%u", m->index);
	pk_why(&err, "the program needs a devpts of its own, to have it under that number");
	pk_try(&err, "--pid=ns, or ask for user.max_user_namespaces > 0");
	pk_report_add(&t->report, &err);
}

/* A devpts hands out its lowest number: what is below is taken in passing. */
static int open_master(uint32_t index, int flags)
{
	int *passing = calloc(index + 1, sizeof(*passing)), fd = -1;
	unsigned n = 0, got = 0;

	while (passing && (fd = open("/dev/ptmx", flags)) >= 0) {
		if (ioctl(fd, TIOCGPTN, &got) < 0 || got >= index || n == index)
			break;
		passing[n++] = fd;
	}
	while (n)
		close(passing[--n]);
	free(passing);
	if (fd < 0 || got == index)
		return fd;
	close(fd);
	errno = EEXIST;
	return -1;
}

static int set_up(int fd, const struct ptm *m)
{
	const int locked = (int)m->locked, packet = (int)m->packet, no = 0;
	PK_CLOSE int slave = -1;
	int r;

	if (ioctl(fd, TIOCSPTLCK, &no) < 0)
		return -1;
	slave = m->slave == NEVER_OPEN ? -1 : open_slave(fd);
	if (slave < 0 && m->slave != NEVER_OPEN)
		return -1;
	r = slave < 0 ? ioctl(fd, TCSETS2, m->termios.p)
		      : put_back(fd, slave, m->termios.p, &m->input, &m->output);
	if (r < 0 || ioctl(fd, TIOCSWINSZ, m->winsize.p) < 0 || ioctl(fd, TIOCPKT, &packet) < 0)
		return -1;
	return ioctl(fd, TIOCSPTLCK, &locked);
}

/* In the new process, with its own devpts. */
static int make_ptm(const void *data, struct pk_error *err)
{
	const struct ptm *m = data;
	int fd = open_master(m->index, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 && set_up(fd, m) == 0 && fcntl(fd, F_SETFL, m->flags) == 0)
		return fd;
	pk_fail_errno(err, "terminal /dev/pts/%u", m->index);
	pk_try(err, "raise kernel.pty.max, or the limit on open files");
	return -1;
}

static int prepare_ptm(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	t->own_devpts = true;
	return pk_target_give_open(t, o->id, make_ptm, o->data, err);
}

static int plan_ptm(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	(void)err;
	pk_plan_call(p, PK_PH_FILES, 0,
		&(struct pk_call){
			.nr = SYS_dup,
			.a = {pk_num((uint64_t)pk_target_given(p->target, o->id))},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
	return 0;
}

/* ---- slaves */

static int collect_pts(struct pk_view *v, void *obj, struct pk_error *err)
{
	PK_CLOSE int fd = pk_source_getfd(v->src, v->file->fd, err);
	struct pts *s = obj;
	int exclusive;

	if (fd < 0)
		return -err->class;
	if (ioctl(fd, TIOCGEXCL, &exclusive) < 0)
		return pk_fail_errno(err, "fd %u: terminal", v->file->fd);
	s->index = (uint32_t)slave_index(v->src, v->file);
	s->flags = v->file->info.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
	s->exclusive = (uint32_t)exclusive;
	s->mode = v->file->st.st_rdev == makedev(TTYAUX_MAJOR, 0) ? 0 : v->file->st.st_mode & 0777;
	return 0;
}

/* Through the master, which needs no path; ends up as number p->next_fd. */
static void call_open_slave(struct pk_plan *p, enum pk_phase phase, uint32_t master, uint32_t flags)
{
	pk_plan_call(p, phase, 0,
		&(struct pk_call){
			.nr = SYS_ioctl,
			.a = {pk_num((uint64_t)pk_target_given(p->target, master)),
				pk_num(TIOCGPTPEER), pk_num(flags | O_NOCTTY)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
}

static const struct pk_obj *master_of(const struct pk_model *m, uint32_t index)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(m, o, &ptm_type, PK_ANY_OWNER)))
		if (((const struct ptm *)o->data)->index == index)
			return o;
	return NULL;
}

static int plan_pts(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct pts *s = o->data;
	const struct pk_obj *master = master_of(p->model, s->index);

	if (!master) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "its terminal, %u, is not there", s->index);
	}
	call_open_slave(p, PK_PH_FILES, master->id, s->flags);
	if (s->mode)
		pk_plan_try(p, PK_PH_FILES, 0,
			&(struct pk_call){
				.nr = SYS_fchmod,
				.a = {pk_num(p->next_fd), pk_num(s->mode)},
			},
			"permissions of /dev/pts/%u could not be set", s->index);
	return 0;
}

/* Late: nobody can open it then. */
static int place_pts(struct pk_plan *p, const struct pk_obj *o, uint32_t fd, struct pk_error *err)
{
	(void)err;
	if (((const struct pts *)o->data)->exclusive)
		pk_plan_call(p, PK_PH_LATE, 0,
			&(struct pk_call){
				.nr = SYS_ioctl,
				.a = {pk_num(fd), pk_num(TIOCEXCL)},
				.check = PK_CHECK_OK,
			});
	return 0;
}

/* ---- controlling terminals */

/* A group's number as the program sees it. */
static int32_t inner_group(const struct pk_source *s, pid_t group)
{
	for (const struct pk_source *o = s->first; o; o = o->next) {
		const struct pk_obj *task = pk_model_find(s->model, o->task, &pk_task_type);

		if (o->stat.pgrp == group && task)
			return ((const struct pk_task *)task->data)->pgid;
	}
	return 0;
}

static int collect_ctty(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_open_fd *master = find_master(v->src, ctty_index(v->src));
	PK_CLOSE int fd = -1;
	struct ctty *c = obj;
	pid_t group;

	if (!master || v->src->pid != v->src->stat.session)
		return PK_SKIP;
	fd = pk_source_getfd(master->src, master->view.fd, err);
	if (fd < 0)
		return -err->class;
	c->ptm = master->file;
	c->fg = ioctl(fd, TIOCGPGRP, &group) == 0 ? inner_group(v->src, group) : 0;
	return 0;
}

int pk_ctty_master(const struct pk_target *t, uint32_t task)
{
	const struct pk_obj *o = pk_model_next(t->model, NULL, &ctty_type, task);
	const struct ctty *c = o ? o->data : NULL;

	return c && pk_model_find(t->model, c->ptm, &ptm_type) ? pk_target_given(t, c->ptm) : -1;
}

/* All signals are blocked, SIGTTOU too: the group may be changed from the background. */
static int plan_ctty(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
	const struct ctty *c = o->data;

	(void)err;
	if (!c->fg || pk_ctty_master(p->target, o->owner) < 0)
		return 0;
	call_open_slave(p, PK_PH_TASK, c->ptm, O_RDWR | O_NONBLOCK);
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_ioctl,
				  .a = {pk_num(p->next_fd), pk_num(TIOCSPGRP),
					  pk_addr(pk_script_data(s, &c->fg, sizeof(c->fg)))},
				  .check = PK_CHECK_OK,
			  });
	pk_script_call(s, &(struct pk_call){.nr = SYS_close, .a = {pk_num(p->next_fd)}});
	return 0;
}

#define M struct ptm
static const struct pk_type ptm_type = {
	.name = "ptm",
	.id = 122,
	.size = sizeof(M),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(M, 1, PK_F_U32, index, "number in /dev/pts"),
			PK_FIELD(M, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(M, 3, PK_F_U32, slave,
				"other end: 0 never opened, 1 open, 2 closed by all"),
			PK_FIELD(M, 4, PK_F_U32, locked, "unlockpt(3) was not called"),
			PK_FIELD(M, 5, PK_F_U32, packet, "TIOCPKT"),
			PK_FIELD(M, 6, PK_F_BYTES, termios, "struct termios2"),
			PK_FIELD(M, 7, PK_F_BYTES, winsize, "struct winsize"),
			PK_FIELD(M, 8, PK_F_BYTES, input, "typed, and not read yet"),
			PK_FIELD(M, 9, PK_F_BYTES, output, "printed, and not read yet"),
			PK_FIELD_END,
		},
};

#define S struct pts
static const struct pk_type pts_type = {
	.name = "pts",
	.id = 123,
	.size = sizeof(S),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(S, 1, PK_F_U32, index, "number in /dev/pts"),
			PK_FIELD(S, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD(S, 3, PK_F_U32, exclusive, "TIOCEXCL"),
			PK_FIELD(S, 4, PK_F_U32, mode, "permissions of /dev/pts/N; 0: as they are"),
			PK_FIELD_END,
		},
};

#define C struct ctty
static const struct pk_type ctty_type = {
	.name = "ctty",
	.id = 124,
	.size = sizeof(C),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(C, 1, PK_F_U32, ptm, "record of the terminal's master"),
			PK_FIELD(C, 2, PK_F_I32, fg, "process group in the foreground, or 0"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_ptm = {
	.type = &ptm_type,
	.level = PK_LV_FILE,
	.summary =
		"pseudo terminals of the job: number, settings, size, packet mode, bytes on their "
		"way",
	.match = match_ptm,
	.collect = collect_ptm,
	.check = check_ptm,
	.prepare = prepare_ptm,
	.plan = plan_ptm,
};

const struct pk_kind pk_kind_pts = {
	.type = &pts_type,
	.level = PK_LV_FILE,
	.summary = "terminals whose pseudo terminal's master is in the job, exclusive mode",
	.match = match_pts,
	.collect = collect_pts,
	.plan = plan_pts,
	.place = place_pts,
};

const struct pk_kind pk_kind_ctty = {
	.type = &ctty_type,
	.level = PK_LV_TABLE,
	.summary = "controlling terminals of sessions in the job, with the foreground group",
	.collect = collect_ctty,
	.plan = plan_ctty,
};
