/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages of a process hold something. PAGEMAP_SCAN (6.7) where the kernel has it, else
 * /proc/PID/pagemap, which cannot tell the zero page from others (the reader then finds it by
 * content). Both see page tables only: a page of a shared object that another mapping wrote, or
 * that was swapped out of shmem, is not reported; callers handle shared objects by content.
 */
#ifndef PK_PROC_PAGEMAP_H
#define PK_PROC_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/range.h"

enum pk_page_want {
	PK_PAGES_PRIVATE, /* present or swapped, not the file's own page, not the zero page, not
			     guard */
	PK_PAGES_PRESENT, /* present or swapped in this mapping, file pages too, zero page not */
	/* guard pages (MADV_GUARD_INSTALL, 6.13). 6.13 and 6.14 do not tell: there they count as
	   swapped in the other two, and reading them fails */
	PK_PAGES_GUARD,
};

struct pk_pagemap {
	int fd; /* /proc/PID/pagemap */
	/* Probed at open; clearing one forces the older way (tests). */
	bool has_scan;  /* PAGEMAP_SCAN works (6.7) */
	bool has_guard; /* and reports guard pages (6.16) */
};

/* `allow_scan` false forces the old way (tests). */
int pk_pagemap_open(int procfd, bool allow_scan, struct pk_pagemap *ret, struct pk_error *err);
void pk_pagemap_close(struct pk_pagemap *p);

/*
 * Find up to max (1 or more) ranges in [*at, end), ascending and merged. *at moves to where the
 * next call goes on; the scan is finished when *at == end. Returns the number of ranges, or a
 * negative class. Memory used is bounded whatever the size.
 */
int pk_pagemap_scan(const struct pk_pagemap *p, enum pk_page_want want, uint64_t *at, uint64_t end,
	struct pk_range *ranges, size_t max, struct pk_error *err);

#endif
