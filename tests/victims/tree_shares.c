/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Processes that share more than fork(2) does: one descriptor table (CLONE_FILES), one cwd and
 * umask (CLONE_FS), one memory (CLONE_VM), also with one set of signal actions (CLONE_SIGHAND),
 * open files with one offset; and one whose parent hears of its end by another signal.
 */
#include "family.h"

static int heard, fd;

static void hear(int sig)
{
	(void)sig;
	heard++;
}

static pid_t clone_as(unsigned long flags, void (*body)(int))
{
	pid_t pid = (pid_t)must(syscall(SYS_clone, flags, NULL, NULL, NULL, 0));

	if (pid)
		return pid;
	victim_differences = 0;
	body(0);
	_exit(victim_done());
}

static void shares_files(int i)
{
	(void)i;
	family_wait();
	must(dup2(fd, 100));
}

static void shares_fs(int i)
{
	(void)i;
	family_wait();
	umask(0123);
	must(chdir("/proc"));
}

static void shares_offset(int i)
{
	(void)i;
	family_wait();
	expect(3, lseek(fd, 0, SEEK_CUR), "offset in a child");
	must(lseek(fd, 5, SEEK_SET));
}

static int told, met;

static int shares_memory(void *how)
{
	/* Not family_wait(): errno, which it may set, is the parent's. */
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	while (!__atomic_load_n(&family->over, __ATOMIC_ACQUIRE))
		sched_yield();
	if (how)
		signal(SIGUSR1, SIG_IGN);
	__atomic_add_fetch(&told, 1, __ATOMIC_RELAXED);
	return 0;
}

static pid_t clone_with_stack(int flags, void *how)
{
	char *stack = must(
		mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	return must(clone(shares_memory, stack + (1 << 16), flags | SIGCHLD, how));
}

static void other_signal(int i)
{
	(void)i;
	family_wait();
}

int main(void)
{
	pid_t files, fs, offset, other, memory, actions;
	char path[256];

	family_begin();
	write_text(victim_path("file").s, "0123456789");
	fd = must(open(victim_path("file").s, O_RDWR));
	must(lseek(fd, 3, SEEK_SET));
	umask(022);
	must_true(signal(SIGUSR2, hear) != SIG_ERR);
	files = clone_as(CLONE_FILES | SIGCHLD, shares_files);
	fs = clone_as(CLONE_FS | SIGCHLD, shares_fs);
	offset = family_fork(shares_offset, 0);
	other = clone_as(SIGUSR2, other_signal);
	memory = clone_with_stack(CLONE_VM, NULL);
	actions = clone_with_stack(CLONE_VM | CLONE_SIGHAND, &met);
	family_meet(6);
	family_over();
	family_join(memory);
	family_join(actions);
	expect(2, told, "children that wrote to the parent's memory");
	expect((long)SIG_IGN, (long)signal(SIGUSR1, SIG_DFL), "action that a child set");
	family_join(offset);
	expect(victim_broken() ? 3 : 5, lseek(fd, 0, SEEK_CUR), "offset after a child's seek");
	family_join(files);
	expect(5, lseek(100, 0, SEEK_CUR), "descriptor that a child made");
	family_join(fs);
	expect(0123, umask(0), "umask that a child set");
	expect_text("/proc", getcwd(path, sizeof(path)) ? path : "?", "cwd that a child set");
	family_join(other);
	expect(1, heard, "SIGUSR2 at a child's end");
	return victim_done();
}
