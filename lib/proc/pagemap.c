/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/pagemap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * PAGEMAP_SCAN, PAGEMAP_SCAN(2const): the headers of older systems lack it. The kernel walks the
 * page tables in [start, end) and gives runs of pages of which, each category in `inverted` taken
 * the other way round, all categories of `mask` and one of `anyof` are true. walk_end is where it
 * stopped.
 */
struct scan_arg {
	uint64_t size; /* of this struct */
	uint64_t flags;
	uint64_t start, end, walk_end;
	uint64_t vec, vec_len; /* struct scan_region * and their number */
	uint64_t max_pages;
	uint64_t inverted, mask, anyof;
	uint64_t report; /* the categories to give; runs that differ in none are one */
};

struct scan_region {
	uint64_t start, end;
	uint64_t categories;
};

#define SCAN _IOWR('f', 16, struct scan_arg)

#define SCAN_FILE    (UINT64_C(1) << 2)
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_SWAPPED (UINT64_C(1) << 4)
#define SCAN_PFNZERO (UINT64_C(1) << 5)
#define SCAN_GUARD   (UINT64_C(1) << 8) /* 6.16; before, an unknown category is EINVAL */

/* An entry of /proc/PID/pagemap, Documentation/admin-guide/mm/pagemap.rst. */
#define ENTRY_GUARD   (UINT64_C(1) << 58) /* 6.15 */
#define ENTRY_FILE    (UINT64_C(1) << 61)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

#define PAGE        4096u
#define BATCH       512u /* entries or regions at once: 4 or 12 KiB of stack */
#define USER_END    (UINT64_C(1) << 63)
#define THERE       (SCAN_PRESENT | SCAN_SWAPPED)
#define ENTRY_THERE (ENTRY_PRESENT | ENTRY_SWAPPED)

/* What pages to report, by category and by entry. Guard pages look swapped. */
static const struct rule {
	uint64_t scan_any, scan_none;
	uint64_t entry_any, entry_none;
} rules[] = {
	[PK_PAGES_PRIVATE] = {THERE, SCAN_FILE | SCAN_PFNZERO | SCAN_GUARD, ENTRY_THERE,
		ENTRY_FILE | ENTRY_GUARD},
	[PK_PAGES_PRESENT] = {THERE, SCAN_PFNZERO | SCAN_GUARD, ENTRY_THERE, ENTRY_GUARD},
	[PK_PAGES_GUARD] = {SCAN_GUARD, 0, ENTRY_GUARD, 0},
};

struct walk {
	const struct pk_pagemap *p;
	const struct rule *rule;
	uint64_t at, end;
	struct pk_range *v; /* n of max ranges found */
	size_t n, max;
	struct pk_error *err;
};

/* Add a range, as a part of the last one if they touch. False if there is no room. */
static bool add_range(struct walk *w, uint64_t start, uint64_t end)
{
	if (w->n && w->v[w->n - 1].end == start) {
		w->v[w->n - 1].end = end;
		return true;
	}
	if (w->n == w->max)
		return false;
	w->v[w->n++] = (struct pk_range){start, end};
	return true;
}

static int walk_failed(struct walk *w)
{
	return pk_fail_errno(w->err, "pagemap: cannot be read at 0x%" PRIx64, w->at);
}

/* The old way, up to `end`: look at each entry. Stops early when there is no room. */
static int walk_entries(struct walk *w, uint64_t end)
{
	uint64_t entry[BATCH];

	while (w->at < end) {
		uint64_t left = (end - w->at) / PAGE;
		size_t size = (left < BATCH ? left : BATCH) * sizeof(entry[0]);
		ssize_t n = pread(w->p->fd, entry, size, (off_t)(w->at / PAGE * sizeof(entry[0])));

		if (n < 0)
			return walk_failed(w);
		n /= (ssize_t)sizeof(entry[0]);
		if (n == 0) /* beyond the last address of a program */
			w->at = end;
		for (ssize_t i = 0; i < n; i++, w->at += PAGE) {
			if (!(entry[i] & w->rule->entry_any) || entry[i] & w->rule->entry_none)
				continue;
			if (!add_range(w, w->at, w->at + PAGE))
				return 0;
		}
	}
	return 0;
}

