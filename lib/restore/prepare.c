/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the new process inherits, and under which numbers. Numbers that the job does not use are
 * handed out above the lowest of them, which stays free: see plan.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "restore/restore_internal.h"

static const struct pk_fds *table_of(const struct pk_restore *r)
{
	const struct pk_obj *o = pk_model_next(&r->image.model, NULL, &pk_fds_type, r->task_id);

	return o ? o->data : NULL;
}

/* --stdio=inherit: descriptors 0 to 2 come from us whatever they were. */
static int take_std(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_fds *t = table_of(r);
	const struct pk_fd *fd = t ? t->fd.p : NULL;

	if (!t || !r->target.inherit_std)
		return 0;
	for (size_t i = 0; i < t->fd.n && fd[i].fd <= 2; i++) {
		int from = r->target.std[fd[i].fd], dup, e;

		if (pk_target_has(&r->target, fd[i].file) || from < 0)
			continue;
		dup = fcntl(from, F_DUPFD_CLOEXEC, 3);
		if (dup < 0)
			return pk_fail_errno(err, "standard stream %u", fd[i].fd);
		e = pk_target_give(&r->target, fd[i].file, dup, err);
		if (e < 0)
			return e;
	}
	return 0;
}

static bool used(const struct pk_fds *t, uint32_t n)
{
	const struct pk_fd *fd = t ? t->fd.p : NULL;

	for (size_t i = 0; t && i < t->fd.n; i++)
		if (fd[i].fd == n)
			return true;
	return false;
}

static int number_given(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_fds *t = table_of(r);
	struct rlimit lim;
	uint32_t next = 0;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return pk_fail_errno(err, "limit on open files");
	while (used(t, next))
		next++;
	r->target.low_fd = next;
	for (size_t i = 0; i < r->target.n_given; i++) {
		do
			next++;
		while (used(t, next));
		r->target.given[i].number = (int)next;
	}
	if (next < lim.rlim_max &&
		(!t || !t->fd.n || ((struct pk_fd *)t->fd.p)[t->fd.n - 1].fd < lim.rlim_max))
		return 0;
	pk_fail(err, PK_E_HOST, "the program's descriptors do not fit");
	pk_why(err, "the hard limit on open files is %lu here", (unsigned long)lim.rlim_max);
	return pk_try(err, "raise it (ulimit -Hn), then restore again");
}

int pk_prepare(struct pk_restore *r, struct pk_error *err)
{
	/* Kind by kind: carried files come before those that refer to them. */
	for (size_t i = 0; pk_kinds[i]; i++) {
		const struct pk_obj *o = NULL;

		if (!pk_kinds[i]->prepare)
			continue;
		while ((o = pk_model_next(&r->image.model, o, pk_kinds[i]->type, PK_ANY_OWNER))) {
			int e = pk_kinds[i]->prepare(&r->target, o, err);

			if (e < 0)
				return e;
		}
	}
	if (take_std(r, err) < 0)
		return -PK_E_ERROR;
	return number_given(r, err);
}
