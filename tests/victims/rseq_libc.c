/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rseq registration that libc makes for each thread: still known to the kernel, still kept up.
 */
#include "rseq.h"

#define THREADS 3

static void body(int i)
{
	char *base = __builtin_thread_pointer();
	struct rseq *area = (struct rseq *)(base + __rseq_offset);

	meet();
	if (victim_broken())
		must(rseq_call(area, RSEQ_FLAG_UNREGISTER, RSEQ_SIG));
	expect_registered(area, RSEQ_SIG, i);
}

int main(void)
{
	if (!__rseq_size)
		victim_skip("libc registers no rseq");
	crew(THREADS, body);
	return victim_done();
}
