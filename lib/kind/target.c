/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/target.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/array.h"
#include "kind/fileid.h"
#include "kind/kind.h"

void pk_report_add(struct pk_report *r, const struct pk_error *err)
{
	void *v = pk_array_more(r->v, r->n, sizeof(*r->v));

	if (!v)
		return; /* the ones found so far are reason enough to stop */
	r->v = v;
	r->v[r->n++] = *err;
}

void pk_report_free(struct pk_report *r)
{
	free(r->v);
	*r = (struct pk_report){0};
}

int pk_target_give(struct pk_target *t, uint32_t obj, int fd, struct pk_error *err)
{
	void *v = pk_array_more(t->given, t->n_given, sizeof(*t->given));

	if (!v) {
		if (fd >= 0)
			close(fd);
		return pk_fail_errno(err, "list of descriptors");
	}
	t->given = v;
	t->given[t->n_given++] = (struct pk_given){.obj = obj, .fd = fd, .number = -1};
	return 0;
}

int pk_target_give_made(struct pk_target *t, uint32_t obj,
	int (*make)(const void *data, struct pk_error *err), const void *data, uint64_t size,
	struct pk_error *err)
{
	struct pk_given *g;
	int r = pk_target_give(t, obj, -1, err);

	if (r < 0)
		return r;
	g = &t->given[t->n_given - 1];
	g->make = make;
	g->data = data;
	g->size = size;
	return 0;
}

int pk_target_give_open(struct pk_target *t, uint32_t obj,
	int (*make)(const void *data, struct pk_error *err), const void *data, struct pk_error *err)
{
	int r = pk_target_give_made(t, obj, make, data, 0, err);

	if (r == 0)
		t->given[t->n_given - 1].as_made = true;
	return r;
}

int pk_target_keep_pipe(struct pk_target *t, uint64_t key, const int end[2], struct pk_error *err)
{
	void *v = pk_array_more(t->pipe, t->n_pipe, sizeof(*t->pipe));

	if (!v)
		return pk_fail_errno(err, "list of pipes");
	t->pipe = v;
	t->pipe[t->n_pipe++] = (struct pk_pipe){key, {end[0], end[1]}};
	return 0;
}

const int *pk_target_pipe(const struct pk_target *t, uint64_t key)
{
	for (size_t i = 0; i < t->n_pipe; i++)
		if (t->pipe[i].key == key)
			return t->pipe[i].end;
	return NULL;
}

int pk_target_given(const struct pk_target *t, uint32_t obj)
{
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].obj == obj)
			return t->given[i].number;
	return -1;
}

static int inherited_stream(const struct pk_target *t, uint32_t file)
{
	const struct pk_obj *o = pk_model_next(t->model, NULL, &pk_fds_type, PK_ANY_OWNER);
	const struct pk_fds *fds = o ? o->data : NULL;
	const struct pk_fd *fd = fds ? fds->fd.p : NULL;

	for (size_t i = 0; fds && i < fds->fd.n && fd[i].fd <= 2; i++)
		if (fd[i].file == file && t->std[fd[i].fd] >= 0)
			return (int)fd[i].fd;
	return -1;
}

int pk_file_stream(const struct pk_target *t, uint32_t file)
{
	int stream;

	if (t->inherit_std)
		return inherited_stream(t, file);
	stream = t->supervised ? pk_regfile_stream(pk_model_find(t->model, file, NULL)) : -1;
	return stream >= 0 && t->std[stream] >= 0 ? stream : -1;
}

bool pk_file_overridden(const struct pk_target *t, uint32_t file)
{
	return pk_file_stream(t, file) >= 0;
}

const struct pk_obj *pk_target_file(const struct pk_target *t, uint32_t task, uint32_t fd)
{
	const struct pk_obj *o = pk_model_next(t->model, NULL, &pk_fds_type, task);
	const struct pk_fds *fds = o ? o->data : NULL;
	const struct pk_fd *v = fds ? fds->fd.p : NULL;

	for (size_t i = 0; fds && i < fds->fd.n; i++)
		if (v[i].fd == fd)
			return pk_model_find(t->model, v[i].file, NULL);
	return NULL;
}

bool pk_target_owns(const struct pk_target *t, const struct pk_obj *file)
{
	return file && file->type != pk_kind_stdstream.type && !pk_file_overridden(t, file->id);
}

bool pk_target_has(const struct pk_target *t, uint32_t obj)
{
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].obj == obj)
			return true;
	return false;
}

static int refuse_local(int fd, uint64_t len, struct pk_error *err)
{
	bool short_of_memory = errno == ENOMEM;
	struct statfs fs;

	pk_fail_errno(err, "carried file of %lu bytes", (unsigned long)len);
	if (!short_of_memory || fstatfs(fd, &fs) < 0 || fs.f_type != HUGETLBFS_MAGIC)
		return -err->class;
	pk_why(err, "it consists of huge pages, and not so many are free");
	return pk_try(err, "reserve huge pages (vm.nr_hugepages)");
}

int pk_target_local(struct pk_target *t, uint32_t obj, int fd, uint64_t len, struct pk_error *err)
{
	void *v, *p;

	if (!len)
		return 0; /* nothing is carried, and no mapping can be empty */
	v = pk_array_more(t->local, t->n_local, sizeof(*t->local));
	if (!v)
		return pk_fail_errno(err, "list of carried files");
	t->local = v;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return refuse_local(fd, len, err);
	t->local[t->n_local++] = (struct pk_local){obj, p, len};
	return 0;
}

void *pk_target_find_local(const struct pk_target *t, uint32_t obj, uint64_t *ret_len)
{
	for (size_t i = 0; i < t->n_local; i++) {
		if (t->local[i].obj != obj)
			continue;
		*ret_len = t->local[i].len;
		return t->local[i].p;
	}
	return NULL;
}

int pk_target_set_id(struct pk_target *t, uint32_t obj, int32_t id, struct pk_error *err)
{
	void *v = pk_array_more(t->new_id, t->n_new_id, sizeof(*t->new_id));
	size_t at = t->n_new_id;

	if (!v)
		return pk_fail_errno(err, "process numbers");
	t->new_id = v;
	while (at && t->new_id[at - 1].obj > obj)
		at--;
	memmove(t->new_id + at + 1, t->new_id + at, (t->n_new_id - at) * sizeof(*t->new_id));
	t->new_id[at] = (struct pk_new_id){obj, id};
	t->n_new_id++;
	return 0;
}

int pk_target_staged(const struct pk_target *t, uint32_t obj)
{
	size_t lo = 0, hi = t->n_staged;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->staged[mid].obj < obj)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->n_staged && t->staged[lo].obj == obj ? t->staged[lo].number : -1;
}

void pk_target_flush(struct pk_target *t)
{
	for (size_t i = 0; i < t->n_local; i++)
		munmap(t->local[i].p, t->local[i].len);
	free(t->local);
	t->local = NULL;
	t->n_local = 0;
}

void pk_target_free(struct pk_target *t)
{
	for (size_t i = 0; i < t->n_given; i++)
		if (t->given[i].fd >= 0)
			close(t->given[i].fd);
	free(t->given);
	for (size_t i = 0; i < t->n_pipe; i++)
		for (int k = 0; k < 2; k++)
			close(t->pipe[i].end[k]);
	free(t->pipe);
	pk_target_flush(t);
	free(t->new_id);
	free(t->staged);
	free(t->cpus.p);
	pk_report_free(&t->report);
	memset(t, 0, sizeof(*t));
}
