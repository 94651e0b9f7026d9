/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job [memory=MIB] [open=FILE]: the program of most tests. Two threads compute in tables of their
 * own, and the first one prints "line 1", "line 2" ... to stdout, until there is a file `go`. Then
 * the tables are compared with what they should be by now. What `go` says comes last: nothing,
 * "exit N" or "kill N". Signals that can be handled are noted in the file `signals`, one a line.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "victim.h"

enum { WORDS = 8192 };

struct worker {
	uint64_t table[WORDS];
	uint64_t steps;
};

static struct worker worker[2];
static bool over;
static volatile sig_atomic_t came[65];

static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15U;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static void step(struct worker *w)
{
	w->table[w->steps % WORDS] += mix(w->steps);
	w->steps++;
}

static void check(const struct worker *w, const char *what)
{
	struct worker again = {.steps = 0};

	while (again.steps < w->steps)
		step(&again);
	expect_bytes(again.table, w->table, sizeof(w->table), "%s", what);
}

static void *second(void *arg)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < 100; i++)
			step(&worker[1]);
		nanosleep(&pause, NULL);
	}
	return arg;
}

static void note(int sig)
{
	came[sig] = 1;
}

static void note_signals(void)
{
	const struct sigaction act = {.sa_handler = note, .sa_flags = SA_RESTART};

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		sigaction(sig, &act, NULL); /* not all of them can be handled */
}

static void tell_signals(void)
{
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		int fd;

		if (!came[sig])
			continue;
		came[sig] = 0;
		fd = must(open(victim_path("signals").s, O_WRONLY | O_CREAT | O_APPEND, 0666));
		dprintf(fd, "%d\n", sig);
		close(fd);
	}
}

static void line(void)
{
	char text[32];
	int n;

	step(&worker[0]);
	n = snprintf(text, sizeof(text), "line %llu\n", (unsigned long long)worker[0].steps);
	must_true(write(1, text, (size_t)n) == n);
}

static void fill(uint64_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = mix(i);
}

static void check_filled(const uint64_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != mix(i)) {
			expect((long long)mix(i), (long long)p[i], "word %zu of the memory", i);
			return;
		}
}

/* Does as told in `go`; comes back if nothing is. */
static void obey(void)
{
	char text[32];
	int n;

	read_text(victim_path("go").s, text, sizeof(text));
	if (sscanf(text, "exit %d", &n) == 1)
		exit(n);
	if (sscanf(text, "kill %d", &n) == 1) {
		signal(n, SIG_DFL);
		raise(n);
	}
}

static void go_on_until_told(void)
{
	const struct timespec pause = {.tv_nsec = 2000000};

	while (access(victim_path("go").s, F_OK) < 0) {
		line();
		tell_signals();
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	size_t words = 0;
	uint64_t *memory = NULL;
	pthread_t thread;
	int fd = -1;

	syscall(SYS_close_range, 3, ~0u, 0); /* what the test leaves open is not part of it */
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "memory=", 7))
			words = strtoul(argv[i] + 7, NULL, 10) << 17;
		if (!strncmp(argv[i], "open=", 5))
			fd = must(open(argv[i] + 5, O_RDONLY));
	}
	if (words) {
		memory = mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
		must_true(memory != MAP_FAILED);
		fill(memory, words);
	}
	if (fd >= 0)
		must(lseek(fd, 5, SEEK_SET));
	note_signals();
	must0(pthread_create(&thread, NULL, second, NULL));
	line();
	must(mknod(victim_path("ready").s, S_IFREG | 0666, 0));
	go_on_until_told();
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	must0(pthread_join(thread, NULL));
	check(&worker[0], "the first thread's table");
	check(&worker[1], "the second thread's table");
	check_filled(memory, words);
	if (fd >= 0)
		expect(5, lseek(fd, 0, SEEK_CUR), "offset of the open file");
	if (!victim_done())
		obey();
	return victim_done();
}
