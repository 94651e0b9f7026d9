/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the first new process inherits, and under which numbers. Numbers that no process of the job
 * uses are handed out above the lowest of them, which stays free: first to what is inherited, then
 * to every open file, which waits there until it is placed (plan.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "restore/restore_internal.h"

/* Files whose place a standard stream of ours takes, whatever they were. */
static int take_streams(struct pk_restore *r, struct pk_error *err)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = pk_kind_of(o->type);
		int stream, dup, e;

		if (!k || k->level != PK_LV_FILE || pk_target_has(&r->target, o->id))
			continue;
		stream = pk_file_stream(&r->target, o->id);
		if (stream < 0)
			continue;
		dup = fcntl(r->target.std[stream], F_DUPFD_CLOEXEC, 3);
		if (dup < 0)
			return pk_fail_errno(err, "standard stream %d", stream);
		e = pk_target_give(&r->target, o->id, dup, err);
		if (e < 0)
			return e;
	}
	return 0;
}

/* Numbers that some process uses, ascending. */
struct numbers {
	uint32_t *v;
	size_t n, at;
};

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int collect_used(const struct pk_restore *r, struct numbers *u, struct pk_error *err)
{
	const struct pk_obj *o = NULL;

	while ((o = pk_model_next(&r->image.model, o, &pk_fds_type, PK_ANY_OWNER))) {
		const struct pk_list *l = &((const struct pk_fds *)o->data)->fd;
		const struct pk_fd *fd = l->p;
		uint32_t *v = realloc(u->v, (u->n + l->n + 1) * sizeof(*v));

		if (!v)
			return pk_fail_errno(err, "descriptors");
		u->v = v;
		for (size_t i = 0; i < l->n; i++)
			v[u->n++] = fd[i].fd;
	}
	if (u->n)
		qsort(u->v, u->n, sizeof(*u->v), by_number);
	return 0;
}

/* The lowest number from `next` on that nobody uses. */
static uint32_t free_number(struct numbers *u, uint32_t next)
{
	while (u->at < u->n && u->v[u->at] <= next) {
		if (u->v[u->at] == next)
			next++;
		u->at++;
	}
	return next;
}

static int stage(struct pk_restore *r, uint32_t obj, uint32_t number, struct pk_error *err)
{
	struct pk_target *t = &r->target;
	void *v = pk_array_more(t->staged, t->n_staged, sizeof(*t->staged));

	if (!v)
		return pk_fail_errno(err, "descriptors");
	t->staged = v;
	t->staged[t->n_staged++] = (struct pk_staged){obj, (int)number};
	return 0;
}

static int give_numbers(struct pk_restore *r, struct numbers *u, struct pk_error *err)
{
	const struct pk_obj *o = NULL;
	uint32_t next = free_number(u, 0);
	struct rlimit lim;
	int e = 0;

	for (size_t i = 0; i < r->target.n_given; i++)
		r->target.given[i].number = (int)(next = free_number(u, next + 1));
	while (e == 0 && (o = pk_model_next(&r->image.model, o, NULL, PK_ANY_OWNER))) {
		const struct pk_kind *k = pk_kind_of(o->type);

		if (k && k->level == PK_LV_FILE)
			e = stage(r, o->id, next = free_number(u, next + 1), err);
	}
	if (e < 0)
		return e;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return pk_fail_errno(err, "limit on open files");
	if (next < lim.rlim_max && (!u->n || u->v[u->n - 1] < lim.rlim_max))
		return 0;
	pk_fail(err, PK_E_HOST, "the program's descriptors do not fit");
	pk_why(err, "the hard limit on open files is %lu here", (unsigned long)lim.rlim_max);
	return pk_try(err, "raise it (ulimit -Hn), then restore again");
}

static int number_all(struct pk_restore *r, struct pk_error *err)
{
	struct numbers used = {0};
	int e = collect_used(r, &used, err);

	if (e == 0)
		e = give_numbers(r, &used, err);
	free(used.v);
	return e;
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
	if (take_streams(r, err) < 0)
		return -(int)err->class;
	return number_all(r, err);
}
