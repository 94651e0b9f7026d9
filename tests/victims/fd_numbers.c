/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of descriptors: a long run without a gap, single ones far above, the last that the soft
 * limit allows, one above a limit lowered since; all others are closed.
 */
#include <sys/resource.h>

#include "files.h"

#define RUN  200
#define SOFT 1024

static const int singles[] = {255, 300, 512, 821, 1000, SOFT - 1, SOFT + 76};

static bool is_single(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(singles); i++)
		if (singles[i] == fd)
			return true;
	return false;
}

/* Each with an offset that tells which it is. */
static void open_as(int number)
{
	int fd = must(open(victim_path("file").s, O_RDONLY));

	must(lseek(fd, number, SEEK_SET));
	if (fd == number)
		return;
	must(dup2(fd, number));
	close(fd);
}

int main(void)
{
	struct rlimit limit;

	must(close_range(3, ~0U, 0)); /* whatever the caller left open */
	write_text(victim_path("file").s, "any");
	must(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < SOFT + 100)
		victim_skip("a hard limit of %lu descriptors", (long)limit.rlim_max);
	limit.rlim_cur = SOFT + 100;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	for (int fd = 3; fd <= RUN; fd++)
		open_as(fd);
	for (size_t i = 0; i < ARRAY_SIZE(singles); i++)
		open_as(singles[i]);
	limit.rlim_cur = SOFT;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	victim_ready();
	if (victim_broken())
		must(close(821));
	for (int fd = 3; fd < SOFT + 200; fd++) {
		if (fd <= RUN || is_single(fd))
			expect(fd, lseek(fd, 0, SEEK_CUR), "offset of descriptor %d", fd);
		else
			expect(-1, fcntl(fd, F_GETFD), "close-on-exec of closed descriptor %d", fd);
	}
	expect(RUN + 1, dup(3), "number of the next descriptor");
	return victim_done();
}
