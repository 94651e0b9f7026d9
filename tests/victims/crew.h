/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Victims of several threads. crew(n, body) runs body(i) in n threads, the main thread being
 * number 0, and returns when all have ended. Each calls meet() once, at the place where its
 * state is to hold: the main thread tells the runner and waits for it, the others wait in a
 * futex. A thread that is to be elsewhere calls crew_arrive() instead and goes there; crew_over
 * tells it when to end.
 */
#ifndef CREW_H
#define CREW_H

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>

#include "victim.h"

static int crew_size = 1, crew_present, crew_over;
static __thread int crew_number;

struct crew_member {
	pthread_t thread;
	int number;
	void (*body)(int);
};

static inline long futex(int *word, int op, int val, const struct timespec *t)
{
	return syscall(SYS_futex, word, op, val, t, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* Wait in an untimed futex until the word is `value`; announce() sets it and wakes all. */
static inline void await(int *word, int value)
{
	int found;

	while ((found = __atomic_load_n(word, __ATOMIC_ACQUIRE)) != value)
		futex(word, FUTEX_WAIT_PRIVATE, found, NULL);
}

static inline void announce(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	futex(word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
}

static inline void crew_arrive(void)
{
	__atomic_add_fetch(&crew_present, 1, __ATOMIC_ACQ_REL);
	futex(&crew_present, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
}

static inline void meet(void)
{
	crew_arrive();
	if (crew_number) {
		await(&crew_over, 1);
		return;
	}
	await(&crew_present, crew_size);
	victim_ready();
	announce(&crew_over, 1);
}

static inline bool crew_is_over(void)
{
	return __atomic_load_n(&crew_over, __ATOMIC_ACQUIRE);
}

static inline void *crew_run(void *arg)
{
	struct crew_member *m = arg;

	crew_number = m->number;
	m->body(m->number);
	return NULL;
}

static inline void crew(int n, void (*body)(int))
{
	struct crew_member *members = calloc((size_t)n, sizeof(*members));

	must_true(members);
	crew_size = n;
	for (int i = 0; i < n; i++)
		members[i] = (struct crew_member){.number = i, .body = body};
	for (int i = 1; i < n; i++)
		must0(pthread_create(&members[i].thread, NULL, crew_run, &members[i]));
	body(0);
	for (int i = 1; i < n; i++)
		must0(pthread_join(members[i].thread, NULL));
	free(members);
}

/* Wait until a thread of ours sleeps in the kernel, that is, has reached the wait it went for. */
static inline void await_sleep(pid_t tid)
{
	struct timespec ms = {.tv_nsec = 1000000};
	char path[64], text[256], *end;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	do {
		nanosleep(&ms, NULL);
		end = strrchr(read_text(path, text, sizeof(text)), ')');
	} while (!end || end[2] != 'S');
}

#endif
