/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Random numbers of the vDSO, whose state lies in memory of the program. The functions go on,
 * and no number ever comes twice: not in a thread, and not in two lives of the program that
 * begin at one dump (mode runon), for which one thread keeps a list in a file. (No mode
 * identity: it never keeps still.)
 */
#include "crew.h"
#include "memory.h"
#include "vdso.h"

#define THREADS 3
#define LOGGER  1
#define MANY    65536

struct state_info { /* struct vgetrandom_opaque_params */
	uint32_t size, prot, flags, reserved[13];
};

static ssize_t (*vdso_getrandom)(void *buf, size_t n, unsigned flags, void *state, size_t size);
static struct state_info info;
static uint64_t numbers[MANY];

static uint64_t draw(void *state)
{
	uint64_t number = 0;

	expect(sizeof(number), vdso_getrandom(&number, sizeof(number), 0, state, info.size),
		"bytes of getrandom");
	return number;
}

static void note(uint64_t number)
{
	int fd = must(open(victim_path("numbers").s, O_WRONLY | O_CREAT | O_APPEND, 0666));

	must_true(write(fd, &number, sizeof(number)) == sizeof(number));
	close(fd);
}

static void body(int i)
{
	void *state = must(mmap(NULL, PAGE, (int)info.prot, (int)info.flags, -1, 0));
	struct timespec ms = {.tv_nsec = 1000000};

	note(draw(state));
	if (i > 0)
		crew_arrive();
	else
		meet();
	while (!crew_is_over()) {
		uint64_t number = draw(state);

		if (i == LOGGER) {
			note(number);
			nanosleep(&ms, NULL);
		}
	}
	note(victim_broken() ? 1 : draw(state));
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	size_t n;
	int fd;

	vdso_getrandom = vdso_symbol("__vdso_getrandom");
	if (!vdso_getrandom || vdso_getrandom(NULL, 0, 0, &info, ~0UL) != 0)
		victim_skip("no getrandom in the vDSO");
	crew(THREADS, body);
	fd = must(open(victim_path("numbers").s, O_RDONLY));
	n = (size_t)must(read(fd, numbers, sizeof(numbers))) / sizeof(numbers[0]);
	qsort(numbers, n, sizeof(numbers[0]), compare);
	for (size_t i = 1; i < n; i++)
		expect(0, numbers[i] == numbers[i - 1], "number drawn twice");
	return victim_done();
}
