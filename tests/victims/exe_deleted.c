/* SPDX-License-Identifier: Apache-2.0 */
/* A program whose own executable was deleted while it ran: it goes on, and /proc still names it. */
#include "memory.h"

static void become_copy(char **argv)
{
	char exe[512];
	int in = must(open(read_link("/proc/self/exe", exe, sizeof(exe)), O_RDONLY));
	int out = must(open(victim_path("copy").s, O_WRONLY | O_CREAT, 0755));
	char buf[65536];
	ssize_t n;

	while ((n = must(read(in, buf, sizeof(buf)))) > 0)
		must_true(write(out, buf, (size_t)n) == n);
	close(in);
	close(out);
	must(execl(victim_path("copy").s, argv[0], "copy", NULL));
}

/* In a page of its own that nothing has touched before the dump. */
static const char late[2 * 4096] __attribute__((aligned(4096))) = {[4096] = 'L'};

int main(int argc, char **argv)
{
	struct mapping before, after;
	char want[560], found[560];

	if (argc == 1)
		become_copy(argv);
	must(unlink(victim_path("copy").s));
	before = mapping_of((void *)(uintptr_t)main);
	victim_ready();
	after = mapping_of((void *)(uintptr_t)main);
	expect_text(before.path, after.path, "name of the code's mapping");
	expect('L', *(volatile const char *)&late[4096], "constant in a page never touched");
	snprintf(want, sizeof(want), "%s (deleted)", victim_path("copy").s);
	expect_text(want, read_link("/proc/self/exe", found, sizeof(found)), "/proc/self/exe");
	read_text("/proc/self/exe", found, 5);
	expect_text("\177ELF", found, "what /proc/self/exe opens");
	expect(-1, access(victim_path("copy").s, F_OK), "access to the deleted executable");
	return victim_done();
}
