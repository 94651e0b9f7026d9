/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity lose=made
 *
 * Temporary files that are memory of the job: one of shm_open(3), and one in a directory of its
 * own, which is gone when the job is restored. Their content is that of the moment of the dump,
 * however often they were written to since; they have their names and permissions, and processes
 * that had them in common still have.
 */
#include "family.h"
#include "memory.h"

#define SIZE (16 * PAGE)

static char *shm, *file, name[64];

/* What it counts in shared memory and in its own goes on together. */
static void count(int i)
{
	volatile uint64_t *there = (uint64_t *)(shm + 3 * PAGE), here = 0;

	(void)i;
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	while (!__atomic_load_n(&family->over, __ATOMIC_ACQUIRE) && !victim_differences) {
		++*there;
		++here;
		expect((long long)here, (long long)*there, "counter");
		usleep(100);
	}
	expect_text("from the first", file + 5 * PAGE, "seen by the child");
	strcpy(file + 6 * PAGE, "from the child");
}

static char *map(int fd, mode_t mode)
{
	char *p;

	must(ftruncate(fd, SIZE));
	must(fchmod(fd, mode));
	p = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	return p;
}

static void expect_file(const char *path, mode_t mode, const char *memory)
{
	struct stat st = {0};
	char buf[16] = "";
	int fd = open(path, O_RDONLY);

	expect(1, fd >= 0, "%s is there", path);
	fstat(fd, &st);
	expect(mode, st.st_mode & 07777, "mode of %s", path);
	expect(SIZE, st.st_size, "size of %s", path);
	strcpy((char *)memory + 9 * PAGE, "written");
	if (pread(fd, buf, 8, 9 * PAGE) == 8)
		expect_text("written", buf, "through the file");
	close(fd);
}

int main(void)
{
	pid_t child;
	int fd;

	snprintf(name, sizeof(name), "/dev/shm/pckpt-victim-%d", getpid());
	must(mkdir(victim_path("made").s, 0700));
	shm = map(must(open(name, O_RDWR | O_CREAT | O_EXCL, 0600)), 0640);
	file = map(must(open(victim_path("made/file").s, O_RDWR | O_CREAT | O_EXCL, 0600)), 0604);
	fill(shm, PAGE, 1);
	fill(file + 2 * PAGE, PAGE, 2);
	family_begin();
	child = family_fork(count, 0);
	fd = must(open(name, O_RDONLY));
	family_meet(1);
	if (victim_broken())
		shm[0]++;
	expect_filled(shm, PAGE, 1, name);
	expect_filled(file + 2 * PAGE, PAGE, 2, "file");
	expect_zero(file + 3 * PAGE, 6 * PAGE, "holes");
	expect_file(name, 0640, shm);
	expect_file(victim_path("made/file").s, 0604, file);
	expect('w', pread(fd, name + 60, 1, 9 * PAGE) == 1 ? name[60] : 0,
		"through the descriptor");
	name[60] = '\0';
	strcpy(file + 5 * PAGE, "from the first");
	family_over();
	family_join(child);
	expect_text("from the child", file + 6 * PAGE, "seen by the first");
	unlink(name);
	return victim_done();
}
