/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that runs from a memfd, without a descriptor on it: fexecve(3).
 */
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "victim.h"

extern char **environ;

static _Noreturn void run_copy(void)
{
	int from = must(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	int fd = must(memfd_create("program", MFD_CLOEXEC));
	char *argv[] = {"copy", NULL};

	while (must(sendfile(fd, from, NULL, 1 << 20)) > 0)
		;
	/* Not by fexecve: it needs the file open for reading only. */
	must(syscall(SYS_execveat, fd, "", argv, environ, 0x1000 /* AT_EMPTY_PATH */));
	_exit(1);
}

int main(int argc, char **argv)
{
	char link[256];

	(void)argc;
	if (strcmp(argv[0], "copy") != 0)
		run_copy();
	victim_ready();
	expect_text(victim_broken() ? "" : "/memfd:program (deleted)",
		read_link("/proc/self/exe", link, sizeof(link)), "/proc/self/exe");
	return victim_done();
}
