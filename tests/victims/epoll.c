/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll(7): entries with their data; level- and edge-triggered ones, ones that report once, before
 * and after they have; an epoll that watches another; entries of descriptors that were closed while
 * a duplicate lives, with the number free, or taken by another file, or watched again.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "files.h"

enum { QUIET = 40, READY, EDGE, ONCE, SPENT, GONE, TAKEN, TWICE };

static int epoll, outer;

static void watch(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = {.events = events, .data.u64 = data};

	must(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}

/* An eventfd under this number. */
static int event_at(int number, unsigned count)
{
	int fd = must(eventfd(count, EFD_NONBLOCK));

	must(dup3(fd, number, O_CLOEXEC));
	close(fd);
	return number;
}

/* What fdinfo lists, but for inodes, sorted by data. */
static char *entries(int ep, char *out, size_t n)
{
	char path[64], text[4096], *save;
	size_t len = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	read_text(path, text, sizeof(text));
	for (int want = 0; want < 99; want++) {
		char again[4096];

		strcpy(again, text);
		for (char *l = strtok_r(again, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
			unsigned fd, events;
			unsigned long long data;

			if (sscanf(l, "tfd: %u events: %x data: %llx", &fd, &events, &data) == 3 &&
				data == (unsigned)want)
				len += (size_t)snprintf(
					out + len, n - len, "%u %x %llx; ", fd, events, data);
		}
	}
	return out;
}

/* Which data epoll reports now, as bits. */
static unsigned long reported(int ep)
{
	struct epoll_event e[32];
	int n = must(epoll_wait(ep, e, 32, 0));
	unsigned long bits = 0;

	for (int i = 0; i < n; i++)
		bits |= 1UL << e[i].data.u64;
	return bits;
}

static void set_up(void)
{
	struct epoll_event e;
	int keep;

	epoll = must(epoll_create1(EPOLL_CLOEXEC));
	outer = must(epoll_create1(0));
	watch(epoll, event_at(SPENT, 1), EPOLLIN | EPOLLONESHOT, 5);
	must_true(epoll_wait(epoll, &e, 1, 0) == 1);
	watch(epoll, event_at(QUIET, 0), EPOLLIN, 1);
	watch(epoll, event_at(READY, 1), EPOLLIN | EPOLLRDHUP, 2);
	watch(epoll, event_at(EDGE, 1), EPOLLIN | EPOLLET, 3);
	watch(epoll, event_at(ONCE, 0), EPOLLIN | EPOLLONESHOT, 4);
	watch(epoll, event_at(GONE, 1), EPOLLIN, 6);
	keep = must(fcntl(GONE, F_DUPFD_CLOEXEC, 200));
	must(close(GONE));
	watch(epoll, event_at(TAKEN, 1), EPOLLIN, 7);
	must(fcntl(TAKEN, F_DUPFD, 300));
	event_at(TAKEN, 0);
	watch(epoll, event_at(TWICE, 1), EPOLLIN, 8);
	must(fcntl(TWICE, F_DUPFD, 400));
	watch(epoll, event_at(TWICE, 0), EPOLLIN | EPOLLOUT, 9);
	/* The lowest number: the one that is free while a process is rebuilt. */
	watch(epoll, keep = must(eventfd(1, 0)), EPOLLIN, 10);
	must(fcntl(keep, F_DUPFD, 500));
	must(close(keep));
	watch(outer, epoll, EPOLLIN, 11);
}

int main(void)
{
	char before[2048] = "", after[2048] = "";
	uint64_t v = 1;

	set_up();
	entries(epoll, before, sizeof(before));
	victim_ready();
	if (victim_broken())
		must(epoll_ctl(epoll, EPOLL_CTL_DEL, READY, NULL));
	expect_text(before, entries(epoll, after, sizeof(after)), "entries");
	expect(FD_CLOEXEC, fcntl(epoll, F_GETFD), "F_GETFD");
	expect(1UL << 11, (long long)reported(outer), "events of the outer epoll");
	expect(1 << 2 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10,
		(long long)reported(epoll), "events");
	expect(1 << 2 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10, (long long)reported(epoll),
		"events without the edge");
	must(write(ONCE, &v, sizeof(v)));
	must(write(QUIET, &v, sizeof(v)));
	must(write(TAKEN, &v, sizeof(v)));
	must(read(300, &v, sizeof(v)));
	expect(1 << 1 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 10,
		(long long)reported(epoll), "events after writes");
	expect(1 << 1 | 1 << 2 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 10, (long long)reported(epoll),
		"events without the one");
	return victim_done();
}
