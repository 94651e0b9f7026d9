/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The carried bytes, to where they belong: into the new process's memory, or into files that it
 * inherits. Groups of all page files are handed to the workers one by one; each checks,
 * decompresses and writes its group by itself.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "ptrace/mem.h"
#include "restore/restore_internal.h"

enum { IOVS = 256, MAX_WORKERS = 256 };

struct pagein {
	struct pk_restore *r;
	const struct pk_proc *only;
	pthread_mutex_t lock;
	size_t page, group; /* the next to be taken */
	bool failed;
	struct pk_error err;
};

struct worker {
	pthread_t thread;
	struct pagein *p;
	uint8_t *raw; /* one block, decompressed */
	uint8_t *zeros;
	struct iovec local[IOVS], remote[IOVS];
	size_t n;
	pid_t pid; /* whose memory `remote` is */
};

static int flush(struct worker *w, struct pk_error *err)
{
	size_t total = 0, n = w->n;
	ssize_t done;

	w->n = 0;
	for (size_t i = 0; i < n; i++)
		total += w->local[i].iov_len;
	if (!n)
		return 0;
	done = process_vm_writev(w->pid, w->local, n, w->remote, n, 0);
	if (done == (ssize_t)total)
		return 0;
	/* A short write ends at the first address that is not there. */
	for (size_t i = 0; i < n; i++) {
		int e = pk_mem_write(w->pid, (uint64_t)w->remote[i].iov_base, w->local[i].iov_base,
			w->local[i].iov_len, err);

		if (e < 0) {
			pk_why(err,
				"the image has pages for it, but no mapping that can hold them");
			return -(err->class = PK_E_IMAGE);
		}
	}
	return 0;
}

static int to_memory(
	struct worker *w, pid_t pid, uint64_t at, const uint8_t *p, size_t n, struct pk_error *err)
{
	int e = pid == w->pid ? 0 : flush(w, err);

	if (e < 0)
		return e;
	w->pid = pid;
	w->local[w->n] = (struct iovec){(void *)p, n};
	w->remote[w->n++] = (struct iovec){(void *)at, n};
	return w->n == IOVS ? flush(w, err) : 0;
}

static int out_of_place(const struct pk_extent *x, struct pk_error *err)
{
	pk_fail(err, PK_E_IMAGE, "%lu bytes of record %u at 0x%lx", (unsigned long)x->len, x->obj,
		(unsigned long)x->addr);
	return pk_why(err, "nothing in the image has room for them");
}

/* The process that has this memory; its records ascend with those of the processes. */
static const struct pk_proc *owner_of(const struct pk_restore *r, uint32_t mm)
{
	size_t lo = 0, hi = r->n_procs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->proc[mid].obj->id <= mm)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && r->proc[lo - 1].mm_id == mm ? &r->proc[lo - 1] : NULL;
}

/* Memory of processes with heirs is filled early, one process at a time; all else at once. */
static bool wanted(const struct pagein *p, const struct pk_extent *x)
{
	const struct pk_proc *owner = owner_of(p->r, x->obj);

	return p->only ? owner == p->only : !owner || !owner->heirs;
}

/* One piece of an extent, its bytes at p. */
static int put(struct worker *w, const struct pk_extent *x, uint64_t skip, const uint8_t *p,
	size_t n, struct pk_error *err)
{
	struct pk_restore *r = w->p->r;
	const struct pk_proc *owner = owner_of(r, x->obj);
	const struct pk_sink *sink;
	uint64_t len, addr = x->addr + skip;
	uint8_t *local;

	if (owner)
		return to_memory(w, owner->pid, addr, p, n, err);
	sink = pk_plan_find_sink(&r->proc[0].plan, x->obj);
	if (sink) {
		if (addr > sink->len || n > sink->len - addr)
			return out_of_place(x, err);
		return to_memory(w, r->proc[0].pid, sink->base + addr, p, n, err);
	}
	local = pk_target_find_local(&r->target, x->obj, &len);
	if (!local || addr > len || n > len - addr)
		return out_of_place(x, err);
	memcpy(local + addr, p, n);
	return 0;
}

