/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thread-local storage: variables with and without initial values, keys, errno, and
 * thread identity.
 */
#include "crew.h"

#define THREADS 8
#define KEYS    40

static __thread int with_value = 42;
static __thread char big[20000];
static pthread_key_t keys[KEYS];
static int destroyed;

static void destroy(void *p)
{
	(void)p;
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
}

static void body(int i)
{
	pthread_t self = pthread_self();

	expect(42, with_value, "initial value in thread %d", i);
	with_value = 1000 + i;
	memset(big, 'a' + i, sizeof(big));
	for (intptr_t k = 0; k < KEYS; k++)
		must0(pthread_setspecific(keys[k], (void *)(i * 100 + k + 1)));
	errno = 100 + i;
	meet();
	if (victim_broken())
		with_value++;
	expect(1000 + i, with_value, "variable of thread %d", i);
	for (size_t n = 0; n < sizeof(big); n++)
		must_true(big[n] == 'a' + i);
	for (intptr_t k = 0; k < KEYS; k++)
		expect(i * 100 + k + 1, (intptr_t)pthread_getspecific(keys[k]),
			"key %ld of thread %d", (long)k, i);
	expect(1, pthread_equal(self, pthread_self()) != 0, "pthread_self of thread %d", i);
}

int main(void)
{
	for (int k = 0; k < KEYS; k++)
		must0(pthread_key_create(&keys[k], destroy));
	crew(THREADS, body);
	expect((THREADS - 1) * KEYS, destroyed, "keys destroyed at the end of threads");
	return victim_done();
}
