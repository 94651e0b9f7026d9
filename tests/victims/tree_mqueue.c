/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity,runon lock=mqueue
 *
 * POSIX message queues of several processes: a description that two have, another open of the same
 * queue, a process that waits in mq_timedreceive(3). System V memory makes the restored job have an
 * ipc namespace of its own; the queue of the host then stays there, and goes with the next run.
 *
 * Not in mode `runon`: it kills the first process only, and the others go on with the queues.
 */
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "family.h"

static mqd_t full, idle;
static char name[64], empty[80];

static void expect_message(mqd_t q, const char *text, unsigned priority)
{
	unsigned found = 99;
	char buf[8193] = "";

	expect((long)strlen(text), mq_receive(q, buf, 8192, &found), "bytes of %s", text);
	expect(priority, found, "priority of %s", text);
	expect_text(text, buf, "message");
}

static void holder(int i)
{
	mqd_t own = must(mq_open(name, O_RDONLY));

	(void)i;
	family_wait();
	expect_message(own, "first", 2);
	expect_message(full, "second", 2);
}

/* Its message comes at the end. */
static void waiter(int i)
{
	struct timespec end = {.tv_sec = time(NULL) + 100};
	char buf[8193] = "";

	(void)i;
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	expect(4, mq_timedreceive(idle, buf, 8192, NULL, &end), "bytes of a message waited for");
	expect_text("last", buf, "a message waited for");
}

int main(void)
{
	struct mq_attr a = {.mq_maxmsg = 5, .mq_msgsize = 8192};
	char *memory;
	pid_t pid[2];
	int shm;

	family_begin();
	snprintf(name, sizeof(name), "/victim-%d", (int)getuid());
	snprintf(empty, sizeof(empty), "%s-empty", name);
	(void)mq_unlink(name);
	(void)mq_unlink(empty);
	shm = must(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
	memory = must(shmat(shm, NULL, 0));
	must(shmctl(shm, IPC_RMID, NULL));
	strcpy(memory, "shared");
	full = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	if (full < 0 && errno == ENOSYS)
		victim_skip("no POSIX message queues");
	must(full);
	idle = must(mq_open(empty, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
	must(mq_send(full, "third", 5, 1));
	must(mq_send(full, "first", 5, 2));
	must(mq_send(full, "second", 6, 2));
	pid[0] = family_fork(holder, 0);
	pid[1] = family_fork(waiter, 0);
	family_meet(2);
	if (victim_broken())
		must(mq_send(full, "more", 4, 31));
	must(mq_send(idle, "last", 4, 0));
	family_join(pid[1]);
	family_over();
	family_join(pid[0]);
	expect_message(full, "third", 1);
	expect_text("shared", memory, "System V memory");
	must(mq_unlink(name));
	must(mq_unlink(empty));
	return victim_done();
}
