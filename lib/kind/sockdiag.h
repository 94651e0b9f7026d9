/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel about sockets: sock_diag(7). */
#ifndef PK_KIND_SOCKDIAG_H
#define PK_KIND_SOCKDIAG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include "base/error.h"

struct pk_unix_diag {
	uint32_t ino, type, state; /* TCP_* */
	bool has_peer;
	uint32_t peer;     /* inode, 0: the other end has none */
	uint32_t file_ino; /* of its name in a file system */
	uint32_t shut;
	uint32_t rqueue, wqueue;
	char name[sizeof(struct sockaddr_un)];
	uint32_t name_len;
	const uint32_t *icon; /* inodes of clients that wait to be accepted; for the moment */
	uint32_t n_icon;
};

/* Calls fn for every Unix socket that is there, or only that with an inode, until it gives false.
 */
int pk_diag_unix(uint32_t ino, bool (*fn)(const struct pk_unix_diag *d, void *arg), void *arg,
	struct pk_error *err);

struct pk_inet_diag {
	uint32_t ino, state, uid;
	struct sockaddr_in6 from, to; /* IPv4 addresses are mapped */
	uint32_t rqueue, wqueue;
	int32_t shut; /* -1: not told */
};

/* The same for TCP or UDP sockets, of both versions of IP. */
int pk_diag_inet(int protocol, bool (*fn)(const struct pk_inet_diag *d, void *arg), void *arg,
	struct pk_error *err);

/* "pid 12 (name)" of one that has this socket open, or what is known instead. */
const char *pk_diag_owner(uint64_t ino, char *buf, size_t n);

#endif
