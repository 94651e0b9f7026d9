/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * POSIX message queues: messages in their order, attributes, an unlinked queue, two opens of one,
 * one that the host still has, with its messages, when the program is restored; notification by a
 * signal.
 */
#include <mqueue.h>
#include <signal.h>

#include "victim.h"

static volatile sig_atomic_t notified;

static void on_signal(int sig)
{
	(void)sig;
	notified++;
}

static void put(mqd_t q, const char *text, unsigned priority)
{
	must(mq_send(q, text, strlen(text), priority));
}

static void expect_message(mqd_t q, const char *text, unsigned priority)
{
	unsigned found = 99;
	char buf[128] = "";

	expect((long)strlen(text), mq_receive(q, buf, 100, &found), "bytes of %s", text);
	expect(priority, found, "priority of %s", text);
	expect_text(text, buf, "message");
}

static void expect_attributes(mqd_t q, long flags, long max, long size, long n)
{
	struct mq_attr a;

	must(mq_getattr(q, &a));
	expect(flags, a.mq_flags, "mq_flags");
	expect(max, a.mq_maxmsg, "mq_maxmsg");
	expect(size, a.mq_msgsize, "mq_msgsize");
	expect(n, a.mq_curmsgs, "mq_curmsgs");
}

int main(void)
{
	struct mq_attr a = {.mq_maxmsg = 7, .mq_msgsize = 100};
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	mqd_t q, writer, gone, other, told, kept;
	char name[64], quiet[80], stays[80];
	struct stat st;

	snprintf(name, sizeof(name), "/victim-%d-%lld", getpid(), (long long)time(NULL));
	snprintf(quiet, sizeof(quiet), "%s-quiet", name);
	snprintf(stays, sizeof(stays), "%s-stays", name);
	q = mq_open(name, O_RDONLY | O_CREAT | O_EXCL, 0640, &a);
	if (q < 0 && errno == ENOSYS)
		victim_skip("no POSIX message queues");
	must(q);
	writer = must(mq_open(name, O_WRONLY | O_NONBLOCK));
	put(writer, "low", 0);
	put(writer, "first", 5);
	put(writer, "second", 5);
	put(writer, "high", 31);
	put(writer, "", 5);
	put(writer, "lowest", 0);
	put(writer, "full", 6);
	must(mq_unlink(name));
	gone = must(mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &a));
	put(gone, "in the second of that name", 1);
	other = must(dup(gone));
	told = must(mq_open(quiet, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
	kept = must(mq_open(stays, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &a));
	put(kept, "once", 2);
	put(kept, "once more", 2);
	signal(SIGUSR1, on_signal);
	must(mq_notify(told, &e));
	victim_ready();

	if (victim_broken())
		must(mq_receive(gone, (char[100]){0}, 100, NULL));
	must(fstat(q, &st));
	expect(0640, st.st_mode & 0777, "mode");
	expect(0, (long)st.st_nlink, "links of the unlinked one");
	expect_attributes(q, 0, 7, 100, 7);
	expect_attributes(writer, O_NONBLOCK, 7, 100, 7);
	expect_errno(EAGAIN, mq_send(writer, "x", 1, 0));
	expect_errno(EBADF, mq_send(q, "x", 1, 0));
	expect_message(q, "high", 31);
	expect_message(q, "full", 6);
	expect_message(q, "first", 5);
	expect_message(q, "second", 5);
	expect_message(q, "", 5);
	expect_message(q, "low", 0);
	expect_message(q, "lowest", 0);
	expect_message(other, "in the second of that name", 1);
	expect_errno(EAGAIN, mq_receive(gone, (char[100]){0}, 100, NULL));
	expect_message(kept, "once", 2);
	expect_message(kept, "once more", 2);
	expect_errno(EAGAIN, mq_receive(kept, (char[100]){0}, 100, NULL));
	expect(0, notified, "notifications before a message");
	put(told, "now", 3);
	expect(1, notified, "notifications after a message");
	expect_message(told, "now", 3);
	put(told, "again", 3);
	expect(1, notified, "a notification is for once");
	must(mq_unlink(name));
	must(mq_unlink(quiet));
	must(mq_unlink(stays));
	return victim_done();
}