static int put_zeros(struct worker *w, const struct pk_extent *x, struct pk_error *err)
{
	int e = 0;

	for (uint64_t done = 0; done < x->len && e == 0; done += PK_BLOCK_RAW) {
		size_t n = x->len - done < PK_BLOCK_RAW ? x->len - done : PK_BLOCK_RAW;

		e = put(w, x, done, w->zeros, n, err);
	}
	return e;
}

static int put_group(struct worker *w, const struct pk_group *g, struct pk_error *err)
{
	size_t block = SIZE_MAX, n;
	int e = 0;

	for (size_t i = 0; i < g->n_ext && e == 0; i++) {
		const struct pk_extent *x = &g->ext[i];

		if (!wanted(w->p, x))
			continue;
		if (x->flags & PK_EXT_ZERO) {
			e = put_zeros(w, x, err);
			continue;
		}
		/* Extents come in the order of their blocks; the buffer holds one at a time. */
		if (x->block != block) {
			e = flush(w, err);
			if (e == 0)
				e = pk_group_block(g, x->block, w->raw, &n, err);
			block = x->block;
		}
		if (e == 0)
			e = put(w, x, 0, w->raw + x->off, x->len, err);
	}
	return e < 0 ? e : flush(w, err);
}

static bool take(struct pagein *p, size_t *page, size_t *group)
{
	const struct pk_image *img = &p->r->image;
	bool more;

	pthread_mutex_lock(&p->lock);
	while (p->page < img->n_pages && p->group == pk_pages_groups(img->pages[p->page])) {
		p->page++;
		p->group = 0;
	}
	more = !p->failed && p->page < img->n_pages;
	*page = p->page;
	*group = p->group++;
	pthread_mutex_unlock(&p->lock);
	return more;
}

static void fail_all(struct pagein *p, const struct pk_error *err)
{
	pthread_mutex_lock(&p->lock);
	if (!p->failed)
		p->err = *err;
	p->failed = true;
	pthread_mutex_unlock(&p->lock);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pk_group g = {0};
	struct pk_error err = {0};
	size_t page, group;
	int e = 0;

	while (e == 0 && take(w->p, &page, &group)) {
		e = pk_supervise_interrupted(&err);
		if (e == 0)
			e = pk_image_load_group(&w->p->r->image, page, group, &g, &err);
		if (e == 0)
			e = put_group(w, &g, &err);
	}
	pk_group_free(&g);
	if (e < 0)
		fail_all(w->p, &err);
	return NULL;
}

static int start(struct worker *w, struct pagein *p, struct pk_error *err)
{
	w->p = p;
	w->raw = malloc(PK_BLOCK_RAW);
	w->zeros = calloc(1, PK_BLOCK_RAW);
	errno = w->raw && w->zeros ? pthread_create(&w->thread, NULL, work, w) : ENOMEM;
	if (!errno)
		return 0;
	free(w->raw);
	free(w->zeros);
	return pk_fail_errno(err, "cannot start a thread");
}

static unsigned workers(const struct pk_restore *r)
{
	cpu_set_t set;
	unsigned n = r->o->workers;

	if (!n)
		n = sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
	return n < MAX_WORKERS ? n : MAX_WORKERS;
}

int pk_pagein(struct pk_restore *r, const struct pk_proc *only, struct pk_error *err)
{
	struct pagein p = {.r = r, .only = only, .lock = PTHREAD_MUTEX_INITIALIZER};
	unsigned want = workers(r), n = 0;
	PK_FREE struct worker *w = calloc(want, sizeof(*w));
	int e = w ? 0 : pk_fail_errno(err, "threads");

	while (n < want && e == 0) {
		e = start(&w[n], &p, err);
		n += e == 0;
	}
	if (e < 0)
		fail_all(&p, err);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		free(w[i].raw);
		free(w[i].zeros);
	}
	if (p.failed && err) {
		*err = p.err;
		if (err->class == PK_E_IMAGE || err->class == PK_E_IO)
			pk_wrap(err, "%s", r->image.path);
	}
	return p.failed ? -p.err.class : 0;
}
