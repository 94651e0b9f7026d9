/* SPDX-License-Identifier: Apache-2.0 */
/* Victims of memory: patterns, what /proc says of a mapping, what happens on a touch. */
#ifndef MEMORY_H
#define MEMORY_H

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "victim.h"

#define PAGE ((size_t)4096)
#define MIB  ((size_t)1 << 20)

static inline uint64_t pattern(uint64_t seed, size_t i)
{
	return (seed << 32 | (i + 1)) * 0x9e3779b97f4a7c15ULL;
}

/* Every word from p on depends on the seed and on its place. */
static inline void fill(void *p, size_t n, uint64_t seed)
{
	uint64_t *words = p;

	for (size_t i = 0; i < n / 8; i++)
		words[i] = pattern(seed, i);
}

static inline void expect_filled(const void *p, size_t n, uint64_t seed, const char *what)
{
	const uint64_t *words = p;

	for (size_t i = 0; i < n / 8; i++) {
		if (words[i] == pattern(seed, i))
			continue;
		expect((long long)pattern(seed, i), (long long)words[i], "%s at %#zx", what, i * 8);
		return;
	}
}

static inline void expect_zero(const void *p, size_t n, const char *what)
{
	const uint64_t *words = p;

	for (size_t i = 0; i < n / 8; i++) {
		if (!words[i])
			continue;
		expect(0, (long long)words[i], "%s at %#zx", what, i * 8);
		return;
	}
}

/* Between two pages of nothing, so that the kernel merges it with no neighbour. */
static inline void *map_anon(size_t n, int prot, int flags)
{
	char *p = must(mmap(NULL, n + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	return must(mmap(p + PAGE, n, prot, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

/* A file in the victim's directory with n bytes of pattern, open for reading and writing. */
static inline int make_file(const char *name, size_t n, uint64_t seed)
{
	int fd = must(open(victim_path(name).s, O_RDWR | O_CREAT | O_TRUNC, 0666));
	void *p = map_anon(n, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	fill(p, n, seed);
	must_true(write(fd, p, n) == (ssize_t)n);
	must(lseek(fd, 0, SEEK_SET));
	munmap(p, n);
	return fd;
}

/* One entry of /proc/self/smaps. */
struct mapping {
	uintptr_t start, end;
	char perms[8];
	char path[256];
	char flags[160];                      /* the VmFlags, each followed by a blank */
	unsigned long rss, locked, anon_huge; /* kB */
};

static inline void mapping_detail(struct mapping *m, const char *line)
{
	if (!strncmp(line, "VmFlags: ", 9))
		snprintf(m->flags, sizeof(m->flags), "%.159s", line + 9);
	sscanf(line, "Rss: %lu", &m->rss);
	sscanf(line, "Locked: %lu", &m->locked);
	sscanf(line, "AnonHugePages: %lu", &m->anon_huge);
}

static inline struct mapping mapping_of(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	struct mapping m = {0}, next;
	char line[512];

	must_true(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		memset(&next, 0, sizeof(next));
		if (sscanf(line, "%lx-%lx %7s %*x %*s %*u %255[^\n]", &next.start, &next.end,
			    next.perms, next.path) < 3)
			mapping_detail(&m, line);
		else if (next.start > (uintptr_t)p)
			break;
		else
			m = next;
	}
	fclose(f);
	if ((uintptr_t)p >= m.end)
		memset(&m, 0, sizeof(m));
	return m;
}

static inline bool has_flag(const struct mapping *m, const char *flag)
{
	return strstr(m->flags, flag);
}

/* The mapping at p is to have the same flags as once. */
static inline void expect_same_mapping(const struct mapping *want, const void *p, const char *what)
{
	struct mapping m = mapping_of(p);

	expect_text(want->perms, m.perms, "%s: protection", what);
	expect_text(want->flags, m.flags, "%s: VmFlags", what);
	expect((long)want->start, (long)m.start, "%s: start", what);
	expect((long)want->end, (long)m.end, "%s: end", what);
}

/* What /proc says of a file without a name; which name it once had does not matter. */
static inline void expect_deleted(const char *path, const char *what)
{
	const char *end = strrchr(path, '(');

	expect_text("(deleted)", end ? end : path, "%s: end of the path in /proc", what);
}

static sigjmp_buf touch_fault;

static inline void touch_handler(int sig)
{
	siglongjmp(touch_fault, sig);
}

/* Read or write one byte: the signal that comes of it, or 0. */
static inline int touch(volatile char *p, bool writing)
{
	struct sigaction sa = {.sa_handler = touch_handler}, segv, bus;
	int sig;

	must(sigaction(SIGSEGV, &sa, &segv));
	must(sigaction(SIGBUS, &sa, &bus));
	sig = sigsetjmp(touch_fault, 1);
	if (!sig) {
		char c = *p;

		if (writing)
			*p = c;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

#endif
