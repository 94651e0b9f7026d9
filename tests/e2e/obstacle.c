/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obstacle NAME: a program in a state that cannot be dumped. It sets the state up, waits to be told
 * to go on, and checks that nothing has become of it.
 */
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static void undumpable(void)
{
	must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	victim_ready();
	expect(0, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), "PR_GET_DUMPABLE");
}

static void seccomp(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {1, &allow};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0));
	victim_ready();
	expect(SECCOMP_MODE_FILTER, prctl(PR_GET_SECCOMP, 0, 0, 0, 0), "PR_GET_SECCOMP");
}

/* Makes an fd of a kind that no version of pckpt knows, where this user can. */
static void strange_fd(void)
{
	struct io_uring_params params = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &params);

	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		victim_skip("neither io_uring nor userfaultfd");
	victim_ready();
	must(fcntl(fd, F_GETFD));
}

/* A socket whose other end is held by one that has left the job. */
static void outside(void)
{
	int pair[2];
	char c;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = must(fork());
	if (pid == 0) {
		if (must(fork()) == 0) {
			close(pair[0]);
			(void)!read(pair[1], &c, 1);
		}
		_exit(0);
	}
	must(waitpid(pid, NULL, 0));
	must(close(pair[1]));
	victim_ready();
	expect(EAGAIN, errno_of(recv(pair[0], &c, 1, MSG_DONTWAIT)), "the connection");
}

static void packet(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);

	if (fd < 0)
		victim_skip("packet sockets are not allowed");
	victim_ready();
	must(fcntl(fd, F_GETFD));
}

/* An object that pckpt has never heard of. */
static void unheard_of(void)
{
	uint64_t handled = 1;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);

	if (fd < 0)
		victim_skip("no landlock");
	victim_ready();
	must(fcntl(fd, F_GETFD));
}

/* Memory that nobody but the process can read. */
static void secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);
	char *p;

	if (fd < 0)
		victim_skip("no memfd_secret");
	must(ftruncate(fd, 4096));
	p = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	must(close(fd));
	strcpy(p, "secret");
	victim_ready();
	expect_text("secret", p, "secret memory");
}

/* A file that it writes to through a mapping, in a directory that was closed to it meanwhile. */
static void closed(void)
{
	char *p;
	int fd;

	must(mkdir(victim_path("closed").s, 0700));
	fd = must(open(victim_path("closed/data").s, O_RDWR | O_CREAT, 0600));
	must(ftruncate(fd, 4096));
	p = must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	must(close(fd));
	must(chmod(victim_path("closed").s, 0));
	strcpy(p, "data");
	victim_ready();
	expect_text("data", p, "the mapped file");
	must(chmod(victim_path("closed").s, 0700));
}

/* Its child has it. */
static void child(void)
{
	uint64_t handled = 1;
	int status, told[2];
	pid_t pid;
	char c;

	must(pipe(told));
	pid = must(fork());
	if (pid == 0) {
		c = syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0) < 0;
		must(write(told[1], &c, 1));
		pause();
		_exit(1);
	}
	must(read(told[0], &c, 1));
	must(close(told[0]));
	must(close(told[1]));
	if (c)
		victim_skip("no landlock");
	victim_ready();
	must(kill(pid, SIGTERM));
	must(waitpid(pid, &status, 0));
	expect(SIGTERM, status, "wait status of the child");
}

/* Its child has ended, and nobody has asked. */
static void zombie(void)
{
	char text[32];
	pid_t pid = must(fork());
	siginfo_t info;
	int status;

	if (pid == 0)
		_exit(7);
	must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
	snprintf(text, sizeof(text), "%d", pid);
	write_text(victim_path("zombie").s, text);
	victim_ready();
	must(waitpid(pid, &status, 0));
	expect(7, WEXITSTATUS(status), "exit code of the child");
}

/* Sleeps uninterruptibly until its child, which shares all of its memory, has ended. */
static __attribute__((noinline)) pid_t vfork_and_wait(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		victim_ready();
		_exit(9);
	}
	return pid;
}

static void vforking(void)
{
	pid_t pid = must(vfork_and_wait());
	int status;

	must(waitpid(pid, &status, 0));
	expect(9, WEXITSTATUS(status), "exit code of the child");
}

static void *other_thread(void *arg)
{
	(void)arg;
	victim_ready();
	exit(victim_done());
}

static void leader_gone(void)
{
	pthread_t thread;

	must0(pthread_create(&thread, NULL, other_thread, NULL));
	pthread_exit(NULL);
}

/* Traces the process whose number is in the file `traced`. */
static void tracer(void)
{
	char text[32];
	pid_t pid = atoi(read_text(victim_path("traced").s, text, sizeof(text)));

	must(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	victim_ready();
}

static const struct {
	const char *name;
	void (*run)(void);
} obstacles[] = {
	{"undumpable", undumpable},
	{"seccomp", seccomp},
	{"fd", strange_fd},
	{"unheard_of", unheard_of},
	{"secret", secret},
	{"closed", closed},
	{"outside", outside},
	{"packet", packet},
	{"child", child},
	{"zombie", zombie},
	{"vfork", vforking},
	{"leader", leader_gone},
	{"tracer", tracer},
};

int main(int argc, char **argv)
{
	syscall(SYS_close_range, 3, ~0u, 0);
	for (size_t i = 0; i < ARRAY_SIZE(obstacles); i++)
		if (argc == 2 && !strcmp(argv[1], obstacles[i].name)) {
			obstacles[i].run();
			return victim_done();
		}
	return 2;
}
