/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rseq registrations that a program makes itself, with a signature of its own, libc's being
 * switched off; and a thread that has none.
 */
#include "rseq.h"

#define THREADS   3
#define SIGNATURE 0x1badb002

static __thread struct rseq own;

static void body(int i)
{
	bool none = i == 2;

	if (!none && rseq_call(&own, 0, SIGNATURE) < 0)
		victim_skip("no rseq: %s", strerror(errno));
	meet();
	if (none)
		must(rseq_call(&own, 0, SIGNATURE));
	expect_registered(&own, SIGNATURE, i);
	must(rseq_call(&own, RSEQ_FLAG_UNREGISTER, SIGNATURE));
}

int main(int argc, char **argv)
{
	if (__rseq_size && argc == 1) {
		must(setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1));
		must(execl("/proc/self/exe", argv[0], "again", NULL));
	}
	if (__rseq_size)
		victim_skip("libc keeps its rseq in spite of GLIBC_TUNABLES");
	crew(THREADS, body);
	return victim_done();
}
