/* SPDX-License-Identifier: Apache-2.0 */
/* Small file helpers. They return -1 with errno, as the calls they wrap do. */
#ifndef PK_BASE_FS_H
#define PK_BASE_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Read a whole file (text of /proc included) relative to dirfd. The result is NUL-terminated, owned
 * by the caller; *ret_len, if wanted, is its length without the NUL. At most max bytes: EFBIG
 * beyond.
 */
char *pk_read_file(int dirfd, const char *name, size_t max, size_t *ret_len);

/* Read a number (decimal) from a small file. */
int pk_read_u64(int dirfd, const char *name, uint64_t *ret);

/* readlinkat into an allocated string. */
char *pk_read_link(int dirfd, const char *name);

/* Write, read or pwrite everything; short reads give -1 with errno EIO. */
int pk_write_all(int fd, const void *p, size_t n);
int pk_pread_all(int fd, void *p, size_t n, uint64_t at);

/* fsync that is not stopped by a signal. */
int pk_fsync(int fd);

/* Open a directory. */
int pk_open_dir(int dirfd, const char *name);

/*
 * A file that was linked to another name in the same directory before its first name, `path`, was
 * removed (sem_open(3) does that). The other name, allocated; NULL if there is none.
 */
char *pk_other_name(const char *path, uint64_t dev, uint64_t ino);

/*
 * Open a regular file for reading. Anything else under that name fails with EISDIR or EINVAL, and
 * at once: a FIFO is not waited for.
 */
int pk_open_regular(int dirfd, const char *name, uint64_t *ret_size);

/* Create a file below dirfd with these bytes, mode 0600, and fsync it. */
int pk_write_file(int dirfd, const char *name, const void *p, size_t n);

/* Remove a directory with the files in it (one level of subdirectories at most `depth`). */
int pk_remove_dir(int dirfd, const char *name, int depth);

/* printf into an allocated string; NULL without memory. */
char *pk_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
