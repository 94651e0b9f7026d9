/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forks [STEPS]: forks 500 times a second. Every child sends a number through a pipe and exits with
 * another; none may be lost, come twice, or come out of order.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

static void child(int fd, long i)
{
	expect(write(fd, &i, sizeof(i)) == sizeof(i), "the pipe does not take the number");
	_exit((int)(i % 251));
}

static long one(const int ends[2], long i)
{
	long got = -1;
	int status = -1;
	pid_t pid = fork();

	expect(pid >= 0, "fork failed");
	if (pid == 0)
		child(ends[1], i);
	expect(waitpid(pid, &status, 0) == pid, "the child is not there");
	expect(WIFEXITED(status) && WEXITSTATUS(status) == i % 251, "another exit status");
	expect(read(ends[0], &got, sizeof(got)) == sizeof(got) && got == i, "another number");
	return got;
}

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = 1500000};
	long n = steps(argc, argv, 600);
	uint64_t hash = 0;
	int ends[2];

	expect(pipe(ends) == 0, "no pipe");
	for (long i = 1; i <= n; i++) {
		hash = mix(hash, (uint64_t)one(ends, i));
		if (i % 100 == 0)
			progress(i, hash);
		expect(nanosleep(&pause, NULL) == 0, "the sleep was cut short");
	}
	return result(hash);
}
