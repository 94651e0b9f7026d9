/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advice that stays with a mapping, as /proc/self/smaps shows it; the content is there in any case.
 */
#include <sys/wait.h>

#include "memory.h"

#define SIZE (8 * PAGE)
#define RW   (PROT_READ | PROT_WRITE)

static struct {
	const char *name, *flag;
	int advice;
	char *p;
	struct mapping before;
} advised[] = {
	{"none", "", 0, NULL, {0}},
	{"DONTFORK", "dc", MADV_DONTFORK, NULL, {0}},
	{"WIPEONFORK", "wf", MADV_WIPEONFORK, NULL, {0}},
	{"DONTDUMP", "dd", MADV_DONTDUMP, NULL, {0}},
	{"SEQUENTIAL", "sr", MADV_SEQUENTIAL, NULL, {0}},
	{"RANDOM", "rr", MADV_RANDOM, NULL, {0}},
	{"HUGEPAGE", "hg", MADV_HUGEPAGE, NULL, {0}},
	{"NOHUGEPAGE", "nh", MADV_NOHUGEPAGE, NULL, {0}},
	{"MERGEABLE", "mg", MADV_MERGEABLE, NULL, {0}},
};
enum { NONE, DONTFORK, WIPEONFORK, ADVISED = ARRAY_SIZE(advised) };

/* By what a child sees: nothing of one, zeros of the other. */
static void expect_fork(void)
{
	int status = 0;
	pid_t child = must(fork());

	if (child == 0) {
		bool gone = touch(advised[DONTFORK].p, false) == SIGSEGV;

		_exit((gone ? 1 : 0) | (*advised[WIPEONFORK].p ? 0 : 2));
	}
	must(waitpid(child, &status, 0));
	expect(3, WEXITSTATUS(status), "child lacks DONTFORK (1) and has WIPEONFORK wiped (2)");
}

int main(void)
{
	for (int i = 0; i < ADVISED; i++) {
		advised[i].p = map_anon(SIZE, RW, MAP_PRIVATE);
		fill(advised[i].p, SIZE, (unsigned)i);
		if (i > 0 && madvise(advised[i].p, SIZE, advised[i].advice) < 0 && errno != EINVAL)
			must(-1);
		advised[i].before = mapping_of(advised[i].p);
	}
	victim_ready();
	if (victim_broken())
		must(madvise(advised[DONTFORK].p, SIZE, MADV_DOFORK));
	for (int i = 0; i < ADVISED; i++) {
		expect_same_mapping(&advised[i].before, advised[i].p, advised[i].name);
		expect_filled(advised[i].p, SIZE, (unsigned)i, advised[i].name);
	}
	expect_fork();
	return victim_done();
}
