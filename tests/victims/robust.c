/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Robust mutexes: the list head that the kernel walks when a thread ends. The owner dies after the
 * restore; a thread that was waiting for it and one that comes later both learn of it.
 */
#include <linux/futex.h>

#include "crew.h"

enum { MAIN, OWNER, WAITER, THREADS };

static pthread_mutex_t taken_later, waited_for;
static int waiter_found;

static void init(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	must0(pthread_mutexattr_init(&attr));
	must0(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	must0(pthread_mutex_init(m, &attr));
}

static struct robust_list_head *list_head(void)
{
	struct robust_list_head *head;
	size_t size;

	must(syscall(SYS_get_robust_list, 0, &head, &size));
	expect(sizeof(*head), (long)size, "size of the robust list head");
	return head;
}

static void body(int i)
{
	struct robust_list_head *before = list_head();

	if (i == OWNER) {
		must0(pthread_mutex_lock(&taken_later));
		must0(pthread_mutex_lock(&waited_for));
	}
	if (i == WAITER) {
		crew_arrive();
		await(&crew_present, THREADS);
		waiter_found = pthread_mutex_lock(&waited_for);
	} else {
		meet();
	}
	if (i == MAIN && victim_broken())
		must(syscall(SYS_set_robust_list, NULL, sizeof(*before)));
	expect((intptr_t)before, (intptr_t)list_head(), "robust list of thread %d", i);
}

int main(void)
{
	init(&taken_later);
	init(&waited_for);
	crew(THREADS, body);
	expect(EOWNERDEAD, waiter_found, "lock by the one that waited");
	expect(EOWNERDEAD, pthread_mutex_trylock(&taken_later), "lock by one that came later");
	must0(pthread_mutex_consistent(&taken_later));
	must0(pthread_mutex_unlock(&taken_later));
	return victim_done();
}
