/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/maps and smaps. Parsers take text, never files: (buf, n) in, structs out; see proc(5).
 * They accept what every kernel from 4.18 on prints and refuse the rest by name, never guess.
 */
#ifndef PK_PROC_MAPS_H
#define PK_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* One bit for each two-letter code of smaps' VmFlags that pckpt knows. */
/* clang-format off */
#define PK_VMFLAGS(X)                                                                              \
	X(rd) X(wr) X(ex) X(sh) X(mr) X(mw) X(me) X(ms) X(gd) X(pf) X(dw) X(lo) X(io) X(sr)        \
	X(rr) X(dc) X(de) X(ac) X(nr) X(ht) X(sf) X(ar) X(wf) X(dd) X(sd) X(mm) X(hg) X(nh)        \
	X(mg) X(bt) X(mt) X(um) X(uw) X(ui) X(ss) X(sl) X(dp) X(gu) X(lf)
/* clang-format on */
enum pk_vmflag_bit {
#define X(code) PK_VMBIT_##code,
	PK_VMFLAGS(X)
#undef X
		PK_VMBIT_COUNT
};
#define PK_VM(code) (UINT64_C(1) << PK_VMBIT_##code)

struct pk_map {
	uint64_t start, end;
	uint64_t offset; /* bytes into the file */
	uint32_t prot;   /* PROT_READ | PROT_WRITE | PROT_EXEC */
	bool shared;     /* MAP_SHARED; "ms" in VmFlags, while "sh" also means it may be written */
	bool deleted;    /* the path ended in " (deleted)", which is cut off: see pk_maps_read() */
	uint32_t dev_major, dev_minor;
	uint64_t ino;
	char *path; /* unescaped ("\012" -> newline); "" for anonymous; "[heap]" and the like as
		       they are */

	/* From smaps; 0 when parsed from maps. */
	uint64_t vmflags;
	char unknown_flag[3]; /* the first code that is not in PK_VMFLAGS, or "" */
	uint64_t page_size;   /* KernelPageSize, bytes */
	uint64_t rss, anon, swap, anon_huge, locked; /* bytes */
	uint32_t pkey;                               /* ProtectionKey, 0 if there is none */
};

struct pk_maps {
	struct pk_map *v;
	size_t n;
};

/*
 * Parse a whole maps or smaps text (the format shows by itself). On failure *ret is empty. Two
 * paths cannot be told from others by text alone, and are taken for the more likely one: "\012" for
 * a newline, a name that really ends in " (deleted)" for a deleted file.
 */
int pk_maps_parse(const char *buf, size_t n, struct pk_maps *ret, struct pk_error *err);

/*
 * Read and parse /proc/PID/smaps (or maps) below an open /proc/PID directory. Settles these two
 * cases, by map_files and by looking for the file. The process must not run meanwhile.
 */
int pk_maps_read(int procfd, bool smaps, struct pk_maps *ret, struct pk_error *err);
void pk_maps_free(struct pk_maps *m);

#endif
