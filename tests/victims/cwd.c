/* SPDX-License-Identifier: Apache-2.0 */
/* The working directory, by name and by where relative paths lead. */
#include <limits.h>

#include "victim.h"

int main(void)
{
	struct stat want, found;
	char before[PATH_MAX], after[PATH_MAX];

	must(mkdir(victim_path("some where").s, 0755));
	write_text(victim_path("some where/here").s, "here");
	must(chdir(victim_path("some where").s));
	must_true(getcwd(before, sizeof(before)));
	must(stat(".", &want));
	victim_ready();
	if (victim_broken())
		must(chdir("/"));
	must_true(getcwd(after, sizeof(after)));
	must(stat(".", &found));
	expect_text(before, after, "getcwd");
	expect((long long)want.st_ino, (long long)found.st_ino, "inode of the working directory");
	expect_text("here", read_text("here", after, sizeof(after)), "file by a relative path");
	return victim_done();
}
