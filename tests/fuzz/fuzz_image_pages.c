/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page files: as they come, and with good sums. Every byte that an extent refers to is read, so
 * that one outside its block is found.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../unit/image_sums.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "image/pages.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void use_extents(const struct pk_group *g, size_t block, const uint8_t *raw, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < g->n_ext; i++) {
		const struct pk_extent *e = &g->ext[i];

		if (!(e->flags & PK_EXT_ZERO) && e->block == block) {
			if (e->off > n || e->len > n - e->off)
				abort();
			sum += pk_xxh3(raw + e->off, e->len);
		}
		if (e->addr + (e->len - 1) < e->addr)
			abort();
	}
	__asm__ volatile("" : : "r"(sum));
}

static void use_group(const struct pk_group *g)
{
	for (size_t b = 0; b < g->n_block; b++) {
		PK_FREE uint8_t *raw = malloc(g->block[b].raw);
		struct pk_error err;
		size_t n;

		if (pk_group_block(g, b, raw, &n, &err) == 0)
			use_extents(g, b, raw, n);
	}
}

static void read_file(const char *name, uint64_t size, uint64_t sum)
{
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	struct pk_error err;
	struct pk_pages *pages;

	if (pk_pages_open(AT_FDCWD, name, size, sum, &pages, &err))
		return;
	for (size_t i = 0; i < pk_pages_groups(pages); i++)
		if (pk_group_load(pages, i, &g, &err) == 0)
			use_group(&g);
	pk_pages_close(pages);
}

static void read_bytes(const uint8_t *p, size_t n, uint64_t sum)
{
	PK_CLOSE int fd = memfd_create("pages", MFD_CLOEXEC);
	char name[64];

	if (fd < 0 || pk_write_all(fd, p, n))
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	read_file(name, n, sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	PK_FREE uint8_t *copy = malloc(n + 1);

	memcpy(copy, p, n);
	read_bytes(copy, n, n < 8 ? 0 : sums_get(copy + n - 8, 8));
	read_bytes(copy, n, sums_fix_pages(copy, n));
	return 0;
}
