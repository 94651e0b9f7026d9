/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote execution on a live process: results, no trace left, and above all that the process is its
 * old self after the tracer was killed at the worst moments.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "ptrace/freeze.h"
#include "ptrace/mem.h"
#include "ptrace/remote.h"

/* Memory that a victim shares with its test. */
struct shared {
	volatile uint64_t rounds, stop, bad;
};

static struct shared *share(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/*
 * Keep known values in general and vector registers, never touching memory on the stack, until told
 * to stop; count every round in which one of them is not what it was.
 */
static void spin(struct shared *s)
{
	__asm__ volatile("	movq $0x1122334455667788, %%r12\n"
			 "	movq %%r12, %%xmm7\n"
			 "	pcmpeqb %%xmm15, %%xmm15\n"
			 "1:	incq 0(%0)\n"
			 "	movq %%xmm7, %%r13\n"
			 "	cmpq %%r12, %%r13\n"
			 "	je 2f\n"
			 "	incq 16(%0)\n"
			 "2:	movq %%xmm15, %%r13\n"
			 "	cmpq $-1, %%r13\n"
			 "	je 3f\n"
			 "	incq 16(%0)\n"
			 "3:	cmpq $0, 8(%0)\n"
			 "	je 1b\n"
			 :
			 : "r"(s)
			 : "r12", "r13", "xmm7", "xmm15", "memory", "cc");
}

static pid_t start_victim(struct shared *s)
{
	pid_t pid = fork();

	if (pid == 0) {
		spin(s);
		_exit(s->bad ? 1 : 42);
	}
	while (!s->rounds)
		sched_yield();
	return pid;
}

/* A syscall instruction: in the vDSO, at the same address in the test and in its fork. */
static void find_foothold(pid_t pid, struct pk_foothold *f)
{
	PK_FREE char *name = pk_asprintf("/proc/%d/maps", pid);
	PK_FREE char *maps = pk_read_file(AT_FDCWD, name, 1 << 20, NULL);
	uint64_t stack = 0;

	memset(f, 0, sizeof(*f));
	for (char *save, *line = strtok_r(maps, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		uint64_t a, b;
		struct pk_gadgets g;

		if (sscanf(line, "%lx-%lx", &a, &b) != 2)
			continue;
		if (strstr(line, "[stack]"))
			stack = a;
		if (!strstr(line, " r-xp ") || strstr(line, "[vsyscall]"))
			continue;
		pk_gadgets_find((const uint8_t *)a, b - a, &g);
		if (g.syscall >= 0)
			f->syscall = a + (uint64_t)g.syscall;
		if (g.syscall_ret >= 0)
			f->syscall_ret = a + (uint64_t)g.syscall_ret;
		if (g.sigreturn >= 0)
			f->sigreturn = a + (uint64_t)g.sigreturn;
	}
	f->frame_at = stack;
}

struct job {
	pid_t pid;
	struct pk_script script;
	uint32_t end_signal;
	bool landing;
	uint64_t before, after; /* ip */
};

static int work(void *arg, struct pk_error *err)
{
	struct job *j = arg;
	struct pk_freeze f = {0};
	PK_FREE char *dir = pk_asprintf("/proc/%d", j->pid);
	PK_CLOSE int procfd = open(dir, O_RDONLY | O_DIRECTORY);
	struct pk_remote r = {.quiet = j->end_signal ? UINT64_C(1) << (j->end_signal - 1) : 0};
	struct pk_tracee *t;
	int e;

	find_foothold(j->pid, &r.foothold);
	if (!j->landing)
		r.foothold.frame_at = 0;
	e = pk_freeze_process(&f, j->pid, procfd, err);
	if (e < 0)
		return e;
	t = f.v[0];
	j->before = pk_regs_ip(&t->regs);
	e = pk_remote_open(&r, t, 0, pk_script_size(&j->script), err);
	if (e == 0)
		e = pk_remote_run(&r, t, &j->script, NULL, err);
	if (e == 0)
		e = pk_remote_close(&r, t, err);
	if (e == 0)
		e = pk_tracee_read_regs(t, err);
	j->after = pk_regs_ip(&t->regs);
	pk_freeze_free(&f);
	return e;
}

static void block_chld(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int finish(pid_t pid, struct shared *s)
{
	uint64_t was = s->rounds;
	int status;

	while (s->rounds < was + 1000 && waitpid(pid, &status, WNOHANG) == 0)
		sched_yield();
	s->stop = 1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char *maps_of(pid_t pid)
{
	PK_FREE char *name = pk_asprintf("/proc/%d/maps", pid);

	return pk_read_file(AT_FDCWD, name, 1 << 20, NULL);
}

static void check_run(uint32_t end_signal, bool landing)
{
	struct shared *s = share();
	pid_t pid = start_victim(s);
	PK_FREE char *before = maps_of(pid);
	struct job j = {.pid = pid, .end_signal = end_signal, .landing = landing};
	struct pk_error err = {0};
	size_t text;

	block_chld();
	text = pk_script_str(&j.script, "/proc/self/comm");
	pk_script_call(&j.script,
		&(struct pk_call){.nr = SYS_getpid, .check = PK_CHECK_EQUAL, .want = pid});
	pk_script_call(&j.script, &(struct pk_call){.nr = SYS_open,
					  .a = {pk_addr(text), pk_num(O_RDONLY)},
					  .check = PK_CHECK_OK});
	pk_script_call(&j.script, &(struct pk_call){.nr = SYS_close, .a = {pk_num(99)}});
	cr_assert_eq(pk_tracer_run(work, &j, &err), 0, "%s: %s", err.what, err.why);
	PK_FREE char *after = maps_of(pid);
	cr_assert_eq(pk_script_ret(&j.script, 0), pid);
	cr_assert(pk_script_ret(&j.script, 1) >= 0);
	cr_assert_eq(pk_script_ret(&j.script, 2), -9);
	cr_assert_eq(j.before, j.after);
	cr_assert_str_eq(before, after);
	cr_assert_eq(finish(pid, s), 42);
	pk_script_free(&j.script);
}

Test(remote, run_with_end_signal)
{
	check_run(SIGURG, true);
}

Test(remote, run_without_end_signal)
{
	check_run(0, true);
}

Test(remote, run_without_landing)
{
	check_run(SIGURG, false);
}

Test(remote, failed_op_is_named_and_victim_unharmed)
{
	struct shared *s = share();
	pid_t pid = start_victim(s);
	struct job j = {.pid = pid, .end_signal = SIGURG, .landing = true};
	struct pk_error err = {0};

	block_chld();
	pk_script_call(&j.script, &(struct pk_call){.nr = SYS_getpid});
	pk_script_call(&j.script,
		&(struct pk_call){.nr = SYS_close, .a = {pk_num(77)}, .check = PK_CHECK_OK});
	cr_assert(pk_tracer_run(work, &j, &err) < 0);
	cr_assert(strstr(err.what, "op    1"), "%s", err.what);
	cr_assert_str_eq(err.why, "Bad file descriptor");
	cr_assert_eq(finish(pid, s), 42);
	pk_script_free(&j.script);
}

/* The tracer in a process of its own, killed at a fault point. */
static void killed_at(const char *fault, uint32_t end_signal)
{
	struct shared *s = share();
	pid_t pid = start_victim(s);
	struct job j = {.pid = pid, .end_signal = end_signal, .landing = true};
	struct pk_error err = {0};
	pid_t tracer;
	int status;

	block_chld();
	for (int i = 0; i < 50; i++)
		pk_script_call(&j.script, &(struct pk_call){.nr = SYS_getppid});
	tracer = fork();
	if (tracer == 0) {
		setenv("PCKPT_FAULT", fault, 1);
		_exit(pk_tracer_run(work, &j, &err) == 0 ? 0 : 1);
	}
	waitpid(tracer, &status, 0);
#ifdef PCKPT_FAULTS
	cr_assert(WIFSIGNALED(status), "%s was not reached", fault);
#endif
	cr_assert_eq(finish(pid, s), 42, "%s: bad %lu", fault, s->bad);
	pk_script_free(&j.script);
}

Test(remote, tracer_killed)
{
	for (int i = 0; i < 10; i++) {
		killed_at("remote.call.entry=kill", SIGURG);
		killed_at("remote.call.exit=kill", SIGURG);
		killed_at("remote.open=kill", SIGURG);
		killed_at("remote.run.borrowed=kill", SIGURG);
		killed_at("remote.run.borrowed=kill", 0);
		killed_at("remote.run.end=kill", SIGURG);
		killed_at("remote.run.end=kill", 0);
	}
}
