/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eventfd(2): counters from nothing to the largest, counting down one by one, flags, and one that
 * two descriptors share.
 */
#include <sys/eventfd.h>

#include "files.h"

#define MOST 0xfffffffffffffffeu

static const struct {
	uint64_t count;
	int flags, later; /* of eventfd2 and of F_SETFL */
} kinds[] = {
	{0, EFD_NONBLOCK, 0},
	{1, EFD_NONBLOCK | EFD_CLOEXEC, 0},
	{77, 0, O_NONBLOCK | O_APPEND},
	{MOST, EFD_NONBLOCK, 0},
	{0, EFD_SEMAPHORE | EFD_NONBLOCK, 0},
	{1, EFD_SEMAPHORE, O_NONBLOCK},
	{5, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC, 0},
};
#define KINDS ARRAY_SIZE(kinds)

static void expect_counter(int fd, size_t i)
{
	bool sem = kinds[i].flags & EFD_SEMAPHORE;
	uint64_t v = 0, reads = sem ? kinds[i].count : kinds[i].count != 0;

	for (uint64_t k = 0; k < reads; k++) {
		expect(sizeof(v), read(fd, &v, sizeof(v)), "eventfd %zu: bytes read", i);
		expect((long long)(sem ? 1 : kinds[i].count), (long long)v, "eventfd %zu", i);
	}
	expect_errno(EAGAIN, read(fd, &v, sizeof(v)));
}

int main(void)
{
	struct descriptor before[KINDS];
	uint64_t two = 2, v = 0;
	int fd[KINDS], pair[2];

	for (size_t i = 0; i < KINDS; i++) {
		fd[i] = must(eventfd(0, kinds[i].flags));
		if (kinds[i].later)
			must(fcntl(fd[i], F_SETFL, kinds[i].later));
		if (kinds[i].count)
			must(write(fd[i], &kinds[i].count, sizeof(uint64_t)));
		before[i] = descriptor_of(fd[i]);
	}
	pair[0] = must(eventfd(3, EFD_NONBLOCK));
	pair[1] = must(fcntl(pair[0], F_DUPFD_CLOEXEC, 700));
	victim_ready();
	if (victim_broken())
		must(read(fd[6], &v, sizeof(v)));
	for (size_t i = 0; i < KINDS; i++) {
		expect(before[i].flags, fcntl(fd[i], F_GETFL), "eventfd %zu: F_GETFL", i);
		expect(before[i].cloexec, fcntl(fd[i], F_GETFD), "eventfd %zu: F_GETFD", i);
		expect_counter(fd[i], i);
	}
	must(write(pair[0], &two, sizeof(two)));
	expect(sizeof(v), read(pair[1], &v, sizeof(v)), "shared eventfd: bytes read");
	expect(5, (long long)v, "shared eventfd");
	return victim_done();
}
