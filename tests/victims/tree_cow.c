/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: without=identity timeout=120
 *
 * Memory that parent and children have in common since fork(2): each sees its own pages, changed,
 * dropped and added ones, and what none has changed takes memory once: the sum of all Pss.
 */
#include "family.h"

enum { CHILDREN = 4, PAGES = 8192, PAGE = 4096 };

static unsigned char *block;

static unsigned char pattern(int who, int page)
{
	return (unsigned char)(1 + (who * 31 + page * 7) % 250);
}

/* Each changes every 64th page, drops some and leaves the rest alone. */
static bool changes(int who, int page)
{
	return page % 64 == who;
}

static bool drops(int who, int page)
{
	return who && page % 128 == 32 + who;
}

static void change(int who)
{
	for (int p = 0; p < PAGES; p++) {
		if (changes(who, p))
			memset(block + p * PAGE, pattern(who, p), PAGE);
		if (drops(who, p))
			must(madvise(block + p * PAGE, PAGE, MADV_DONTNEED));
	}
}

static void check(int who)
{
	for (int p = 0; p < PAGES; p++) {
		int want = drops(who, p) ? 0 : changes(who, p) ? pattern(who, p) : pattern(0, p);

		expect(want, block[p * PAGE + p % PAGE], "process %d, page %d", who, p);
		if (victim_differences > 20)
			return;
	}
}

static long pss(void)
{
	char text[4096], *at;

	read_text("/proc/self/smaps_rollup", text, sizeof(text));
	at = strstr(text, "\nPss:");
	return at ? atol(at + 5) : 0;
}

static void child(int i)
{
	change(i);
	family->value[i] = pss();
	family_wait();
	family->value[100 + i] = pss();
	__atomic_add_fetch(&family->present, 1, __ATOMIC_ACQ_REL);
	family_futex(&family->present, FUTEX_WAKE, INT_MAX);
	while (__atomic_load_n(&family->over, __ATOMIC_ACQUIRE) < 2)
		sched_yield();
	check(i);
}

static long sum(int from)
{
	long all = 0;

	for (int i = 0; i <= CHILDREN; i++)
		all += family->value[from + i];
	return all;
}

int main(void)
{
	pid_t pid[CHILDREN];
	long before;

	family_begin();
	block = must(mmap(
		NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (int p = 0; p < PAGES; p++)
		memset(block + p * PAGE, pattern(0, p), PAGE);
	for (int i = 0; i < CHILDREN; i++)
		pid[i] = family_fork(child, i + 1);
	family_await(CHILDREN);
	family->value[0] = pss();
	before = sum(0);
	victim_ready();
	family->present = 0;
	family_over();
	family_await(CHILDREN);
	family->value[100] = pss();
	if (victim_broken())
		block[0]++;
	expect_range(0, before + before / 10, sum(100), "KiB of memory, all processes together");
	family->over = 2;
	check(0);
	for (int i = 0; i < CHILDREN; i++)
		family_join(pid[i]);
	return victim_done();
}
