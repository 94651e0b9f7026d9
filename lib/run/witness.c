/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal that comes to us is for the program; but it may have come to the program as well. Slurm
 * (proctrack/linuxproc) sends to every descendant of a job, timeout(1) and shells to a process
 * group. A program that saves itself on SIGINT must not be interrupted a second time. The witness
 * is a child of ours that does nothing but wait for signals: what it gets from the same sender, the
 * program has got. It is in our process group if the program is, else in one of its own, which
 * nobody sends to.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fs.h"
#include "run/run_internal.h"

#define GRACE (100 * PK_MSEC) /* between the first and the last who gets a signal */

struct testimony {
	int sig;
	pid_t sender;
};

static _Noreturn void witness(int fd, pid_t parent)
{
	sigset_t all;
	siginfo_t info;

	prctl(PR_SET_NAME, "pckpt-witness");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	sigfillset(&all);
	for (;;) {
		struct testimony t = {0};

		t.sig = sigwaitinfo(&all, &info);
		if (t.sig < 0)
			continue;
		t.sender = info.si_pid;
		if (pk_write_all(fd, &t, sizeof(t)) < 0)
			_exit(0);
	}
}

static bool in_our_group(pid_t pid)
{
	return getpgid(pid) == getpgrp();
}

/* Without one signals are passed on as they come. */
void pk_witness_start(struct pk_run *run)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0)
		witness(fds[1], run->self);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return;
	}
	if (!in_our_group(run->program))
		setpgid(pid, pid);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	run->witness = (struct pk_worker){.pid = pid, .fd = fds[0]};
}

bool pk_witness_defers(struct pk_run *run, int sig, pid_t sender)
{
	struct pk_deferred *d = &run->deferred[sig];

	if (!run->witness.pid || in_our_group(run->witness.pid) != in_our_group(run->program))
		return false;
	if (d->seen_at && d->sender == sender && pk_now() - d->seen_at < GRACE) {
		d->seen_at = 0;
		return true;
	}
	d->sender = sender;
	d->due = pk_now() + GRACE;
	return true;
}

void pk_witness_hear(struct pk_run *run)
{
	struct testimony t;
	ssize_t n;

	while ((n = read(run->witness.fd, &t, sizeof(t))) == (ssize_t)sizeof(t)) {
		struct pk_deferred *d = &run->deferred[t.sig];

		if (d->due && d->sender == t.sender)
			d->due = 0;
		else
			*d = (struct pk_deferred){
				.sender = t.sender, .seen_at = pk_now(), .due = d->due};
	}
	if (n == 0)
		pk_forget_worker(&run->witness);
}

int pk_witness_due(struct pk_run *run)
{
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (run->deferred[sig].due && run->deferred[sig].due <= pk_now()) {
			run->deferred[sig].due = 0;
			return sig;
		}
	return 0;
}

int64_t pk_witness_next(const struct pk_run *run)
{
	int64_t at = INT64_MAX;

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		if (run->deferred[sig].due && run->deferred[sig].due < at)
			at = run->deferred[sig].due;
	return at;
}
