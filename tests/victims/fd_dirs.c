/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: opened files relative to them, a listing half read that goes on where it was, one
 * that was renamed since, and changing to one by its descriptor.
 */
#include <dirent.h>

#include "files.h"

#define ENTRIES 40

static bool seen[ENTRIES];

static void make_entries(int dir)
{
	char name[16];

	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "entry%d", i);
		close(must(openat(dir, name, O_WRONLY | O_CREAT, 0644)));
	}
}

/* One read of a few entries; 0 at the end. */
static long list_some(int dir)
{
	struct dirent64 *e;
	char buf[512] __attribute__((aligned(8)));
	long n = must(getdents64(dir, buf, sizeof(buf)));
	int i;

	for (long at = 0; at < n; at += e->d_reclen) {
		e = (struct dirent64 *)(buf + at);
		if (sscanf(e->d_name, "entry%d", &i) != 1)
			continue;
		expect(0, seen[i], "entry %d is listed again", i);
		seen[i] = true;
	}
	return n;
}

int main(void)
{
	int plain, listed, renamed, file;
	struct descriptor before;
	char cwd[512];

	must(mkdir(victim_path("dir").s, 0750));
	must(mkdir(victim_path("old name").s, 0700));
	plain = must(open(victim_path("dir").s, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	listed = must(open(victim_path("dir").s, O_RDONLY));
	renamed = must(open(victim_path("old name").s, O_RDONLY));
	must(rename(victim_path("old name").s, victim_path("new name").s));
	make_entries(plain);
	list_some(listed);
	before = descriptor_of(plain);
	victim_ready();
	if (victim_broken())
		must(lseek(listed, 0, SEEK_SET));
	expect_descriptor(&before, plain, "directory");
	while (list_some(listed) > 0)
		;
	for (int i = 0; i < ENTRIES; i++)
		expect(1, seen[i], "entry %d was listed", i);
	file = must(openat(renamed, "file", O_WRONLY | O_CREAT, 0644));
	expect(0, access(victim_path("new name/file").s, F_OK),
		"access to a file made in the renamed");
	close(file);
	must(fchdir(plain));
	must_true(getcwd(cwd, sizeof(cwd)));
	expect_text(victim_path("dir").s, cwd, "directory after fchdir");
	return victim_done();
}
