/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the process that becomes the program:
 *
 *	pckpt restore  ->  init  ->  [parent]  ->  seed
 *
 * init is the first process of a fresh pid namespace (and user and mount namespace, where needed):
 * it reaps, and the kernel ends all others when it ends, which it does with us. The seed's clocks
 * continue from the dump's values in a time namespace. If the program's parent had a number that
 *the program could see, a small process with that number stands in for it.
 *
 * If the program's session and group had leaders outside of the job, processes with their numbers
 * make them anew, bring forth the next (as a child of their own parent, CLONE_PARENT) and end. Not
 * so with a controlling terminal, which belongs to the session that we are in.
 *
 * Without a pid namespace (--pid=same, any) init is an ordinary process and does the same by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/time.h"
#include "restore/restore_internal.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* What the processes of the new tree say, over one socket that all of them have. */
enum message_type { MSG_SEED, MSG_FILE, MSG_STATUS, MSG_NO_TIME_NS, MSG_FAILED };
struct message {
	enum message_type type;
	/*
	 * MSG_SEED: its number of the channel; MSG_STATUS: wait status of the program; MSG_FILE: a
	 * record, the file comes along.
	 */
	int value;
	struct pk_error err; /* MSG_FAILED */
};

static void say(int channel, enum message_type type, int value)
{
	struct message m = {.type = type, .value = value};

	(void)!send(channel, &m, sizeof(m), MSG_NOSIGNAL);
}

static _Noreturn void die_of(int channel, const struct pk_error *err)
{
	struct message m = {.type = MSG_FAILED, .err = *err};

	(void)!send(channel, &m, sizeof(m), MSG_NOSIGNAL);
	_exit(125);
}

static _Noreturn void die(int channel, const char *what)
{
	struct pk_error err;

	pk_fail_errno(&err, "%s", what);
	pk_try(&err, "pckpt restore --pid=any needs no namespaces");
	die_of(channel, &err);
}

/* A file and the record that it is made for. */
static void send_file(int channel, uint32_t obj, int fd)
{
	struct message m = {.type = MSG_FILE, .value = (int)obj};
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.h = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {&m, sizeof(m)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
	if (sendmsg(channel, &msg, MSG_NOSIGNAL) < 0)
		die(channel, "cannot hand over a carried file");
}

static int write_text(const char *file, const char *text)
{
	PK_CLOSE int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : pk_write_all(fd, text, strlen(text));
}

/* One user and one group: ourselves, under the same numbers. */
static void map_ids(const struct pk_restore *r)
{
	char text[64];

	/* Before 3.19 there is no such file, and no need. */
	write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", r->target.uid, r->target.uid);
	if (write_text("/proc/self/uid_map", text) < 0)
		die(r->channel, "cannot map the user id in a new user namespace");
	snprintf(text, sizeof(text), "%u %u 1", r->target.gid, r->target.gid);
	if (write_text("/proc/self/gid_map", text) < 0)
		die(r->channel, "cannot map the group id in a new user namespace");
}

/*
 * A /proc of the new namespace, over the old one, in a mount namespace of its own. Not possible
 * where parts of /proc are covered by other mounts (containers); /proc/self works without it.
 */
static void mount_proc(void)
{
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) == 0)
		(void)!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/*
 * Terminals of the job's own, from number 0 on, in its mount namespace. Those that it has from us
 * stay what they are; their names lead nowhere now.
 */
static void mount_devpts(const struct pk_restore *r)
{
	const unsigned long flags = MS_NOSUID | MS_NOEXEC;

	if (mount("devpts", "/dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=0620") <
			0 ||
		mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) < 0)
		die(r->channel, "cannot mount a devpts for the program's terminals");
}

