/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every victim shares: the word with the runner (tests/tools/scenario) and the checks.
 *
 * A victim sets its state up, calls victim_ready(), and checks itself afterwards:
 *
 *	umask(0123);
 *	victim_ready();
 *	expect(0123, umask(0), "umask");
 *	return victim_done();
 *
 * Exit status: 0 all is as it was; 1 something differs, each difference being a line on stderr and
 * in the file `report`; 77 this machine cannot hold the state. The directory for all files is
 * $PCKPT_VICTIM_DIR. With $PCKPT_VICTIM_BREAK set, victims that ask victim_broken() spoil their own
 * state, which proves that their check sees it.
 */
#ifndef VICTIM_H
#define VICTIM_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define NSEC          1000000000LL

static int victim_differences;

/*
 * A path in the victim's directory, by value: victim_path("log").s lives as long as its statement.
 */
struct victim_path {
	char s[512];
};

static inline struct victim_path victim_path(const char *name)
{
	const char *dir = getenv("PCKPT_VICTIM_DIR");
	struct victim_path p;

	if (!dir) {
		fputs("PCKPT_VICTIM_DIR must name a scratch directory\n", stderr);
		_exit(2);
	}
	snprintf(p.s, sizeof(p.s), "%s/%s", dir, name);
	return p;
}

static inline bool victim_broken(void)
{
	return getenv("PCKPT_VICTIM_BREAK");
}

/* Say it on stderr and in the report, which also a victim with closed descriptors can write. */
static inline void victim_say(const char *text)
{
	int fd = open(victim_path("report").s, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd >= 0) {
		dprintf(fd, "%s\n", text);
		close(fd);
	}
	fprintf(stderr, "%s\n", text);
}

static inline _Noreturn PRINTF(1, 2) void victim_skip(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	victim_say(text);
	exit(77);
}

static inline _Noreturn void victim_die(const char *file, int line, const char *what, int error)
{
	char text[512];

	snprintf(text, sizeof(text), "%s:%d: %s: %s", file, line, what, strerror(error));
	victim_say(text);
	exit(1);
}

/* For calls that must work: must() of one that sets errno, must0() of one that returns it. */
#define must(call)                                                                                 \
	({                                                                                         \
		__typeof__(call) must_ret_ = (call);                                               \
		if ((long)must_ret_ == -1)                                                         \
			victim_die(__FILE__, __LINE__, #call, errno);                              \
		must_ret_;                                                                         \
	})
#define must0(call)                                                                                \
	({                                                                                         \
		int must_ret_ = (call);                                                            \
		if (must_ret_)                                                                     \
			victim_die(__FILE__, __LINE__, #call, must_ret_);                          \
	})
#define must_true(cond)                                                                            \
	({                                                                                         \
		if (!(cond))                                                                       \
			victim_die(__FILE__, __LINE__, #cond, errno);                              \
	})

static inline PRINTF(3, 0) void victim_differs(
	const char *want, const char *found, const char *what, va_list ap)
{
	char text[1024];
	int n = vsnprintf(text, sizeof(text) / 2, what, ap);

	snprintf(text + n, sizeof(text) - (size_t)n, ": expected %s, found %s", want, found);
	victim_say(text);
	__atomic_add_fetch(&victim_differences, 1, __ATOMIC_RELAXED);
}

static inline char *victim_number(char buf[32], long long v)
{
	snprintf(buf, 32, v > -1000000 && v < 1000000 ? "%lld" : "%#llx", v);
	return buf;
}

/* The checks: what is expected, what is found, and a printf-like name of it. */
static inline PRINTF(3, 4) void expect(long long want, long long found, const char *what, ...)
{
	char w[32], f[32];
	va_list ap;

	if (want == found)
		return;
	va_start(ap, what);
	victim_differs(victim_number(w, want), victim_number(f, found), what, ap);
	va_end(ap);
}

static inline PRINTF(4, 5) void expect_range(
	long long low, long long high, long long found, const char *what, ...)
{
	char w[72], f[32];
	va_list ap;

	if (low <= found && found <= high)
		return;
	snprintf(w, sizeof(w), "%lld to %lld", low, high);
	va_start(ap, what);
	victim_differs(w, victim_number(f, found), what, ap);
	va_end(ap);
}

static inline PRINTF(3, 4) void expect_text(
	const char *want, const char *found, const char *what, ...)
{
	va_list ap;

	if (!strcmp(want, found))
		return;
	va_start(ap, what);
	victim_differs(want, found, what, ap);
	va_end(ap);
}

static inline PRINTF(4, 5) void expect_bytes(
	const void *want, const void *found, size_t n, const char *what, ...)
{
	const unsigned char *a = want, *b = found;
	char w[48], f[48];
	va_list ap;
	size_t i = 0;

	while (i < n && a[i] == b[i])
		i++;
	if (i == n)
		return;
	snprintf(w, sizeof(w), "%#x at byte %zu", a[i], i);
	snprintf(f, sizeof(f), "%#x", b[i]);
	va_start(ap, what);
	victim_differs(w, f, what, ap);
	va_end(ap);
}

/* A call that is to fail: with this errno. 0: it is to work. */
#define expect_errno(want, call)                                                                   \
	({                                                                                         \
		errno = 0;                                                                         \
		(void)(call);                                                                      \
		expect(want, errno, "errno of " #call);                                            \
	})

/* The errno of a call that returned -1, or 0. */
static inline int errno_of(long ret)
{
	return ret < 0 ? errno : 0;
}

static inline int64_t now(clockid_t clock)
{
	struct timespec t;

	must(clock_gettime(clock, &t));
	return t.tv_sec * NSEC + t.tv_nsec;
}

static inline struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / NSEC, .tv_nsec = ns % NSEC};
}

/* Sleep on until the monotonic clock says so, whatever interrupts. */
static inline void sleep_until(int64_t monotonic)
{
	struct timespec t = timespec_of(monotonic);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* The file's text up to n - 1 bytes, with an end; what is not there is empty. */
static inline char *read_text(const char *path, char *buf, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	while (fd >= 0 && len < n - 1 && (got = read(fd, buf + len, n - 1 - len)) > 0)
		len += (size_t)got;
	if (fd >= 0)
		close(fd);
	buf[len] = '\0';
	return buf;
}

static inline void write_text(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));

	must_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static inline char *read_link(const char *path, char *buf, size_t n)
{
	ssize_t len = must(readlink(path, buf, n - 1));

	buf[len] = '\0';
	return buf;
}

/*
 * Tell the runner that all is set up, and wait until it says go. In between comes whatever it does.
 * A runner that wants no movement at all makes a FIFO `still`, in whose open the victim then stays
 * until the runner opens it too. Takes no descriptor that stays, no memory, no signal, no timer.
 */
static inline void victim_ready(void)
{
	struct victim_path still = victim_path("still"), go = victim_path("go");
	struct timespec few_ms = {.tv_nsec = 5000000};
	int fd;

	must(mknod(victim_path("ready").s, S_IFREG | 0666, 0));
	do
		fd = open(still.s, O_RDONLY | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd >= 0)
		close(fd);
	while (access(go.s, F_OK) < 0)
		nanosleep(&few_ms, NULL);
}

static inline int victim_done(void)
{
	return victim_differences ? 1 : 0;
}

#endif
