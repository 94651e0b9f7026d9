/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading memory and carried files into page files. A scan, shared by the workers under a lock,
 * cuts what is to be saved into chunks of a block each; every worker reads a chunk, leaves out
 * pages of zeros, and adds the rest to a page file of its own. Nothing here grows with the size of
 * the job.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "dump/dump_internal.h"
#include "ptrace/mem.h"

enum { PAGE = 4096, RANGES = 256, MAX_SEGS = PK_BLOCK_RAW / PAGE };

/* A piece of one content: up to a block of consecutive bytes. */
struct seg {
	const struct pk_content *c;
	uint64_t at; /* address or offset */
	uint64_t len;
};

struct chunk {
	struct seg seg[MAX_SEGS];
	size_t n;
	uint64_t len;
};

struct scan {
	pthread_mutex_t lock;
	struct pk_dump *d;
	size_t i;      /* content being cut */
	uint64_t at;   /* how far the page map was asked */
	uint64_t done; /* PK_PART_OTHERS: how far it is cut */
	struct pk_range range[RANGES];
	int n, k;            /* ranges found; the one being cut */
	struct pk_error err; /* the first failure of any worker */
	bool failed;
};

static bool by_page_map(const struct pk_content *c)
{
	return c->part == PK_PART_PRIVATE || c->part == PK_PART_OTHERS;
}