/* Message queues of the job's own ipc namespace, where programs look for their names. */
static void mount_mqueue(void)
{
	(void)!mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static int64_t own_offset(const char *clock)
{
	PK_FREE char *text = pk_read_file(AT_FDCWD, "/proc/self/timens_offsets", 4096, NULL);
	char *line = text ? strstr(text, clock) : NULL;
	long long s, ns;

	if (!line || sscanf(line + strlen(clock), "%lld %lld", &s, &ns) != 2)
		return 0;
	return s * PK_NSEC + ns;
}

/* "monotonic <s> <ns>": offsets to the clocks of the host, whatever namespace we are in ourselves.
 */
static void offset_text(const char *name, clockid_t clock, int64_t want, char *out, size_t n)
{
	int64_t off = want - (pk_clock_ns(clock) - own_offset(name));
	int64_t s = off / PK_NSEC, ns = off % PK_NSEC;

	if (ns < 0) {
		ns += PK_NSEC;
		s--;
	}
	snprintf(out, n, "%s %lld %lld\n", name, (long long)s, (long long)ns);
}

/* Children of this process will find the clocks of the dump. */
static bool new_time_ns(const struct pk_host *h)
{
	char text[160], boot[80];

	offset_text("monotonic", CLOCK_MONOTONIC, h->monotonic, text, sizeof(text));
	offset_text("boottime", CLOCK_BOOTTIME, h->boottime, boot, sizeof(boot));
	strcat(text, boot);
	return unshare(CLONE_NEWTIME) == 0 && write_text("/proc/self/timens_offsets", text) == 0;
}

static pid_t fork_as(pid_t wanted)
{
	struct clone_args a = {.exit_signal = SIGCHLD};
	const pid_t tid = wanted;

	if (!wanted)
		return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	a.set_tid = (uint64_t)&tid;
	a.set_tid_size = 1;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* A child of our parent. It signals its end as we do ours. */
static pid_t fork_sibling(pid_t wanted)
{
	const pid_t tid = wanted;
	struct clone_args a = {.flags = CLONE_PARENT, .set_tid = (uint64_t)&tid, .set_tid_size = 1};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

static void make_given(struct pk_restore *r)
{
	for (size_t i = 0; i < r->target.n_given; i++) {
		struct pk_given *g = &r->target.given[i];
		struct pk_error err;
		char name[32];
		int fd;

		if (!g->make)
			continue;
		fd = g->make(g->data, &err);
		if (fd < 0)
			die_of(r->channel, &err);
		if (g->as_made) {
			g->fd = fd;
			continue;
		}
		send_file(r->channel, g->obj, fd);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		g->fd = open(name, O_RDONLY | O_CLOEXEC);
		if (g->fd < 0)
			die(r->channel, "cannot open a carried file");
		close(fd);
	}
}

static void make_kinds(struct pk_restore *r)
{
	struct pk_error err;

	for (size_t i = 0; pk_kinds[i]; i++)
		if (pk_kinds[i]->make && pk_kinds[i]->make(&r->target, &err) < 0)
			die_of(r->channel, &err);
}

/* Bring every descriptor to its number; move what is in the way. The channel may move too. */
static void place_given(struct pk_restore *r)
{
	struct pk_given *g = r->target.given;
	size_t n = r->target.n_given;

	for (size_t i = 0; i < n; i++) {
		if (g[i].fd == g[i].number) {
			fcntl(g[i].fd, F_SETFD, 0);
			continue;
		}
		for (size_t k = i + 1; k < n; k++)
			if (g[k].fd == g[i].number)
				g[k].fd = dup(g[k].fd);
		if (r->channel == g[i].number)
			r->channel = dup(r->channel);
		if (dup2(g[i].fd, g[i].number) < 0)
			die(r->channel, "cannot place a descriptor");
		g[i].fd = g[i].number;
	}
}

static bool is_given(const struct pk_restore *r, int fd)
{
	for (size_t i = 0; i < r->target.n_given; i++)
		if (r->target.given[i].number == fd)
			return true;
	return fd == r->channel;
}

static void close_others(const struct pk_restore *r)
{
	int last = r->channel;

	for (size_t i = 0; i < r->target.n_given; i++)
		if (r->target.given[i].number > last)
			last = r->target.given[i].number;
	for (int fd = 0; fd <= last; fd++)
		if (!is_given(r, fd))
			close(fd);
	syscall(SYS_close_range, last + 1, ~0u, 0);
}

/* Its own group, if it had one: then job control finds it as before. Else it joins ours. */
static void place_in_group(const struct pk_task *t)
{
	if (t->sid != t->pid && t->pgid == t->pid)
		setpgid(0, 0);
}

/* Become the program's own file, where that cannot be set later: see mm.c. */
static void exec_program(const struct pk_restore *r)
{
	char path[64];
	char *const argv[] = {(char *)"pckpt", NULL}, *const envp[] = {NULL};
	char go;

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		pk_target_given(&r->target, r->task->exe_file));
	(void)!read(r->channel, &go, 1);
	execve(r->task->exe_file ? path : r->task->exe, argv, envp);
	_exit(125);
}

static _Noreturn void seed(struct pk_restore *r)
{
	struct rlimit lim;

	prctl(PR_SET_NAME, "pckpt-seed");
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); /* Yama; EINVAL without it */
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	place_in_group(r->task);
	make_given(r);
	make_kinds(r);
	place_given(r);
	close_others(r);
	say(r->channel, MSG_SEED, r->channel);
	if (!r->target.may_set_exe) {
		fcntl(r->channel, F_SETFD, FD_CLOEXEC);
		exec_program(r);
	}
	for (;;)
		pause(); /* the channel is closed for it: see build.c */
}

/* Tell of every change of the program's state; reap whatever else is given to us. */
static void reap(struct pk_restore *r, pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED | __WALL)) > 0) {
		if (pid != program)
			continue;
		say(r->channel, MSG_STATUS, status);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			_exit(0);
	}
}

