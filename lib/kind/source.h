/* SPDX-License-Identifier: Apache-2.0 */
/* Dump: the frozen process, and the views through which kinds look at it. */
#ifndef PK_KIND_SOURCE_H
#define PK_KIND_SOURCE_H

#include <sys/stat.h>

#include "model/job.h"
#include "proc/maps.h"
#include "proc/pagemap.h"
#include "proc/status.h"
#include "ptrace/freeze.h"
#include "ptrace/remote.h"

/* Bytes that the image must hold: of a frozen process's memory, or of an open file. */
enum pk_content_part {
	PK_PART_PRIVATE, /* memory: pages of the process's own */
	PK_PART_OTHERS,  /* memory: all but those; ends where the file does */
	PK_PART_ALL,     /* memory: all pages; ends where the file does */
	PK_PART_FILE,    /* a file: all but its holes */
};
struct pk_content {
	uint32_t obj; /* the record they belong to */
	enum pk_content_part part;
	bool keep_zeros;     /* all-zero pages matter (they hide a file's) */
	uint64_t start, end; /* addresses, or offsets in the file */
	/* PK_PART_PRIVATE: the parent, whose equal pages at these addresses need not be stored. */
	const struct pk_source *twin;
	uint64_t to; /* where `start` lies in obj */
	int fd;      /* the file, owned by the list; -1 for memory */
	struct pk_source *src;
};
struct pk_contents {
	struct pk_content *v;
	size_t n;
};
int pk_contents_add(struct pk_contents *c, const struct pk_content *one, struct pk_error *err);
void pk_contents_free(struct pk_contents *c);

/* Files and shared objects that have a record already, by identity. One list for a job. */
struct pk_known {
	struct pk_known_one {
		uint64_t dev, ino;
		const struct pk_type *type;
		uint32_t id;
	} * v;
	size_t n;
};

struct pk_open_fds;
struct pk_sock;

/* One frozen process. */
struct pk_source {
	struct pk_model *model;
	struct pk_contents *contents;
	struct pk_known *known;
	const struct pk_open_fds *open; /* descriptors of all processes of the job */
	struct pk_source *first, *next; /* all processes of the job, parents first */
	uint32_t task;                  /* the task's record */
	uint32_t mm;                    /* the mm's record: memory content belongs to it */

	pid_t pid;   /* as pckpt sees it */
	bool forked; /* it has pages in common with a relative, copy on write: see ptrace/mem.h */
	int procfd, pidfd, memfd;
	struct pk_status status;
	struct pk_stat stat;
	struct pk_maps maps;
	struct pk_pagemap pagemap;
	struct pk_freeze *freeze;
	struct pk_remote *remote;
	const struct pk_host *host;
	bool strict;    /* what cannot be restored in full is refused, not warned of */
	bool in_flight; /* none of them: pckpt, which has what only messages in flight have */

	/* The threads' own numbers, parallel to freeze->v. */
	pid_t *inner;
};

/* Evidence about one object, alive while it is collected. */
struct pk_view {
	struct pk_source *src;
	struct pk_tracee *thread;        /* that runs ask's calls */
	const struct pk_map *map;        /* MAPPING */
	const struct pk_file_view *file; /* FILE */
	uint32_t owner, id;              /* record numbers of the owner, and of the object itself */

	struct pk_script *script; /* ask writes to it, collect reads the answers */
	size_t op, data;          /* where this kind's part of it begins */
};

/* An open file description, seen through one of its descriptors. */
struct pk_file_view {
	uint32_t fd;  /* number in the process */
	char *link;   /* /proc/PID/fd/N */
	bool deleted; /* " (deleted)" cut off the link's end */
	struct stat st;
	struct pk_fdinfo info;
	char *info_text;
	bool shared_with_std; /* the same open file description as descriptor 0, 1 or 2, or one of
				 these */
	int std;              /* which of the three, lowest; -1 if none */
	int supervisor_std;   /* the same, of the process that supervises the job */
};

/*
 * Every descriptor of every process of the job, process by process and ascending. FILE kinds find
 * other ends here.
 */
struct pk_open_fd {
	struct pk_source *src;
	struct pk_file_view view;
	uint32_t file; /* record of its open file description; 0 until it has one */
};
struct pk_open_fds {
	struct pk_open_fd *v;
	size_t n;
	/*
	 * Sent through Unix sockets and not yet received (SCM_RIGHTS), by socket and message. What
	 * no process has open is in `v` behind all that they have, with a source in_flight.
	 */
	struct pk_flight {
		size_t sock, file; /* in v */
		uint32_t packet;   /* in the queue of the socket's record */
	} * flight;
	size_t n_flight;
	/* Their sockets, with all messages: some can be seen only once. */
	struct pk_sock **seen;
	size_t n_seen;
};

int64_t pk_answer_ret(const struct pk_view *v, size_t i);
const void *pk_answer_data(const struct pk_view *v);

/* Run a script on the process's first thread, now. For questions whose size is not known before. */
int pk_source_run(struct pk_source *s, struct pk_script *script, struct pk_error *err);

/* The number that a thread of the process has for itself; 0 if it is none of them. */
pid_t pk_source_inner_tid(const struct pk_source *s, pid_t tid);

/* The record of (dev, ino) of this type, or 0; and to remember one. */
uint32_t pk_source_known(
	const struct pk_source *s, uint64_t dev, uint64_t ino, const struct pk_type *type);
int pk_source_know(struct pk_source *s, uint64_t dev, uint64_t ino, const struct pk_type *type,
	uint32_t id, struct pk_error *err);

/* Whether a mapping is of this file. */
bool pk_map_is(const struct pk_map *m, const struct stat *st);
/* A descriptor on the mapped file of any process of the job, which *s then is; its number, or -1.
 */
int64_t pk_source_find_fd(struct pk_source **s, const struct pk_map *m, struct stat *st);

/* Duplicate a descriptor of the process (pidfd_getfd(2), else open of /proc/PID/fd/N). */
int pk_source_getfd(const struct pk_source *s, uint32_t fd, struct pk_error *err);

/* "pid 12 (python3)" for messages. */
const char *pk_source_name(const struct pk_source *s, char *buf, size_t n);

#endif
