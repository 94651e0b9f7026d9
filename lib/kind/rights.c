/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors in flight: unix(7), SCM_RIGHTS. The dump has looked into all sockets, and what no
 * process has open has a record like any other file. All messages of a queue that has some in it
 * are sent again by the job's first process, in order, when all files are made and all processes
 * are there, who may have sent them.
 */
#include "kind/rights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "kind/sock.h"

#define MAX_RIGHTS    253 /* SCM_MAX_FD */
#define CAP_SYS_ADMIN 21

struct right {
	uint32_t packet;
	uint32_t file;
};
struct rights {
	uint32_t sock;
	struct pk_list right;
};

#define R struct right
static const struct pk_type right_type = {
	.name = "descriptor",
	.size = sizeof(R),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(R, 1, PK_F_U32, packet, "which of the socket's queue, from 0"),
			PK_FIELD(R, 2, PK_F_U32, file, "record of the open file"),
			PK_FIELD_END,
		},
};
#undef R

#define R struct rights
static const struct pk_type type = {
	.name = "rights",
	.id = 104,
	.size = sizeof(R),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(R, 1, PK_F_U32, sock, "record of the socket"),
			PK_FIELD_LIST(
				R, 2, right, &right_type, "what is in flight, as it was sent"),
			PK_FIELD_END,
		},
};
#undef R

/* ---- dump */

static int refuse(const struct pk_open_fd *sock, const char *why, struct pk_error *err)
{
	pk_fail(err, PK_E_UNSUPPORTED, "fd %u: descriptors in flight in this socket (SCM_RIGHTS)",
		sock->view.fd);
	pk_why(err, "%s", why);
	return pk_try(err, "dump again when they have been received");
}

static int check_sock(const struct pk_model *m, const struct pk_open_fd *sock, struct pk_error *err)
{
	const struct pk_obj *o = pk_model_find(m, sock->file, pk_kind_unixsock.type);
	const struct pk_sock *s = o ? o->data : NULL;
	const struct pk_sock_packet *p = s ? s->queue.p : NULL;

	if (!s)
		return refuse(sock, "it is not restored as a socket of the job", err);
	for (size_t i = 0; s->type == SOCK_DGRAM && s->name.n && i < s->queue.n; i++)
		if (p[i].from.n)
			return refuse(sock,
				"datagrams from one socket with a name to another; this version of "
				"pckpt cannot rebuild that",
				err);
	return 0;
}

static int add(
	struct pk_view *v, struct rights *to, const struct pk_flight *f, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;
	const struct pk_obj *o = pk_model_find(v->src->model, all->v[f->file].file, NULL);
	struct right *new;

	if (!o || pk_kind_of(o->type)->late)
		return refuse(&all->v[f->sock],
			"one is of a file that shows processes; this version of pckpt cannot "
			"rebuild that",
			err);
	new = pk_list_add(&to->right, &right_type);
	if (!new)
		return pk_fail_errno(err, "descriptors in flight");
	*new = (struct right){f->packet, o->id};
	return 0;
}

/* The job's, with its first process: one record for each socket. */
static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	const struct pk_open_fds *all = v->src->open;
	struct rights *to = NULL;
	int r = 0;

	(void)obj;
	for (size_t i = 0; v->src == v->src->first && i < all->n_flight && r == 0; i++) {
		const struct pk_flight *f = &all->flight[i];

		if (!i || f->sock != f[-1].sock) {
			to = pk_model_add(v->src->model, &type, v->owner, NULL);
			if (!to)
				return pk_fail_errno(err, "descriptors in flight");
			to->sock = all->v[f->sock].file;
			r = check_sock(v->src->model, &all->v[f->sock], err);
		}
		if (r == 0)
			r = add(v, to, f, err);
	}
	return r < 0 ? r : PK_SKIP;
}

/* ---- restore */

