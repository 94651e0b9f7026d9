/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario: lock=hugetlb
 *
 * Open memfds of huge pages: one that was only written through a mapping that is gone, and one that
 * is mapped.
 */
#include <sys/mman.h>

#include "files.h"

#define HUGE (2UL << 20)

static int make(const char *name, char **ret)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_HUGETLB);

	if (fd < 0)
		victim_skip("no huge pages here: %s", strerror(errno));
	must(ftruncate(fd, HUGE));
	*ret = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*ret == MAP_FAILED)
		victim_skip("no huge pages are free: %s", strerror(errno));
	return fd;
}

int main(void)
{
	char *gone, *mapped;
	int closed = make("closed", &gone), open = make("open", &mapped);
	struct descriptor before[2];

	strcpy(gone + 4096, "kept");
	strcpy(mapped + HUGE - 16, "at the end");
	must(munmap(gone, HUGE));
	before[0] = descriptor_of(closed);
	before[1] = descriptor_of(open);
	victim_ready();
	if (victim_broken())
		mapped[HUGE - 16] = 'A';
	expect_descriptor(&before[0], closed, "closed");
	expect_descriptor(&before[1], open, "open");
	gone = must(mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, closed, 0));
	expect_text("kept", gone + 4096, "without a mapping");
	expect_text("at the end", mapped + HUGE - 16, "mapped");
	return victim_done();
}
