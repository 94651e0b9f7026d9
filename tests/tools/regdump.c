/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regdump PID: what only a tracer sees of each thread, one fact a line as "TID NAME VALUE": general
 * registers, xstate, signal mask, pending signals with their siginfo, rseq registration. Attaches
 * by PTRACE_SEIZE and leaves without a trace, except that calls which every ptrace stop ends with
 * EINTR (signal(7)) do end so: don't point it at those.
 */
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define MAX_TIDS    4096
#define XSTATE_MAX  16384
#define XSTATE_HEAD 512 /* XSTATE_BV and what follows it: says what is not in its initial state */
#define XSTATE_BODY 576
#define SIGINFOS    32

static const char *const reg_names[] = {"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10",
	"r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp",
	"ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"};

static void print_hex(pid_t tid, const char *name, const void *p, size_t n)
{
	const uint8_t *b = p;

	printf("%d %s ", tid, name);
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	putchar('\n');
}

static int warn_errno(pid_t tid, const char *what)
{
	fprintf(stderr, "regdump: %d: %s: %s\n", tid, what, strerror(errno));
	return -1;
}

/* Wait for the stop that PTRACE_INTERRUPT asks for; hand on signals that come before it. */
static int wait_stop(pid_t tid)
{
	int status;

	for (;;) {
		if (waitpid(tid, &status, __WALL) < 0)
			return warn_errno(tid, "waitpid");
		if (!WIFSTOPPED(status)) {
			errno = ESRCH;
			return warn_errno(tid, "ended");
		}
		if (status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		ptrace(PTRACE_CONT, tid, 0, (long)WSTOPSIG(status));
	}
}

static int dump_general(pid_t tid)
{
	struct user_regs_struct regs;
	struct iovec iov = {&regs, sizeof(regs)};
	const unsigned long long *values = (const unsigned long long *)&regs;

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) < 0)
		return warn_errno(tid, "NT_PRSTATUS");
	for (size_t i = 0; i < sizeof(reg_names) / sizeof(reg_names[0]); i++)
		printf("%d %s %#llx\n", tid, reg_names[i], values[i]);
	return 0;
}

static int dump_xstate(pid_t tid)
{
	static uint8_t buf[XSTATE_MAX];
	struct iovec iov = {buf, sizeof(buf)};
	size_t n;

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) < 0)
		return warn_errno(tid, "NT_X86_XSTATE");
	n = iov.iov_len;
	while (n > XSTATE_BODY && !buf[n - 1])
		n--;
	print_hex(tid, "legacy", buf, XSTATE_HEAD);
	print_hex(tid, "xstate", buf + XSTATE_BODY, n - XSTATE_BODY);
	return 0;
}

static int dump_pending(pid_t tid, const char *name, uint32_t flags)
{
	static siginfo_t infos[SIGINFOS];
	struct __ptrace_peeksiginfo_args args = {.flags = flags, .nr = SIGINFOS};
	long n;

	while ((n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, infos)) > 0) {
		for (long i = 0; i < n; i++) {
			char label[32];

			snprintf(label, sizeof(label), "%s.%ld", name, (long)args.off + i);
			print_hex(tid, label, &infos[i], sizeof(infos[i]));
		}
		args.off += (uint64_t)n;
	}
	return n < 0 ? warn_errno(tid, "PTRACE_PEEKSIGINFO") : 0;
}

static int dump_thread(pid_t tid, bool leader)
{
	struct __ptrace_rseq_configuration rseq = {0};
	uint64_t mask;

	if (dump_general(tid) < 0 || dump_xstate(tid) < 0)
		return -1;
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask) < 0)
		return warn_errno(tid, "PTRACE_GETSIGMASK");
	printf("%d sigmask %#lx\n", tid, (unsigned long)mask);
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(rseq), &rseq) > 0)
		print_hex(tid, "rseq", &rseq, sizeof(rseq));
	if (dump_pending(tid, "private", 0) < 0)
		return -1;
	return leader ? dump_pending(tid, "shared", PTRACE_PEEKSIGINFO_SHARED) : 0;
}

static int list_threads(const char *pid, pid_t *tids)
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)) && n < MAX_TIDS)
		if (isdigit((unsigned char)e->d_name[0]))
			tids[n++] = atoi(e->d_name);
	if (d)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	static pid_t tids[MAX_TIDS];
	int n = argc == 2 ? list_threads(argv[1], tids) : 0;
	int ret = 0;

	if (!n) {
		fputs("usage: regdump PID\n", stderr);
		return 2;
	}
	for (int i = 0; i < n; i++)
		if (ptrace(PTRACE_SEIZE, tids[i], 0, 0) < 0 ||
			ptrace(PTRACE_INTERRUPT, tids[i], 0, 0) < 0)
			return warn_errno(tids[i], "PTRACE_SEIZE") ? 1 : 0;
	for (int i = 0; i < n; i++)
		if (wait_stop(tids[i]) < 0 || dump_thread(tids[i], i == 0) < 0)
			ret = 1;
	for (int i = 0; i < n; i++)
		ptrace(PTRACE_DETACH, tids[i], 0, 0);
	return ret;
}