/*
 * Until the program ends. SIGTERM tells that pckpt has ended, where no pid namespace sees to it
 * that the program ends too.
 */
static _Noreturn void tend(struct pk_restore *r, pid_t program)
{
	sigset_t all, set;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	for (;;) {
		reap(r, program);
		if (sigwaitinfo(&set, NULL) != SIGTERM)
			continue;
		kill(program, SIGKILL);
		_exit(0);
	}
}

/* What is open here as well would never be seen to be closed. */
static void close_all_but(int fd)
{
	if (fd > 0)
		syscall(SYS_close_range, 0, fd - 1, 0);
	syscall(SYS_close_range, fd + 1, ~0u, 0);
}

static void need(struct pk_restore *r, pid_t pid, const char *what)
{
	char text[80];

	if (pid >= 0)
		return;
	snprintf(text, sizeof(text), "cannot create %s with its original number", what);
	die(r->channel, text);
}

static bool wants_parent(const struct pk_restore *r)
{
	const struct pk_task *t = r->task;

	return r->target.pids == PK_PID_NS && t->ppid > 1 && t->ppid != t->pid;
}

/* Whether session and group had numbers that the program saw, and may be made anew. */
static bool wants_session(const struct pk_restore *r)
{
	const struct pk_task *t = r->task;

	return r->target.pids == PK_PID_NS && !t->tty && t->sid > 0 && t->sid != t->pid;
}

/* A session of number 0 is one that began outside of the pid namespace; so does the restorer's. */
static bool wants_group(const struct pk_restore *r)
{
	const struct pk_task *t = r->task;

	return (wants_session(r) || (r->target.pids == PK_PID_NS && !t->tty && t->sid == 0)) &&
	       t->pgid > 0 && t->pgid != t->pid && t->pgid != t->sid;
}

/* In the parent-to-be, or in one that makes siblings for it. */
static void make_seed(struct pk_restore *r, pid_t (*fork_one)(pid_t))
{
	pid_t pid = fork_one(r->target.pids == PK_PID_ANY ? 0 : r->task->pid);

	if (pid == 0)
		seed(r);
	need(r, pid, "the process");
}

