/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity
 *
 * Memory that several processes map by a file, each at an address of its own: a POSIX shared memory
 * object with a name, one whose name is gone (as MPI libraries make them), an ordinary file, and a
 * file without a name. Each sees what all others wrote, before and after.
 */
#include "family.h"

enum { CHILDREN = 3, PROCESSES, SIZE = 3 << 20, STRIPE = SIZE / PROCESSES };
enum { NAMED, NAMELESS, FILE_NAMED, FILE_NAMELESS, AREAS };

static const char *const areas[AREAS] = {
	"shared memory", "shared memory without a name", "file", "file without a name"};
static int fd[AREAS];
static char name[64];

static unsigned char pattern(int area, int who, int round, int i)
{
	return (unsigned char)(area * 61 + who * 17 + round * 101 + i * 13 + i / 4096);
}

static void make_areas(void)
{
	char gone[80];

	snprintf(name, sizeof(name), "/dev/shm/pckpt-victim-%d", getpid());
	snprintf(gone, sizeof(gone), "%s-gone", name);
	fd[NAMED] = must(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
	fd[NAMELESS] = must(open(gone, O_RDWR | O_CREAT | O_EXCL, 0600));
	must(unlink(gone));
	fd[FILE_NAMED] = must(open(victim_path("file").s, O_RDWR | O_CREAT | O_EXCL, 0600));
	fd[FILE_NAMELESS] = must(open(victim_path("gone").s, O_RDWR | O_CREAT | O_EXCL, 0600));
	must(unlink(victim_path("gone").s));
	for (int a = 0; a < AREAS; a++)
		must(ftruncate(fd[a], SIZE));
}

/* Descriptors of the nameless are closed: only the mappings keep them. */
static void map_all(unsigned char *map[AREAS], int who)
{
	must(mmap(NULL, (size_t)(1 + who) << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (int a = 0; a < AREAS; a++) {
		map[a] = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd[a], 0));
		if (a != NAMED)
			must(close(fd[a]));
	}
}

static void write_stripes(unsigned char *map[AREAS], int who, int round)
{
	for (int a = 0; a < AREAS; a++)
		for (int i = 0; i < STRIPE; i++)
			map[a][who * STRIPE + i] = pattern(a, who, round, i);
}

static void check_stripe(const unsigned char *at, int area, int who, int round)
{
	for (int i = 0; i < STRIPE; i++) {
		if (at[i] == pattern(area, who, round, i))
			continue;
		expect(pattern(area, who, round, i), at[i], "%s, stripe of %d, round %d, byte %d",
			areas[area], who, round, i);
		return;
	}
}

static void check_all(unsigned char *map[AREAS], int round)
{
	for (int a = 0; a < AREAS; a++)
		for (int who = 0; who < PROCESSES; who++)
			check_stripe(map[a] + who * STRIPE, a, who, round);
}

/* All meet: everybody's value is n at least. */
static void meet(int who, int n)
{
	__atomic_store_n(&family->value[who], n, __ATOMIC_RELEASE);
	for (int i = 0; i < PROCESSES; i++)
		while (__atomic_load_n(&family->value[i], __ATOMIC_ACQUIRE) < n)
			sched_yield();
}

static void second_round(unsigned char *map[AREAS], int who)
{
	check_all(map, 1);
	meet(who, 1);
	write_stripes(map, who, 2);
	meet(who, 2);
	check_all(map, 2);
}

static void child(int i)
{
	unsigned char *map[AREAS];

	map_all(map, 1 + i);
	write_stripes(map, 1 + i, 1);
	family_wait();
	second_round(map, 1 + i);
}

int main(void)
{
	unsigned char *map[AREAS], first;
	pid_t pid[CHILDREN];

	family_begin();
	make_areas();
	for (int i = 0; i < CHILDREN; i++)
		pid[i] = family_fork(child, i);
	map_all(map, 0);
	write_stripes(map, 0, 1);
	family_meet(CHILDREN);
	if (victim_broken())
		map[NAMELESS][STRIPE]++;
	family_over();
	second_round(map, 0);
	for (int i = 0; i < CHILDREN; i++)
		family_join(pid[i]);
	must((int)pread(fd[NAMED], &first, 1, STRIPE));
	expect(pattern(NAMED, 1, 2, 0), first, "%s, read by its descriptor", areas[NAMED]);
	must(unlink(name));
	return victim_done();
}
