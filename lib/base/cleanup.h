/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership that ends with the scope: declare with PK_CLOSE, PK_FREE ..., return early as often as
 * needed, and hand out with pk_steal_fd() or pk_steal_ptr().
 */
#ifndef PK_BASE_CLEANUP_H
#define PK_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void pk_cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void pk_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void pk_cleanup_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void pk_cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define PK_CLEANUP(fn) __attribute__((cleanup(fn)))
#define PK_CLOSE       PK_CLEANUP(pk_cleanup_close)
#define PK_FREE        PK_CLEANUP(pk_cleanup_free)
#define PK_CLOSEDIR    PK_CLEANUP(pk_cleanup_dir)
#define PK_FCLOSE      PK_CLEANUP(pk_cleanup_file)

static inline int pk_steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

static inline void *pk_steal_ptr(void *p)
{
	void *v = *(void **)p;

	*(void **)p = NULL;
	return v;
}

#endif