/* One of the program's group; its leader, if that is not the program's parent, ends again. */
static void make_grouped_seed(struct pk_restore *r, pid_t (*fork_one)(pid_t))
{
	pid_t pid;

	if (!wants_group(r) || getpgrp() == r->task->pgid) {
		make_seed(r, fork_one);
		return;
	}
	pid = fork_one(r->task->pgid);
	need(r, pid, "a stand-in for the program's group");
	if (pid)
		return;
	setpgid(0, 0);
	make_seed(r, fork_sibling);
	_exit(0);
}

static _Noreturn void start_program(struct pk_restore *r)
{
	make_grouped_seed(r, fork_as);
	close_all_but(r->channel);
	tend(r, r->task->pid);
}

/* Without numbers of our choice there are no stand-ins, and the number is the kernel's. */
static _Noreturn void start_anywhere(struct pk_restore *r)
{
	pid_t pid = fork_as(0);

	if (pid == 0)
		seed(r);
	need(r, pid, "the process");
	close_all_but(r->channel);
	tend(r, pid);
}

static _Noreturn void stand_in_parent(struct pk_restore *r)
{
	prctl(PR_SET_NAME, "pckpt-parent");
	if (wants_session(r) && r->task->sid == r->task->ppid)
		setsid();
	else if (wants_group(r) && r->task->pgid == r->task->ppid)
		setpgid(0, 0);
	start_program(r);
}

/* The leader of the program's session, for the moment that it takes. */
static _Noreturn void stand_in_leader(struct pk_restore *r)
{
	pid_t pid;

	setsid();
	if (!wants_parent(r)) {
		make_grouped_seed(r, fork_sibling);
		_exit(0);
	}
	pid = fork_sibling(r->task->ppid);
	if (pid == 0)
		stand_in_parent(r);
	need(r, pid, "a stand-in for the program's parent");
	_exit(0);
}

/* Below init, in a session that had a leader outside of the job. */
static _Noreturn void start_in_session(struct pk_restore *r)
{
	pid_t pid = fork_as(r->task->sid);

	if (pid == 0)
		stand_in_leader(r);
	need(r, pid, "a stand-in for the program's session");
	close_all_but(r->channel);
	if (!wants_parent(r))
		tend(r, r->task->pid);
	while ((pid = waitpid(-1, NULL, __WALL)) != r->task->ppid && (pid >= 0 || errno == EINTR))
		;
	_exit(0);
}

static _Noreturn void init(struct pk_restore *r, pid_t parent)
{
	bool ns = r->target.pids == PK_PID_NS;
	pid_t pid;

	prctl(PR_SET_NAME, "pckpt-init");
	for (int i = 1; i < 32; i++)
		signal(i, SIG_DFL);
	if (!r->o->detach)
		prctl(PR_SET_PDEATHSIG, ns ? SIGKILL : SIGTERM);
	/* In a new pid namespace the parent's number is 0, dead or alive; pipes do not lie. */
	if (!ns && !r->o->detach && getppid() != parent)
		_exit(125);
	if (r->target.user_ns)
		map_ids(r);
	if (!new_time_ns(r->host))
		say(r->channel, MSG_NO_TIME_NS, 0);
	if (ns)
		mount_proc();
	if (ns && r->target.own_devpts)
		mount_devpts(r);
	if (ns && r->target.own_ipc)
		mount_mqueue();
	if (!ns)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (r->target.pids == PK_PID_ANY)
		start_anywhere(r);
	if (wants_group(r) && r->task->pgid == 1)
		setpgid(0, 0);
	if (wants_session(r) && r->task->sid == 1)
		setsid();
	else if (wants_session(r) && r->task->sid != r->task->ppid)
		start_in_session(r);
	if (!wants_parent(r))
		start_program(r);
	pid = fork_as(r->task->ppid);
	if (pid == 0)
		stand_in_parent(r);
	need(r, pid, "a stand-in for the program's parent");
	close_all_but(r->channel);
	while (waitpid(pid, NULL, __WALL) != pid)
		;
	_exit(0);
}

