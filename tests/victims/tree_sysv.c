/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * System V shared memory, semaphores and message queues: numbers, keys, content, what is undone at
 * the end of a process, what waits.
 */
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "family.h"

struct text {
	long type;
	char text[32];
};

static int shm, gone, apart, sem, msg;
static char *memory, *doomed;
static key_t key;

static void change(int num, int by, int flags)
{
	struct sembuf op = {(unsigned short)num, (short)by, (short)flags};

	must(semop(sem, &op, 1));
}

/*
 * A dump that ends the job leaves its objects in the host's ipc namespace: those of runs that are
 * long over go now.
 */
#define KEYS 0x7c500000

static void sweep(void)
{
	const time_t old = time(NULL) - 600;

	for (int i = 0; i < 1024; i++) {
		struct shmid_ds m;
		struct semid_ds s;
		struct msqid_ds q;
		int id;

		id = shmctl(i, SHM_STAT, &m);
		if (id >= 0 && (m.shm_perm.__key & ~0xfffff) == KEYS && m.shm_ctime < old)
			shmctl(id, IPC_RMID, NULL);
		id = semctl(i, 0, SEM_STAT, &s);
		if (id >= 0 && (s.sem_perm.__key & ~0xfffff) == KEYS && s.sem_ctime < old)
			semctl(id, 0, IPC_RMID);
		id = msgctl(i, MSG_STAT, &q);
		if (id >= 0 && (q.msg_perm.__key & ~0xfffff) == KEYS && q.msg_ctime < old)
			msgctl(id, IPC_RMID, NULL);
	}
}

/* Takes the first semaphore, which it gives back by ending. */
static void holder(int i)
{
	(void)i;
	change(0, -2, SEM_UNDO);
	change(2, 3, SEM_UNDO);
	family_wait();
	expect_text("shared", memory, "shared memory in the child");
	expect(sem, semget(key, 0, 0), "number of the semaphores, by key");
	strcpy(memory, "seen");
}

static void waiter(int i)
{
	(void)i;
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	change(1, -1, 0);
}

static void send(long type, const char *text)
{
	struct text m = {.type = type};

	strcpy(m.text, text);
	must(msgsnd(msg, &m, strlen(text) + 1, 0));
}

static void expect_message(long want, long type, const char *text)
{
	struct text m = {0};

	expect((long long)strlen(text) + 1, msgrcv(msg, &m, sizeof(m.text), want, IPC_NOWAIT),
		"bytes of a message");
	expect(type, m.type, "its type");
	expect_text(text, m.text, "its text");
}

int main(void)
{
	unsigned short values[3] = {5, 0, 0};
	struct shmid_ds ds;
	pid_t pid[2];
	char *p;

	family_begin();
	sweep();
	key = (key_t)(KEYS | (now(CLOCK_MONOTONIC) / 1000 & 0xffffe));
	shm = must(shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640));
	gone = must(shmget(IPC_PRIVATE, 100, IPC_CREAT | 0600));
	apart = must(shmget(key + 1, 100, IPC_CREAT | IPC_EXCL | 0600));
	sem = must(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	msg = must(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	must(semctl(sem, 0, SETALL, values));
	memory = must(shmat(shm, NULL, 0));
	doomed = must(shmat(gone, NULL, 0));
	must(shmctl(gone, IPC_RMID, NULL));
	strcpy(memory, "shared");
	strcpy(doomed, "marked");
	p = must(shmat(apart, NULL, 0));
	strcpy(p, "apart");
	must(shmdt(p));
	send(2, "the first");
	send(1, "the second");
	send(2, "the third");
	pid[0] = family_fork(holder, 0);
	pid[1] = family_fork(waiter, 0);
	family_meet(2);

	expect(3, semctl(sem, 0, GETVAL), "a semaphore");
	expect(3, semctl(sem, 2, GETVAL), "another");
	if (victim_broken())
		must(semctl(sem, 0, SETVAL, 4));
	family_over();
	family_join(pid[0]);
	expect_text("seen", memory, "what the child wrote");
	expect(5, semctl(sem, 0, GETVAL), "what the child has given back by ending");
	expect(0, semctl(sem, 2, GETVAL), "what the child has taken back by ending");
	change(1, 1, 0);
	family_join(pid[1]);
	expect_text("marked", doomed, "the removed segment");
	expect(shm, shmget(key, 0, 0), "number of the memory, by key");
	must(shmctl(shm, IPC_STAT, &ds));
	expect(0640, ds.shm_perm.mode & 0777, "its mode");
	expect(10000, (long long)ds.shm_segsz, "its size");
	expect(1, (long long)ds.shm_nattch, "how often it is attached");
	must(shmctl(gone, IPC_STAT, &ds));
	expect(SHM_DEST, ds.shm_perm.mode & SHM_DEST, "the mark for removal");
	p = must(shmat(apart, NULL, SHM_RDONLY));
	expect_text("apart", p, "detached memory");
	must(shmdt(p));
	expect_message(1, 1, "the second");
	expect_message(0, 2, "the first");
	expect_message(0, 2, "the third");
	must(shmdt(doomed));
	expect_errno(EINVAL, shmctl(gone, IPC_STAT, &ds));
	must(shmdt(memory));
	must(shmctl(shm, IPC_RMID, NULL));
	must(shmctl(apart, IPC_RMID, NULL));
	must(semctl(sem, 0, IPC_RMID));
	must(msgctl(msg, IPC_RMID, NULL));
	return victim_done();
}
