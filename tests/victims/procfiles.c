/* SPDX-License-Identifier: Apache-2.0 */
/* Files and directories of /proc, with their positions: one's own, and those of the system. */
#include <dirent.h>

#include "files.h"

int main(void)
{
	int status = must(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	int mem = must(open("/proc/self/mem", O_RDWR)), dir = must(open("/proc/self", O_RDONLY));
	int host = must(open("/proc/version", O_RDONLY)), place = must(open("/proc", O_PATH));
	struct descriptor before[3];
	char want[4], link[256], path[64];
	static long word = 42;
	off_t at = (off_t)(uintptr_t)&word;

	must(lseek(status, 6, SEEK_SET));
	must(lseek(mem, at, SEEK_SET));
	must_true(pread(host, want, 4, 3) == 4);
	must(lseek(host, 3, SEEK_SET));
	before[0] = descriptor_of(status);
	before[1] = descriptor_of(mem);
	before[2] = descriptor_of(dir);
	victim_ready();
	if (victim_broken())
		must(lseek(status, 5, SEEK_SET));
	expect(before[0].flags, fcntl(status, F_GETFL), "status: F_GETFL");
	expect(before[0].cloexec, fcntl(status, F_GETFD), "status: F_GETFD");
	expect(before[1].flags, fcntl(mem, F_GETFL), "mem: F_GETFL");
	expect(before[2].flags, fcntl(dir, F_GETFL), "directory: F_GETFL");
	expect_read(status, program_invocation_short_name, "status");
	expect((long)sizeof(word), read(mem, &(long){0}, sizeof(word)), "mem");
	word = 43;
	expect((long)sizeof(word), pread(mem, path, sizeof(word), at), "mem");
	expect(43, *(long *)(void *)path, "what mem shows");
	expect_errno(0, faccessat(dir, "maps", R_OK, 0));
	expect_errno(0, faccessat(place, "self", F_OK, 0));
	expect((long)before[2].st.st_mode, (long)descriptor_of(dir).st.st_mode, "directory");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	snprintf(link, sizeof(link), "/proc/%d", getpid());
	expect_text(link, read_link(path, (char[256]){0}, 256), "name of the directory");
	memcpy(link, want, 4);
	link[4] = '\0';
	expect_read(host, link, "version");
	return victim_done();
}
