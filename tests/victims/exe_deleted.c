/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose own executable was deleted while it ran: it goes on, also in parts of it that
 * were never in memory before, and /proc/self/exe still leads to the same content.
 */
#include "memory.h"

#define EXE "/proc/self/exe"

/* In a page that nothing has touched before the dump. */
static const char late[2 * PAGE] __attribute__((aligned(4096))) = {[4096] = 'L'};

static void become_copy(char **argv)
{
	int in = must(open(EXE, O_RDONLY));
	int out = must(open(victim_path("copy").s, O_WRONLY | O_CREAT, 0755));
	char buf[65536];
	ssize_t n;

	while ((n = must(read(in, buf, sizeof(buf)))) > 0)
		must_true(write(out, buf, (size_t)n) == n);
	close(in);
	close(out);
	must(execl(victim_path("copy").s, argv[0], "copy", NULL));
}

static uint64_t exe_sum(void)
{
	int fd = must(open(EXE, O_RDONLY | O_CLOEXEC));
	uint64_t sum = 0, word;

	while (must(read(fd, &word, sizeof(word))) == sizeof(word))
		sum = sum * 31 + word;
	close(fd);
	return sum;
}

int main(int argc, char **argv)
{
	struct mapping m;
	char link[512];
	uint64_t sum;

	if (argc == 1)
		become_copy(argv);
	must(unlink(victim_path("copy").s));
	sum = exe_sum();
	victim_ready();
	expect('L', *(volatile const char *)&late[PAGE], "constant in a page never touched");
	m = mapping_of((void *)(uintptr_t)main);
	expect_text("r-xp", m.perms, "protection of the code");
	expect_deleted(m.path, "code");
	expect_deleted(read_link(EXE, link, sizeof(link)), EXE);
	expect((long long)sum, (long long)exe_sum(), "sum of what " EXE " leads to");
	expect(-1, access(victim_path("copy").s, F_OK), "access to the deleted executable");
	return victim_done();
}