static pid_t start_init(struct pk_restore *r)
{
	unsigned long flags = SIGCHLD;
	pid_t parent = getpid(), pid;

	if (r->target.pids == PK_PID_NS)
		flags |= CLONE_NEWPID | CLONE_NEWNS;
	if (r->target.pids == PK_PID_NS && r->target.own_ipc)
		flags |= CLONE_NEWIPC;
	if (r->target.user_ns)
		flags |= CLONE_NEWUSER;
	pid = (pid_t)syscall(SYS_clone, flags, 0, 0, 0, 0);
	if (pid == 0)
		init(r, parent);
	return pid;
}

/*
 * One message, with the sender's number as we see it, and perhaps a file. 1, or 0 when nobody is
 * left to send.
 */
static int receive(int channel, struct message *m, pid_t *sender, int *file)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	while ((n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(*m))
		return 0;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS)
			*sender = ((struct ucred *)CMSG_DATA(c))->pid;
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(file, CMSG_DATA(c), sizeof(*file));
	}
	return 1;
}

static int take_file(struct pk_restore *r, uint32_t obj, int fd, struct pk_error *err)
{
	int e = 0;

	for (size_t i = 0; i < r->target.n_given && e == 0; i++) {
		const struct pk_given *g = &r->target.given[i];

		if (g->obj == obj && g->size)
			e = pk_target_local(&r->target, obj, fd, g->size, err);
	}
	close(fd);
	return e;
}

static int wait_seed(struct pk_restore *r, struct pk_error *err)
{
	struct message m;
	int file, e = 0;

	r->target.time_ns = true;
	while (e == 0 && receive(r->channel, &m, &r->seed, &file)) {
		if (m.type == MSG_SEED) {
			r->seed_channel = m.value;
			return 0;
		}
		if (m.type == MSG_NO_TIME_NS)
			r->target.time_ns = false;
		if (m.type == MSG_FILE)
			e = take_file(r, (uint32_t)m.value, file, err);
		if (m.type == MSG_FAILED) {
			*err = m.err;
			return -err->class;
		}
	}
	if (e < 0)
		return e;
	pk_fail(err, PK_E_ERROR, "the new process");
	return pk_why(err, "it ended before it was ready");
}

int pk_spawn(struct pk_restore *r, struct pk_error *err)
{
	int pair[2], on = 1, e;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
		setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return pk_fail_errno(err, "socket");
	/* The child finds its end under the same name. */
	r->channel = pair[1];
	fflush(NULL);
	r->init = start_init(r);
	r->channel = pair[0];
	close(pair[1]);
	if (r->init < 0) {
		pk_fail_errno(err, "cannot create the process");
		return pk_try(err, "pckpt restore --pid=any needs no namespaces");
	}
	e = wait_seed(r, err);
	if (e == 0 && !r->target.time_ns)
		pk_log(PK_LOG_WARN,
			"no time namespace here: CLOCK_MONOTONIC does not continue from the dump's "
			"value, and waits for a moment on it end at another time");
	return e;
}

void pk_spawn_undo(struct pk_restore *r)
{
	if (r->seed > 0 && r->init > 0)
		kill(r->seed, SIGKILL);
	if (r->init > 0) {
		kill(r->init, SIGKILL);
		waitpid(r->init, NULL, __WALL);
	}
	r->init = r->seed = 0;
}

int pk_spawn_read_status(struct pk_restore *r, int *ret_status)
{
	struct message m;
	pid_t sender;
	int file;

	while (receive(r->channel, &m, &sender, &file)) {
		if (m.type != MSG_STATUS)
			continue;
		*ret_status = m.value;
		return 1;
	}
	return 0;
}
