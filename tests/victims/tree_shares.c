/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Processes that share more than fork(2) does: one descriptor table (CLONE_FILES), one cwd and
 * umask (CLONE_FS), open files with one offset; and one whose parent hears of its end by another
 * signal.
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

static void other_signal(int i)
{
	(void)i;
	family_wait();
}

int main(void)
{
	pid_t files, fs, offset, other;
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
	family_meet(4);
	family_over();
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
