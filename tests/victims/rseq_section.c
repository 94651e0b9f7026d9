/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that are nearly always inside a restartable sequence: each adds one to the counter of its
 * CPU, with a long pause between load and store. One that is stopped in it and goes on without an
 * abort would overwrite what others have added: the sum of the counters tells.
 */
#include "rseq.h"

#define THREADS 5
#define CPUS    1024
#define STRIDE  64

static char counters[CPUS * STRIDE] __attribute__((aligned(STRIDE)));
static uint64_t added[THREADS], aborted[THREADS];

/* False if the kernel aborted it. The signature before the abort handler is libc's RSEQ_SIG. */
static bool add_one(struct rseq *area)
{
	asm volatile goto(
		".pushsection .data.rseq, \"aw\"\n"
		"	.balign 32\n"
		"3:	.long 0, 0\n"
		"	.quad 1f, 2f - 1f, 4f\n"
		".popsection\n"
		"	lea 3b(%%rip), %%rax\n"
		"	mov %%rax, 8(%[area])\n"
		"1:	mov 4(%[area]), %%eax\n"
		"	shl $6, %%rax\n"
		"	add %[counters], %%rax\n"
		"	mov (%%rax), %%rdx\n"
		"	mov $20000, %%ecx\n"
		"5:	dec %%ecx\n"
		"	jnz 5b\n"
		"	inc %%rdx\n"
		"	mov %%rdx, (%%rax)\n"
		"2:\n"
		".pushsection .text.rseq_abort, \"ax\"\n"
		"	.byte 0x0f, 0xb9, 0x3d\n" /* ud1 with the signature as its operand */
		"	.long 0x53053053\n"
		"4:	jmp %l[abort]\n"
		".popsection\n"
		:
		: [area] "r"(area), [counters] "r"(counters)
		: "rax", "rcx", "rdx", "memory", "cc"
		: abort);
	return true;
abort:
	return false;
}

static void body(int i)
{
	char *base = __builtin_thread_pointer();
	struct rseq *area = (struct rseq *)(base + __rseq_offset);

	if (i == 0) {
		meet();
		return;
	}
	crew_arrive();
	while (!crew_is_over()) {
		if (add_one(area))
			added[i]++;
		else
			aborted[i]++;
	}
}

int main(void)
{
	uint64_t want = 0, sum = 0, aborts = 0;

	if (!__rseq_size)
		victim_skip("libc registers no rseq");
	crew(THREADS, body);
	for (int i = 1; i < THREADS; i++) {
		want += added[i];
		aborts += aborted[i];
		expect(1, added[i] > 0, "thread %d added anything", i);
	}
	for (int cpu = 0; cpu < CPUS; cpu++)
		sum += *(uint64_t *)&counters[cpu * STRIDE];
	expect((long long)want, (long long)sum, "sum of the counters");
	expect(1, aborts > 0, "any sequence was aborted");
	return victim_done();
}
