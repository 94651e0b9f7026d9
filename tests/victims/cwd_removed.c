/* SPDX-License-Identifier: Apache-2.0 */
/* A working directory that was removed; nothing is left of it but its name. */
#include "victim.h"

int main(void)
{
	struct victim_path path = victim_path("gone");
	char link[600], want[600];
	struct stat st;

	must(mkdir(path.s, 0751));
	must(chmod(path.s, 0751));
	must(chdir(path.s));
	must(rmdir(path.s));
	snprintf(want, sizeof(want), "%s (deleted)", path.s);
	victim_ready();
	expect_text(want, read_link("/proc/self/cwd", link, sizeof(link)), "/proc/self/cwd");
	expect_errno(ENOENT, open("file", O_WRONLY | O_CREAT, 0600));
	must(stat(".", &st));
	expect(victim_broken() ? 0 : S_IFDIR | 0751, st.st_mode, "mode");
	expect(0, (long)st.st_nlink, "links");
	expect(-1, access(path.s, F_OK), "whether it is there");
	return victim_done();
}
