/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity,runon
 *
 * File locks between processes: ranges of fcntl(2), of a process and of an open file; flock(2),
 * shared and exclusive, through one description in two processes; a process that waits for one.
 *
 * Not in mode `runon`: it kills the first process only, and the others keep their locks.
 */
#include <sys/file.h>

#include "family.h"

static int ranges, whole, ofd;

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static void take(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock f = range(type, start, len);

	must(fcntl(fd, cmd, &f));
}

/* What stands in the way of a write lock on one byte. */
static void expect_lock(int fd, int cmd, short type, off_t start, off_t len, pid_t pid, off_t at)
{
	struct flock f = range(F_WRLCK, at, 1);

	expect(0, fcntl(fd, cmd, &f), "asking for the lock at %ld", (long)at);
	expect(type, f.l_type, "type of the lock at %ld", (long)at);
	if (type == F_UNLCK)
		return;
	expect(start, f.l_start, "start of the lock at %ld", (long)at);
	expect(len, f.l_len, "length of the lock at %ld", (long)at);
	expect(pid, f.l_pid, "holder of the lock at %ld", (long)at);
}

static void holder(int i)
{
	int own = must(open(victim_path("whole").s, O_RDONLY));

	(void)i;
	take(ranges, F_SETLK, F_WRLCK, 100, 50);
	family_wait();
	expect_lock(ranges, F_GETLK, F_WRLCK, 0, 10, getppid(), 5);
	expect_lock(ranges, F_GETLK, F_RDLCK, 200, 0, getppid(), 1000000);
	expect_lock(ranges, F_GETLK, F_UNLCK, 0, 0, 0, 120);
	expect_errno(EWOULDBLOCK, flock(own, LOCK_SH | LOCK_NB));
	expect(0, flock(whole, LOCK_EX | LOCK_NB), "the inherited flock is ours too");
}

/* Waits for a lock that its parent has; the parent gives it up at the end. */
static void waiter(int i)
{
	(void)i;
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	take(ranges, F_SETLKW, F_WRLCK, 0, 10);
}

int main(void)
{
	int other, many[3];
	pid_t pid[2];

	family_begin();
	ranges = must(open(victim_path("ranges").s, O_RDWR | O_CREAT, 0600));
	whole = must(open(victim_path("whole").s, O_RDWR | O_CREAT, 0600));
	ofd = must(open(victim_path("ofd").s, O_RDWR | O_CREAT, 0600));
	other = must(open(victim_path("ofd").s, O_RDWR));
	for (int i = 0; i < 3; i++)
		many[i] = must(open(victim_path("many").s, O_RDWR | O_CREAT, 0600));
	must(flock(many[0], LOCK_SH));
	must(flock(many[1], LOCK_SH));
	take(ranges, F_SETLK, F_WRLCK, 0, 10);
	take(ranges, F_SETLK, F_RDLCK, 200, 0);
	take(ofd, F_OFD_SETLK, F_RDLCK, 5, 5);
	take(ofd, F_OFD_SETLK, F_WRLCK, 20, 1);
	must(flock(whole, LOCK_EX));
	pid[0] = family_fork(holder, 0);
	pid[1] = family_fork(waiter, 0);
	family_meet(2);
	if (victim_broken())
		take(ranges, F_SETLK, F_UNLCK, 200, 0);
	expect_lock(ranges, F_GETLK, F_WRLCK, 100, 50, pid[0], 120);
	expect_lock(other, F_OFD_GETLK, F_RDLCK, 5, 5, -1, 7);
	expect_lock(other, F_OFD_GETLK, F_WRLCK, 20, 1, -1, 20);
	expect_lock(ofd, F_OFD_GETLK, F_UNLCK, 0, 0, 0, 20);
	family_over();
	family_join(pid[0]);
	expect_errno(EWOULDBLOCK, flock(many[2], LOCK_EX | LOCK_NB));
	must(flock(many[0], LOCK_UN));
	expect_errno(EWOULDBLOCK, flock(many[2], LOCK_EX | LOCK_NB));
	must(flock(many[1], LOCK_UN));
	expect_errno(0, flock(many[2], LOCK_EX | LOCK_NB));
	take(ranges, F_SETLK, F_UNLCK, 0, 10);
	family_join(pid[1]);
	return victim_done();
}