/*
 * Take one region, up to its end or to where there is no more room. A kernel that cannot report
 * guards (before 6.16) calls them swapped; bit 58 of their entries tells (6.15).
 */
static int take_region(struct walk *w, const struct scan_region *r)
{
	w->at = r->start;
	if (r->categories & SCAN_SWAPPED)
		return walk_entries(w, r->end);
	if (add_range(w, r->start, r->end))
		w->at = r->end;
	return 0;
}

/* Scan on from w->at. Returns the number of regions. */
static int scan(struct walk *w, struct scan_region *region, uint64_t *ret_walk_end)
{
	size_t room = w->max - w->n;
	uint64_t none = w->rule->scan_none & (w->p->has_guard ? ~UINT64_C(0) : ~SCAN_GUARD);
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = w->at,
		.end = w->end,
		.vec = (uintptr_t)region,
		.vec_len = room < BATCH ? room : BATCH,
		.inverted = none,
		.mask = none,
		.anyof = w->rule->scan_any,
		.report = w->p->has_guard ? 0 : SCAN_SWAPPED,
	};
	int n = ioctl(w->p->fd, SCAN, &arg);

	if (n < 0)
		return walk_failed(w);
	if (arg.walk_end <= w->at || arg.walk_end > w->end)
		return pk_fail(w->err, PK_E_HOST,
			"pagemap: PAGEMAP_SCAN went from 0x%" PRIx64 " to 0x%" PRIx64, w->at,
			arg.walk_end);
	*ret_walk_end = arg.walk_end;
	return n;
}

static int walk_scan(struct walk *w)
{
	struct scan_region region[BATCH];

	while (w->at < w->end && w->n < w->max) {
		uint64_t walk_end = w->at;
		int n = scan(w, region, &walk_end);

		if (n < 0)
			return n;
		for (int i = 0; i < n; i++) {
			int r = take_region(w, &region[i]);

			if (r || w->at < region[i].end)
				return r;
		}
		w->at = walk_end;
	}
	return 0;
}

int pk_pagemap_scan(const struct pk_pagemap *p, enum pk_page_want want, uint64_t *at, uint64_t end,
	struct pk_range *ranges, size_t max, struct pk_error *err)
{
	struct walk w = {p, &rules[want], *at, end, ranges, 0, max, err};
	bool by_scan = p->has_scan && (p->has_guard || want != PK_PAGES_GUARD);
	int r = 0;

	if (end > USER_END) /* [vsyscall] is in no program's page tables */
		w.at = end;
	else
		r = by_scan ? walk_scan(&w) : walk_entries(&w, end);
	*at = w.at;
	return r < 0 ? r : (int)w.n;
}

/* Whether the ioctl is there and knows a category, tried on an empty range. */
static bool knows(int fd, uint64_t category)
{
	struct scan_arg arg = {.size = sizeof(arg), .anyof = category, .report = category};

	return ioctl(fd, SCAN, &arg) == 0;
}

int pk_pagemap_open(int procfd, bool allow_scan, struct pk_pagemap *ret, struct pk_error *err)
{
	*ret = (struct pk_pagemap){.fd = openat(procfd, "pagemap", O_RDONLY | O_CLOEXEC)};
	if (ret->fd < 0)
		return pk_fail_errno(err, "pagemap: cannot be opened");
	ret->has_scan = allow_scan && knows(ret->fd, SCAN_PRESENT);
	ret->has_guard = ret->has_scan && knows(ret->fd, SCAN_GUARD);
	return 0;
}

void pk_pagemap_close(struct pk_pagemap *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
