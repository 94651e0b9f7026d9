/* SPDX-License-Identifier: Apache-2.0 */
/* System V objects: made in an ipc namespace of the job's own, under their numbers. */
#ifndef PK_KIND_SYSV_H
#define PK_KIND_SYSV_H

#include <sys/ipc.h>

#include "kind/kind.h"

/* What all sorts have in common. */
struct pk_sysv {
	int32_t id;
	uint32_t key, mode, uid, gid;
};
#define PK_SYSV_FIELDS(s, in)                                                                      \
	PK_FIELD_IN(s, 1, PK_F_I32, in, id, "its number"),                                         \
		PK_FIELD_IN(s, 2, PK_F_U32, in, key, "key_t; 0: IPC_PRIVATE"),                     \
		PK_FIELD_IN(s, 3, PK_F_U32, in, mode, "permissions"),                              \
		PK_FIELD_IN(s, 4, PK_F_U32, in, uid, "owner"),                                     \
		PK_FIELD_IN(s, 5, PK_F_U32, in, gid, "group")

struct pk_sysv pk_sysv_of(int32_t id, const struct ipc_perm *p);

/* Whether the job has an ipc namespace that is not ours: then all that is in it is the job's. */
bool pk_sysv_private(const struct pk_source *s);

/* At restore: that numbers can be had. `what` begins the message. */
void pk_sysv_check(struct pk_target *t, const char *what, int32_t id);

/* The next object of this sort ("shm", "sem", "msg") gets this number. */
int pk_sysv_next(const char *sort, int32_t id, struct pk_error *err);

/* `got` is what made it; sets the owner. */
int pk_sysv_made(const char *sort, const struct pk_sysv *o, int got, struct pk_error *err);

#endif
