/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: modes=run,dump,kill,runon,twice,supervised,identity
 *
 * Numbers and names of process and threads, also a name that is hard to parse.
 */
#include <signal.h>
#include <sys/prctl.h>

#include "crew.h"

#define THREADS 4

static void expect_comm(int i, const char *want)
{
	char path[64], found[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", gettid());
	read_text(path, found, sizeof(found));
	found[strcspn(found, "\n")] = '\0';
	expect_text(want, found, "comm of thread %d", i);
	must(prctl(PR_GET_NAME, found));
	expect_text(want, found, "PR_GET_NAME of thread %d", i);
}

static void body(int i)
{
	static const char *const names[THREADS] = {"x) R 1 (y", "worker/1", "", "fifteen letters"};
	int tid = gettid(), pid = getpid();
	char link[64], want[64];

	must(prctl(PR_SET_NAME, names[i]));
	meet();
	if (victim_broken())
		must(prctl(PR_SET_NAME, "other"));
	expect(tid, syscall(SYS_gettid), "tid of thread %d", i);
	expect(pid, syscall(SYS_getpid), "pid");
	expect(0, syscall(SYS_tgkill, pid, tid, 0), "tgkill of thread %d", i);
	expect_comm(i, names[i]);
	snprintf(want, sizeof(want), "%d/task/%d", pid, tid);
	expect_text(want, read_link("/proc/thread-self", link, sizeof(link)), "/proc/thread-self");
}

int main(void)
{
	crew(THREADS, body);
	return victim_done();
}
