/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sockets have in common. unixsock.c, inetsock.c and netlinksock.c have records with this
 * struct; sock.c saves and restores options and what is queued.
 *
 * Sockets are made by the job's first process before it becomes the program (pk_kind.make), since
 * the kernel notes who made a connection. All sockets of one kind are made together.
 */
#ifndef PK_KIND_SOCK_H
#define PK_KIND_SOCK_H

#include <sys/socket.h>

#include "kind/kind.h"
#include "kind/sockdiag.h"

enum pk_sock_shape {
	PK_SOCK_PLAIN,     /* not connected, or by name only (`peer_name`) */
	PK_SOCK_LISTENS,   /* accepts connections */
	PK_SOCK_CONNECTED, /* with `peer` */
	PK_SOCK_LEFT,      /* connected once; the other end is gone, or outside the job */
	PK_SOCK_PENDING,   /* connected, but listener `peer` has not accepted it */
};

struct pk_sock_opt {
	uint32_t level, name;
	struct pk_bytes value;
};

struct pk_sock_packet {
	struct pk_bytes data;
	struct pk_bytes from; /* address of the sender */
	int32_t pid;          /* sender, where the receiver asked for it; else 0 */
};

struct pk_sock_pending {
	uint64_t ino;
};

struct pk_sock {
	uint64_t ino;
	uint32_t family, type, protocol;
	uint32_t flags; /* open(2) */
	uint32_t shape; /* enum pk_sock_shape */
	uint64_t peer;
	uint32_t outside; /* the other end was outside the job */
	uint32_t reset;   /* an error was pending */
	uint32_t shut;    /* 1: for reading, 2: for writing */
	struct pk_bytes name, peer_name;
	uint32_t backlog;
	struct pk_list pending; /* struct pk_sock_pending: clients, first come first */
	struct pk_list opt;     /* struct pk_sock_opt: those that are not as in a new socket */
	struct pk_list queue;   /* struct pk_sock_packet; of a stream one for all that is there */
	int32_t cred_pid;       /* SO_PEERCRED */
	char *dir;              /* directory that a relative name started from */
	uint64_t file_ino;      /* of a name in a file system; 0: nothing is there any more */
	uint32_t file_mode;
};

/* The fields of all types with this struct. */
extern const struct pk_field pk_sock_fields[];

/* Dump. Where it is a socket of the family: a duplicate; else -1. */
int pk_sock_open(const struct pk_view *v, int family);
bool pk_sock_is(const struct pk_view *v, int family);
/* What does not depend on the family, before and without the queue. */
int pk_sock_collect(struct pk_view *v, int fd, struct pk_sock *s, struct pk_error *err);

/* Descriptors that were sent: duplicates here, and with which message of the queue they come. */
struct pk_sock_rights {
	struct pk_sock_right {
		uint32_t packet;
		int fd;
	} * v;
	size_t n;
};
/* What is queued; `rights`, which may be NULL, gets what comes with it. */
int pk_sock_collect_queue(struct pk_view *v, int fd, struct pk_sock *s,
	struct pk_sock_rights *rights, struct pk_error *err);
/* All that is in flight in a Unix socket; its messages are kept in *s, which its record gets. */
int pk_unix_in_flight(
	struct pk_view *v, struct pk_sock *s, struct pk_sock_rights *rights, struct pk_error *err);
void pk_unix_free(struct pk_sock *s);
/* Whether the job has this socket open. */
bool pk_sock_in_job(const struct pk_view *v, uint64_t ino);
/* The other end is outside: remembered and said, or refused if that was asked for. */
int pk_sock_outside(struct pk_view *v, struct pk_sock *s, const char *what, struct pk_error *err);
struct pk_sock_pending *pk_sock_add_pending(struct pk_sock *s);
bool pk_sock_streams(const struct pk_sock *s);

/* Restore: all sockets of a kind, while they are made. */
struct pk_sock_item {
	const struct pk_obj *o;
	const struct pk_sock *s;
	int fd;
	int far;         /* an other end that nobody else has; closed when all is in place */
	uint32_t rights; /* record of what is in flight in it: its queue is filled later; or 0 */
	bool open;       /* shut down later */
};
struct pk_sock_bench {
	struct pk_target *t;
	struct pk_sock_item *v;
	size_t n;
	struct pk_error *err;
};

int pk_sock_prepare(struct pk_target *t, const struct pk_obj *o, struct pk_error *err);
struct pk_given *pk_sock_given(struct pk_target *t, uint32_t obj);
int pk_sock_plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err);
/* pk_kind.make: lay them out, call `build`, hand them over. */
int pk_sock_make(struct pk_target *t, const struct pk_type *type,
	int (*build)(struct pk_sock_bench *b), struct pk_error *err);

struct pk_sock_item *pk_sock_find(const struct pk_sock_bench *b, uint64_t ino);
int pk_sock_new(struct pk_sock_bench *b, struct pk_sock_item *i);
/* Set every option that is not as recorded. */
int pk_sock_set_options(struct pk_sock_bench *b, struct pk_sock_item *i);
/* One option ahead of the others, if it is recorded. */
void pk_sock_set_early(const struct pk_sock_item *i, uint32_t level, uint32_t name);
/* Send bytes that are to be in the queue of `i`, with flags and perhaps an address. */
int pk_sock_send(struct pk_sock_bench *b, struct pk_sock_item *i, int from,
	const struct pk_sock_packet *p, const struct pk_bytes *to);
/* Shut down what was, set flags. */
int pk_sock_finish(struct pk_sock_bench *b, struct pk_sock_item *i);
/* Let it send as much as is allowed. -1: it has been, or that cannot be. */
int pk_sock_widen(int fd, int *ret_old);
int pk_sock_fail(struct pk_sock_bench *b, const struct pk_sock_item *i, const char *what);

/*
 * Call fn in a process that has this number and these descriptors, for a moment; here, if there is
 * no such number to be had. What fn returns; errno is set if that is negative. It finds a copy of
 * the `size` bytes at arg there, and what it changes in them is seen here.
 */
int pk_sock_as(const struct pk_target *t, int32_t pid, int (*fn)(void *), void *arg, size_t size);

#endif
