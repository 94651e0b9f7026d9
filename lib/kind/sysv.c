/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"

struct pk_sysv pk_sysv_of(int32_t id, const struct ipc_perm *p)
{
	return (struct pk_sysv){
		.id = id,
		.key = (uint32_t)p->__key,
		.mode = p->mode & 0777,
		.uid = p->uid,
		.gid = p->gid,
	};
}

bool pk_sysv_private(const struct pk_source *s)
{
	struct stat ours, theirs;

	return stat("/proc/self/ns/ipc", &ours) == 0 &&
	       fstatat(s->procfd, "ns/ipc", &theirs, 0) == 0 && ours.st_ino != theirs.st_ino;
}

void pk_sysv_check(struct pk_target *t, const char *what, int32_t id)
{
	struct pk_error err;

	t->own_ipc = true;
	if (t->pids == PK_PID_NS)
		return;
	pk_fail(&err, PK_E_HOST, "System V %s %d", what, id);
	pk_why(&err, "the program needs an ipc namespace of its own, to have it under that number");
	pk_try(&err, "--pid=ns, or ask for user.max_user_namespaces > 0");
	pk_report_add(&t->report, &err);
}

int pk_sysv_next(const char *sort, int32_t id, struct pk_error *err)
{
	char path[64], text[16];
	PK_CLOSE int fd = -1;
	int n = snprintf(text, sizeof(text), "%d", id);

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s_next_id", sort);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && pk_write_all(fd, text, (size_t)n) == 0)
		return 0;
	pk_fail_errno(err, "System V object: %s", path);
	return pk_try(err, "use a kernel with CONFIG_CHECKPOINT_RESTORE");
}

static void hand_over(struct ipc_perm *p, const struct pk_sysv *o)
{
	p->uid = o->uid;
	p->gid = o->gid;
}

static int set_owner(const char *sort, const struct pk_sysv *o)
{
	struct shmid_ds shm;
	struct semid_ds sem;
	struct msqid_ds msg;

	if (!strcmp(sort, "shm")) {
		if (shmctl(o->id, IPC_STAT, &shm) < 0)
			return -1;
		hand_over(&shm.shm_perm, o);
		return shmctl(o->id, IPC_SET, &shm);
	}
	if (!strcmp(sort, "sem")) {
		if (semctl(o->id, 0, IPC_STAT, &sem) < 0)
			return -1;
		hand_over(&sem.sem_perm, o);
		return semctl(o->id, 0, IPC_SET, &sem);
	}
	if (msgctl(o->id, IPC_STAT, &msg) < 0)
		return -1;
	hand_over(&msg.msg_perm, o);
	return msgctl(o->id, IPC_SET, &msg);
}

int pk_sysv_made(const char *sort, const struct pk_sysv *o, int got, struct pk_error *err)
{
	if (got < 0)
		return pk_fail_errno(err, "System V object %s %d", sort, o->id);
	if (got != o->id) {
		pk_fail(err, PK_E_HOST, "System V object %s %d", sort, o->id);
		return pk_why(err, "this kernel gave it the number %d", got);
	}
	if ((o->uid != geteuid() || o->gid != getegid()) && set_owner(sort, o) < 0)
		pk_log(PK_LOG_WARN, "System V object %s %d: its owner is another now", sort, o->id);
	return 0;
}
