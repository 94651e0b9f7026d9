/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * A program whose own executable and a mapped file are in a directory that was closed to its user
 * (chmod 0) while it ran: it goes on, also in parts that were never in memory before.
 */
#include "memory.h"

#define EXE "/proc/self/exe"

/* In a page that nothing has touched before the dump. */
static const char late[2 * PAGE] __attribute__((aligned(4096))) = {[4096] = 'L'};

static void become_copy(char **argv)
{
	int in = must(open(EXE, O_RDONLY)), out;
	char buf[65536];
	ssize_t n;

	must(mkdir(victim_path("own").s, 0700));
	out = must(open(victim_path("own/copy").s, O_WRONLY | O_CREAT, 0755));
	while ((n = must(read(in, buf, sizeof(buf)))) > 0)
		must_true(write(out, buf, (size_t)n) == n);
	close(in);
	close(out);
	must(execl(victim_path("own/copy").s, argv[0], "copy", NULL));
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

static const char *map_data(void)
{
	int fd = must(open(victim_path("own/data").s, O_RDWR | O_CREAT, 0600));
	void *p;

	must_true(write(fd, "data", 5) == 5);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	must_true(p != MAP_FAILED);
	close(fd);
	return p;
}

int main(int argc, char **argv)
{
	const char *data;
	uint64_t sum;

	if (argc == 1)
		become_copy(argv);
	data = map_data();
	sum = exe_sum();
	must(chmod(victim_path("own").s, 0));
	victim_ready();
	expect('L', *(volatile const char *)&late[PAGE], "constant in a page never touched");
	expect_text("data", data, "the mapped file");
	expect((long long)sum, (long long)exe_sum(), "sum of what " EXE " leads to");
	must(chmod(victim_path("own").s, 0700));
	expect(0, access(victim_path("own/copy").s, X_OK), "access to the executable");
	return victim_done();
}
