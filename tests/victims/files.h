/* SPDX-License-Identifier: Apache-2.0 */
/* Victims of descriptors: what is to be the same of each. */
#ifndef FILES_H
#define FILES_H

#include "victim.h"

/* All that fcntl, lseek and fstat say of a descriptor. */
struct descriptor {
	int status, flags, cloexec;
	off_t offset;
	struct stat st;
};

static inline struct descriptor descriptor_of(int fd)
{
	struct descriptor d;

	memset(&d, 0, sizeof(d));
	d.status = fstat(fd, &d.st) < 0 ? errno : 0;
	d.flags = fcntl(fd, F_GETFL);
	if ((d.flags & O_TMPFILE) ==
		O_TMPFILE) /* tells how the file was made, not how it is open */
		d.flags &= ~O_TMPFILE;
	d.cloexec = fcntl(fd, F_GETFD);
	d.offset = lseek(fd, 0, SEEK_CUR);
	return d;
}

/*
 * The same as once, but for the inode and time of a file without a name, which nobody
 * can bring back.
 */
static inline void expect_descriptor(const struct descriptor *want, int fd, const char *what)
{
	struct descriptor d = descriptor_of(fd);

	expect(want->status, d.status, "%s: errno of fstat", what);
	expect(want->flags, d.flags, "%s: F_GETFL", what);
	expect(want->cloexec, d.cloexec, "%s: F_GETFD", what);
	expect(want->offset, d.offset, "%s: offset", what);
	expect(want->st.st_mode, d.st.st_mode, "%s: st_mode", what);
	expect(want->st.st_size, d.st.st_size, "%s: st_size", what);
	expect((long)want->st.st_rdev, (long)d.st.st_rdev, "%s: st_rdev", what);
	expect((long)want->st.st_nlink, (long)d.st.st_nlink, "%s: st_nlink", what);
	if (want->st.st_uid == getuid()) /* others have no number in a user namespace */
		expect(want->st.st_uid, d.st.st_uid, "%s: st_uid", what);
	if (!want->st.st_nlink)
		return;
	expect((long)want->st.st_dev, (long)d.st.st_dev, "%s: st_dev", what);
	expect((long)want->st.st_ino, (long)d.st.st_ino, "%s: st_ino", what);
}

static inline void expect_read(int fd, const char *want, const char *what)
{
	char found[256] = "";

	expect((long)strlen(want), read(fd, found, strlen(want)), "%s: bytes read", what);
	expect_text(want, found, "%s: content read", what);
}

#endif
