/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1,000 threads: each computes from what is on its stack, waits, goes on computing, and is joined.
 */
#include "crew.h"

#define THREADS 1000
#define WORDS   64
#define ROUNDS  1000

static uint64_t results[THREADS];
static int tids[THREADS];

static void compute(uint64_t *words)
{
	for (int r = 0; r < ROUNDS; r++)
		for (int w = 0; w < WORDS; w++)
			words[w] = words[w] * 6364136223846793005ULL + words[(w + r) % WORDS];
}

static uint64_t run(int i, void (*between)(void))
{
	uint64_t words[WORDS], sum = 0;

	for (int w = 0; w < WORDS; w++)
		words[w] = (uint64_t)i * WORDS + (uint64_t)w;
	compute(words);
	if (between)
		between();
	compute(words);
	for (int w = 0; w < WORDS; w++)
		sum ^= words[w];
	return sum;
}

static void body(int i)
{
	tids[i] = gettid();
	results[i] = run(i, meet);
	expect(tids[i], syscall(SYS_gettid), "tid of thread %d", i);
}

int main(void)
{
	crew(THREADS, body);
	for (int i = 0; i < THREADS; i++)
		expect((long long)run(i, NULL), (long long)results[i], "result of thread %d", i);
	return victim_done();
}