uint32_t pk_rights_of(const struct pk_target *t, uint32_t sock)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(t->model, o, &type, PK_ANY_OWNER)))
		if (((const struct rights *)o->data)->sock == sock && pk_target_has(t, o->id))
			return o->id;
	return 0;
}

static int bad(const struct pk_obj *o, const char *why, struct pk_error *err)
{
	pk_fail(err, PK_E_IMAGE, "record %u", o->id);
	return pk_why(err, "%s", why);
}

static int prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err)
{
	const struct rights *k = o->data;

	if (!pk_model_find(t->model, k->sock, pk_kind_unixsock.type) || pk_rights_of(t, k->sock))
		return bad(o, "it belongs to no socket, or another does to the same", err);
	return pk_file_overridden(t, k->sock) ? 0 : pk_target_give(t, o->id, -1, err);
}

/* A message as the stub sends it. */
struct message {
	struct msghdr m;
	struct iovec iov;
	_Alignas(8) char control[CMSG_SPACE(MAX_RIGHTS * sizeof(int)) +
				 CMSG_SPACE(sizeof(struct ucred))];
};

/* Whether the kernel lets one process say that it is another. */
static bool may_pretend(const struct pk_target *t)
{
	return t->pids != PK_PID_ANY && t->may_set_exe &&
	       (t->user_ns || t->caps >> CAP_SYS_ADMIN & 1);
}

/* The sender, if that is another process than the one that sends it now. */
static bool add_sender(
	const struct pk_plan *p, const struct pk_sock_packet *packet, struct cmsghdr *c)
{
	const struct pk_obj *o = NULL;
	struct ucred cred = {packet->pid, p->target->uid, p->target->gid};

	if (packet->pid <= 0)
		return false;
	while ((o = pk_model_next(p->model, o, &pk_task_type, PK_ANY_OWNER)) &&
		((const struct pk_task *)o->data)->pid != packet->pid)
		;
	if (o && o == pk_model_next(p->model, NULL, &pk_task_type, PK_ANY_OWNER))
		return false;
	if (!o || ((const struct pk_task *)o->data)->zombie || !may_pretend(p->target)) {
		pk_log(PK_LOG_WARN,
			"a message in flight in a socket comes from another process than before: "
			"process %d cannot send it again",
			packet->pid);
		return false;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	return true;
}

static int add_files(struct pk_plan *p, const struct pk_obj *o, uint32_t packet, struct cmsghdr *c,
	size_t *ret_n, struct pk_error *err)
{
	const struct rights *k = o->data;
	const struct right *r = k->right.p;
	size_t n = 0;

	for (size_t i = 0; i < k->right.n; i++) {
		const struct pk_obj *file = pk_model_find(p->model, r[i].file, NULL);
		int at = file ? pk_target_staged(p->target, file->id) : -1;

		if (r[i].packet != packet)
			continue;
		if (at < 0 || pk_kind_of(file->type)->late || n == MAX_RIGHTS)
			return bad(o, "what is in flight is no open file, or too much", err);
		memcpy(CMSG_DATA(c) + n++ * sizeof(at), &at, sizeof(at));
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	*ret_n = n;
	return 0;
}

/* At address `at`, followed by its bytes. */
static int plan_one(struct pk_plan *p, const struct pk_obj *o, uint32_t i,
	const struct pk_sock_packet *packet, uint64_t at, struct pk_error *err)
{
	PK_FREE struct message *m = calloc(1, sizeof(*m));
	size_t n = 0, len = 0;
	int r;

	if (!m)
		return pk_fail_errno(err, "message in flight");
	if (add_sender(p, packet, (struct cmsghdr *)m->control))
		len = CMSG_SPACE(sizeof(struct ucred));
	r = add_files(p, o, i, (struct cmsghdr *)(m->control + len), &n, err);
	if (r < 0)
		return r;
	if (n)
		len += CMSG_SPACE(n * sizeof(int));
	m->iov = (struct iovec){(void *)(at + sizeof(*m)), packet->data.n};
	m->m.msg_iov = (void *)(at + offsetof(struct message, iov));
	m->m.msg_iovlen = 1;
	m->m.msg_control = len ? (void *)(at + offsetof(struct message, control)) : NULL;
	m->m.msg_controllen = len;
	pk_plan_patch(p, at, m, sizeof(*m));
	if (packet->data.n)
		pk_plan_patch(p, at + sizeof(*m), packet->data.p, packet->data.n);
	pk_plan_call(p, PK_PH_PROTECT, 0,
		&(struct pk_call){
			.nr = SYS_sendmsg,
			.a = {pk_num((uint64_t)pk_target_given(p->target, o->id)), pk_num(at),
				pk_num(MSG_DONTWAIT | MSG_NOSIGNAL)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)packet->data.n,
		});
	return 0;
}

static uint64_t room(const struct pk_sock_packet *p)
{
	return sizeof(struct message) + (p->data.n + 7) / 8 * 8;
}

static int plan_all(
	struct pk_plan *p, const struct pk_obj *o, const struct pk_sock *s, struct pk_error *err)
{
	const struct pk_sock_packet *packet = s->queue.p;
	uint64_t len = 0, at;
	int r = 0;

	for (size_t i = 0; i < s->queue.n; i++)
		len += room(&packet[i]);
	len = (len + 4095) & ~UINT64_C(4095);
	at = len ? pk_plan_scratch(p, len) : 0;
	if (!at) {
		pk_fail(err, len ? PK_E_HOST : PK_E_IMAGE, "messages in flight (record %u)", o->id);
		return pk_why(err, len ? "there is not enough free address space"
				       : "the socket's queue is empty");
	}
	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mmap,
			.a = {pk_num(at), pk_num(len), pk_num(PROT_READ | PROT_WRITE),
				pk_num(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE),
				pk_num((uint64_t)-1)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)at,
		});
	for (size_t i = 0; i < s->queue.n && r == 0; i++) {
		r = plan_one(p, o, (uint32_t)i, &packet[i], at, err);
		at += room(&packet[i]);
	}
	return r;
}

