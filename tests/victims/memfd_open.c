/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open memfds: name, size, content and holes, offset, flags, permission bits, seals; one open for
 * reading only besides; mapped shared and privately too, also where writing is sealed off; one
 * without a single byte.
 */
#include <sys/mman.h>

#include "files.h"

#define SIZE 65536
#define SHUT (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static void expect_name(int fd, const char *want)
{
	char path[64], link[256];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect_text(want, read_link(path, link, sizeof(link)), "name");
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return must(open(path, flags));
}

int main(void)
{
	int data = must(memfd_create("data", MFD_CLOEXEC)), reader, empty, sealed, future;
	struct descriptor before[5];
	char *shared, *own, *fixed;

	must_true(pwrite(data, "begin", 5, 0) == 5);
	must_true(pwrite(data, "end", 3, SIZE) == 3);
	must(lseek(data, SIZE, SEEK_SET));
	must(fcntl(data, F_SETFL, O_APPEND));
	reader = reopen(data, O_RDONLY);
	shared = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, data, 0));
	own = must(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, data, 0));
	strcpy(shared + 4096, "by mapping");
	strcpy(own + 8192, "own");
	empty = must(memfd_create("", 0));
	sealed = must(memfd_create("sealed", MFD_ALLOW_SEALING));
	must(fchmod(sealed, 0400));
	must_true(write(sealed, "for ever", 8) == 8);
	must(fcntl(sealed, F_ADD_SEALS, SHUT));
	fixed = mmap(NULL, 4096, PROT_READ, MAP_SHARED, sealed, 0); /* not before 6.7 */
	future = must(memfd_create("future", MFD_ALLOW_SEALING | MFD_CLOEXEC));
	must(ftruncate(future, 100));
	must(fcntl(future, F_ADD_SEALS, F_SEAL_SHRINK));
	before[0] = descriptor_of(data);
	before[1] = descriptor_of(reader);
	before[2] = descriptor_of(empty);
	before[3] = descriptor_of(sealed);
	before[4] = descriptor_of(future);
	victim_ready();
	if (victim_broken())
		shared[4096] = 'B';
	expect_descriptor(&before[0], data, "data");
	expect_descriptor(&before[1], reader, "reader");
	expect_descriptor(&before[2], empty, "empty");
	expect_descriptor(&before[3], sealed, "sealed");
	expect_descriptor(&before[4], future, "future");
	expect_name(data, "/memfd:data (deleted)");
	expect_name(empty, "/memfd: (deleted)");
	expect(F_SEAL_SEAL, fcntl(data, F_GET_SEALS), "seals of data");
	expect(SHUT, fcntl(sealed, F_GET_SEALS), "seals of sealed");
	expect(F_SEAL_SHRINK, fcntl(future, F_GET_SEALS), "seals of future");
	expect_read(reader, "begin", "its beginning");
	expect_read(data, "end", "its end");
	must_true(lseek(reader, 4096, SEEK_SET) == 4096);
	expect_read(reader, "by mapping", "what a mapping wrote");
	expect_text("own", own + 8192, "private mapping");
	expect(0, shared[8192], "that page of the file");
	strcpy(shared + 12288, "new");
	expect_text("new", own + 12288, "private mapping after a write to the shared one");
	must(lseek(sealed, 0, SEEK_SET));
	expect_read(sealed, "for ever", "sealed");
	if (fixed != MAP_FAILED)
		expect_text("for ever", fixed, "mapping of sealed");
	expect_errno(EPERM, write(sealed, "x", 1));
	must(fcntl(future, F_ADD_SEALS, F_SEAL_GROW));
	return victim_done();
}
