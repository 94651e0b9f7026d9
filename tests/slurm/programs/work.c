/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work N MILLISECONDS LOG GO: threads that pass numbers on through pipes, a temporary file that has
 * been deleted, a log that is appended to, and a child.
 *
 * Number i goes from main through a pipe to a thread, from there through another one to a child,
 * which sends it back changed. Main appends it to the log and to the deleted file, and reads all of
 * that file in the end. It pauses after each number until the file GO is there.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/wait.h>

enum { TO_THREAD, TO_CHILD, BACK, PIPES };

static void expect(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(EXIT_FAILURE);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	uint64_t z = (hash ^ value) + 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	return z ^ (z >> 31);
}

/* Reads numbers from one end, changes them, writes them to another. */
static void pass_on(int from, int to, uint64_t salt)
{
	uint64_t value;
	ssize_t n;

	while ((n = read(from, &value, sizeof(value))) == sizeof(value)) {
		value = mix(salt, value);
		expect(write(to, &value, sizeof(value)) == sizeof(value), "pass on");
	}
	expect(n == 0, "read what to pass on");
	close(to);
}

static void *thread(void *argument)
{
	int(*pipes)[2] = argument;

	pass_on(pipes[TO_THREAD][0], pipes[TO_CHILD][1], 1);
	return NULL;
}

static pid_t start_child(int (*pipes)[2])
{
	pid_t pid = fork();

	expect(pid >= 0, "fork");
	if (pid)
		return pid;
	close(pipes[TO_THREAD][0]);
	close(pipes[TO_THREAD][1]);
	close(pipes[TO_CHILD][1]);
	close(pipes[BACK][0]);
	pass_on(pipes[TO_CHILD][0], pipes[BACK][1], 2);
	_exit(0);
}

static int deleted_file(void)
{
	char name[] = "work.XXXXXX";
	int fd = mkstemp(name);

	expect(fd >= 0 && unlink(name) == 0, "deleted file");
	return fd;
}

static void step(int (*pipes)[2], FILE *log, int scratch, uint64_t i)
{
	uint64_t value = i;

	expect(write(pipes[TO_THREAD][1], &value, sizeof(value)) == sizeof(value), "send");
	expect(read(pipes[BACK][0], &value, sizeof(value)) == sizeof(value), "receive");
	expect(write(scratch, &value, sizeof(value)) == sizeof(value), "scratch");
	expect(fprintf(log, "%" PRIu64 " %016" PRIx64 "\n", i, value) > 0, "log");
}

static uint64_t sum(int scratch)
{
	uint64_t value, hash = 0;

	expect(lseek(scratch, 0, SEEK_SET) == 0, "seek");
	while (read(scratch, &value, sizeof(value)) == sizeof(value))
		hash = mix(hash, value);
	return hash;
}

int main(int argc, char **argv)
{
	long n = argc > 4 ? atol(argv[1]) : 0, ms = argc > 4 ? atol(argv[2]) : 0;
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
	int pipes[PIPES][2], scratch, status;
	pthread_t t;
	FILE *log;
	pid_t child;

	if (argc != 5)
		return 2;
	log = fopen(argv[3], "a");
	expect(log != NULL, argv[3]);
	setvbuf(log, NULL, _IOLBF, 0);
	for (int i = 0; i < PIPES; i++)
		expect(pipe(pipes[i]) == 0, "pipe");
	child = start_child(pipes);
	close(pipes[TO_CHILD][0]);
	close(pipes[BACK][1]);
	scratch = deleted_file();
	expect(pthread_create(&t, NULL, thread, pipes) == 0, "thread");
	for (long i = 1; i <= n; i++) {
		step(pipes, log, scratch, (uint64_t)i);
		if (access(argv[4], F_OK) != 0)
			nanosleep(&pause, NULL);
	}
	close(pipes[TO_THREAD][1]);
	expect(pthread_join(t, NULL) == 0, "join");
	expect(waitpid(child, &status, 0) == child && status == 0, "child");
	printf("result %016" PRIx64 "\n", sum(scratch));
	return 0;
}