/* What unixsock.c has left open for us; when all of them are filled. */
static void plan_shutdown(struct pk_plan *p, const struct pk_obj *sock)
{
	const struct pk_sock *s = sock->data;
	int how = s->shut == 3 ? SHUT_RDWR : s->shut == 2 ? SHUT_WR : SHUT_RD;

	if (s->shut && !pk_file_overridden(p->target, sock->id))
		pk_plan_call(p, PK_PH_TASK, 0,
			&(struct pk_call){
				.nr = SYS_shutdown,
				.a = {pk_num((uint64_t)pk_target_staged(p->target, sock->id)),
					pk_num((uint64_t)how)},
				.check = PK_CHECK_IGNORE,
				.want = ENOTCONN,
			});
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct rights *k = o->data;
	const struct pk_obj *sock = pk_model_find(p->model, k->sock, pk_kind_unixsock.type);
	const struct pk_obj *other = NULL;
	const struct pk_sock *s;

	if (!sock || !pk_target_has(p->target, o->id))
		return 0;
	s = sock->data;
	plan_shutdown(p, sock);
	while ((other = pk_model_next(p->model, other, pk_kind_unixsock.type, PK_ANY_OWNER)))
		if (s->shape == PK_SOCK_CONNECTED &&
			((const struct pk_sock *)other->data)->ino == s->peer)
			plan_shutdown(p, other);
	return plan_all(p, o, s, err);
}

const struct pk_kind pk_kind_rights = {
	.type = &type,
	.level = PK_LV_TABLE,
	.summary =
		"descriptors that were sent and not yet received (SCM_RIGHTS), also of files that "
		"nobody else has open: files, pipes, sockets, memfds, eventfds",
	.collect = collect,
	.prepare = prepare,
	.plan = plan,
};