/* The next stretch of data of an open file, leaving out holes. */
static int next_of_file(struct scan *s, const struct pk_content *c, struct pk_range *r)
{
	off_t data = lseek(c->fd, (off_t)s->at, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		return 0; /* a hole up to the end */
	hole = data < 0 ? -1 : lseek(c->fd, data, SEEK_HOLE);
	/* A file system without SEEK_DATA: all of it. */
	r->start = data < 0 ? s->at : (uint64_t)data;
	r->end = hole < 0 || (uint64_t)hole > c->end ? c->end : (uint64_t)hole;
	s->at = r->end;
	return r->start < r->end;
}

static int refill(struct scan *s, const struct pk_content *c, struct pk_error *err)
{
	int n = 0;

	while (n == 0 && s->at < c->end) {
		n = pk_pagemap_scan(
			&c->src->pagemap, PK_PAGES_PRIVATE, &s->at, c->end, s->range, RANGES, err);
		if (n < 0)
			return n;
	}
	s->n = n;
	s->k = 0;
	return n;
}

/* What lies between the process's own pages. */
static int next_of_others(
	struct scan *s, const struct pk_content *c, struct pk_range *r, struct pk_error *err)
{
	while (s->done < c->end) {
		if (s->k == s->n && refill(s, c, err) < 0)
			return -1;
		if (s->k < s->n && s->range[s->k].start <= s->done) {
			s->done = s->range[s->k++].end;
			continue;
		}
		r->start = s->done;
		r->end = s->done = s->k < s->n ? s->range[s->k].start : c->end;
		return 1;
	}
	return 0;
}

/* The next range of the current content: 1, 0 at its end, or a negative class. */
static int next_range(struct scan *s, struct pk_range *r, struct pk_error *err)
{
	const struct pk_content *c = &s->d->contents.v[s->i];

	if (s->at >= c->end && s->k == s->n && c->part != PK_PART_OTHERS)
		return 0;
	switch (c->part) {
	case PK_PART_FILE:
		return next_of_file(s, c, r);
	case PK_PART_ALL:
		*r = (struct pk_range){s->at, c->end};
		s->at = c->end;
		return 1;
	case PK_PART_OTHERS:
		return next_of_others(s, c, r, err);
	default:
		break;
	}
	if (s->k == s->n) {
		int n = refill(s, c, err);

		if (n <= 0)
			return n;
	}
	*r = s->range[s->k++];
	return 1;
}

static void begin_content(struct scan *s)
{
	if (s->i < s->d->contents.n)
		s->at = s->done = s->d->contents.v[s->i].start;
	s->n = s->k = 0;
}

/* A range that did not fit: put back what is left of it. */
static void put_back(struct scan *s, const struct pk_range *rest)
{
	const struct pk_content *c = &s->d->contents.v[s->i];

	if (c->part == PK_PART_PRIVATE)
		s->range[--s->k] = *rest;
	else if (c->part == PK_PART_OTHERS)
		s->done = rest->start;
	else
		s->at = rest->start;
}

static bool fits_together(const struct chunk *c, const struct pk_content *next)
{
	return !c->n || (c->seg[0].c->fd < 0 && next->fd < 0 && c->seg[0].c->src == next->src &&
				c->seg[0].c->twin == next->twin);
}

/* Cut the next chunk. 1, 0 when all is cut, or a negative class. */
static int next_chunk(struct scan *s, struct chunk *c, struct pk_error *err)
{
	struct pk_range r;

	c->n = 0;
	c->len = 0;
	while (s->i < s->d->contents.n && c->n < MAX_SEGS && c->len < PK_BLOCK_RAW) {
		const struct pk_content *content = &s->d->contents.v[s->i];
		uint64_t room = PK_BLOCK_RAW - c->len;
		int e;

		if (!fits_together(c, content))
			break;
		e = next_range(s, &r, err);
		if (e < 0)
			return e;
		if (e == 0) {
			s->i++;
			begin_content(s);
			continue;
		}
		if (r.end - r.start > room) {
			put_back(s, &(struct pk_range){r.start + room, r.end});
			r.end = r.start + room;
		}
		c->seg[c->n++] = (struct seg){content, r.start, r.end - r.start};
		c->len += r.end - r.start;
	}
	return c->n > 0;
}

struct worker {
	pthread_t thread;
	struct scan *scan;
	struct pk_pages_writer *w;
	uint8_t *raw;
	uint8_t *twin; /* the same addresses of the parent */
	bool has_twin;
	struct chunk chunk;
	struct pk_extent ext[MAX_SEGS + MAX_SEGS];
	size_t n_ext;
};

/* A mapping may reach beyond the end of its file: such pages do not exist. Page by page then. */
static void read_tolerant(struct seg *g, uint8_t *to)
{
	for (uint64_t done = 0; done < g->len; done += PAGE) {
		uint64_t n = g->len - done < PAGE ? g->len - done : PAGE;

		if (pk_mem_read(g->c->src->pid, g->at + done, to + done, n, NULL) < 0 &&
			pk_pread_all(g->c->src->memfd, to + done, n, g->at + done) < 0) {
			memset(to + done, 0, g->len - done);
			return;
		}
	}
}

static int read_memory(struct worker *w, struct pk_error *err)
{
	struct chunk *c = &w->chunk;
	const struct pk_source *src = c->seg[0].c->src;
	struct iovec remote[MAX_SEGS];
	uint8_t *to = w->raw;
	bool tolerant = false;

	for (size_t i = 0; i < c->n; i++) {
		remote[i] = (struct iovec){(void *)c->seg[i].at, c->seg[i].len};
		tolerant |= !by_page_map(c->seg[i].c) || c->seg[i].c->part == PK_PART_OTHERS;
	}
	if (pk_mem_gather(src->pid, src->memfd, src->forked, remote, c->n, w->raw,
		    tolerant ? NULL : err) == 0)
		return 0;
	if (!tolerant)
		return -PK_E_IO;
	for (size_t i = 0; i < c->n; i++) {
		read_tolerant(&c->seg[i], to);
		to += c->seg[i].len;
	}
	return 0;
}

/* What the parent has there. Where it cannot be read nothing is equal. */
static void read_twin(struct worker *w)
{
	const struct pk_source *twin = w->chunk.seg[0].c->fd < 0 ? w->chunk.seg[0].c->twin : NULL;
	struct iovec remote[MAX_SEGS];

	w->has_twin = false;
	if (!twin)
		return;
	for (size_t i = 0; i < w->chunk.n; i++)
		remote[i] = (struct iovec){(void *)w->chunk.seg[i].at, w->chunk.seg[i].len};
	if (!w->twin)
		w->twin = malloc(PK_BLOCK_RAW);
	w->has_twin = w->twin && pk_mem_gather(twin->pid, twin->memfd, true, remote, w->chunk.n,
					 w->twin, NULL) == 0;
}

static int read_chunk(struct worker *w, struct pk_error *err)
{
	const struct seg *g = w->chunk.seg;
	uint8_t *to = w->raw;

	if (g->c->fd < 0)
		return read_memory(w, err);
	for (size_t i = 0; i < w->chunk.n; to += g[i++].len)
		if (pk_pread_all(g[i].c->fd, to, g[i].len, g[i].at) < 0) {
			pk_fail_errno(err, "carried file, offset %lu", (unsigned long)g[i].at);
			return pk_why(err, "it shrank while it was read, or cannot be read");
		}
	return 0;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	/* The first word settles nearly every page that is not. */
	uint64_t head;

	if (n >= sizeof(head)) {
		memcpy(&head, p, sizeof(head));
		if (head)
			return false;
	}
	return n == 0 || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static void add_extent(struct worker *w, const struct seg *g, uint64_t at, uint64_t len,
	uint32_t flags, uint32_t off)
{
	uint64_t addr = at - g->c->start + g->c->to;
	struct pk_extent *last = w->n_ext ? &w->ext[w->n_ext - 1] : NULL;

	if (last && last->obj == g->c->obj && last->flags == flags &&
		last->addr + last->len == addr &&
		(flags & PK_EXT_ZERO || last->off + last->len == off)) {
		last->len += len;
		return;
	}
	w->ext[w->n_ext++] = (struct pk_extent){
		.obj = g->c->obj, .flags = flags, .addr = addr, .len = len, .off = off};
}

/* Drop pages of zeros, close the gaps, and say where each run of bytes belongs. */
static size_t squeeze(struct worker *w)
{
	uint8_t *from = w->raw, *to = w->raw;

	w->n_ext = 0;
	for (size_t i = 0; i < w->chunk.n; i++) {
		const struct seg *g = &w->chunk.seg[i];

		for (uint64_t done = 0; done < g->len; done += PAGE) {
			size_t n = g->len - done < PAGE ? g->len - done : PAGE;

			if (w->has_twin && !memcmp(from, w->twin + (from - w->raw), n)) {
				from += n;
				continue;
			}
			if (!is_zero(from, n)) {
				if (to != from)
					memmove(to, from, n);
				add_extent(w, g, g->at + done, n, 0, (uint32_t)(to - w->raw));
				to += n;
			} else if (g->c->keep_zeros || g->c->twin) {
				add_extent(w, g, g->at + done, n, PK_EXT_ZERO, 0);
			}
			from += n;
		}
	}
	return (size_t)(to - w->raw);
}

static void fail_all(struct scan *s, const struct pk_error *err)
{
	pthread_mutex_lock(&s->lock);
	if (!s->failed)
		s->err = *err;
	s->failed = true;
	pthread_mutex_unlock(&s->lock);
}

static int take_chunk(struct worker *w, struct pk_error *err)
{
	struct scan *s = w->scan;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (pk_deadline_passed(&s->d->deadline))
		r = pk_dump_late(s->d, err);
	else if (!s->failed)
		r = next_chunk(s, &w->chunk, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int write_chunk(struct worker *w, struct pk_error *err)
{
	size_t n = squeeze(w);

	if (!w->n_ext || pk_pages_add(w->w, w->raw, n, w->ext, w->n_ext, err) == 0)
		return 0;
	return pk_wrap(err, "%s", w->scan->d->store.path);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pk_error err = {0};
	int r;

	while ((r = take_chunk(w, &err)) > 0) {
		r = read_chunk(w, &err);
		read_twin(w);
		if (r == 0)
			r = write_chunk(w, &err);
		if (r < 0)
			break;
	}
	if (r < 0)
		fail_all(w->scan, &err);
	return NULL;
}

static int start(
	struct worker *w, struct scan *s, struct pk_pages_writer *writer, struct pk_error *err)
{
	w->scan = s;
	w->w = writer;
	w->raw = malloc(PK_BLOCK_RAW);
	errno = w->raw ? pthread_create(&w->thread, NULL, work, w) : ENOMEM;
	if (!errno)
		return 0;
	free(w->raw);
	return pk_fail_errno(err, "cannot start a thread");
}

int pk_dump_pages(struct pk_dump *d, struct pk_error *err)
{
	struct scan s = {.lock = PTHREAD_MUTEX_INITIALIZER, .d = d};
	PK_FREE struct worker *w = calloc(d->n_workers, sizeof(*w));
	unsigned n = 0;
	int r = 0;

	if (!w)
		return pk_fail_errno(err, "threads");
	begin_content(&s);
	while (n < d->n_workers && r == 0) {
		r = start(&w[n], &s, d->writer[n], err);
		n += r == 0;
	}
	if (r < 0)
		fail_all(&s, err);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		free(w[i].raw);
		free(w[i].twin);
	}
	if (s.failed && err)
		*err = s.err;
	return s.failed ? -s.err.class : 0;
}

int pk_dump_open_pages(struct pk_dump *d, struct pk_error *err)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		char name[32];
		int r;

		snprintf(name, sizeof(name), "pages-%02u.lz4", i);
		r = pk_pages_create(d->store.partfd, name, &d->writer[i], err);
		if (r < 0)
			return pk_wrap(err, "%s", d->store.path);
	}
	return 0;
}

int pk_dump_finish_pages(
	struct pk_dump *d, struct pk_commit_file *files, size_t *n, struct pk_error *err)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		struct pk_pages_stat st;
		int r = pk_pages_finish(d->writer[i], &st, err);

		d->writer[i] = NULL;
		if (r < 0)
			return pk_wrap(err, "%s", d->store.path);
		files[*n] = (struct pk_commit_file){.size = st.file_bytes, .xxh3 = st.footer_xxh3};
		snprintf(files[*n].name, sizeof(files[*n].name), "pages-%02u.lz4", i);
		++*n;
		d->ret->memory_bytes += st.raw_bytes;
		d->ret->image_bytes += st.file_bytes;
	}
	return 0;
}

void pk_dump_abort_pages(struct pk_dump *d)
{
	for (unsigned i = 0; i < d->n_workers; i++) {
		pk_pages_abort(d->writer[i]);
		d->writer[i] = NULL;
	}
}
