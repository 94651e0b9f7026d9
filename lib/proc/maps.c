/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "proc/text.h"

#define PAGE_MASK 4095u
#define DELETED   " (deleted)"
/* Some 700 bytes a mapping: ten times what vm.max_map_count allows by default. */
#define MAX_TEXT (512u << 20)

static const char vmflag_codes[PK_VMBIT_COUNT][3] = {
#define X(code) #code,
	PK_VMFLAGS(X)
#undef X
};

/* The bit of a two-letter code; 0 if it is not known. */
static uint64_t vmflag(const char *code)
{
	for (unsigned i = 0; i < PK_VMBIT_COUNT; i++) {
		if (code[0] == vmflag_codes[i][0] && code[1] == vmflag_codes[i][1])
			return UINT64_C(1) << i;
	}
	return 0;
}

static bool get_vmflags(struct pk_span *value, void *map)
{
	struct pk_map *m = map;
	struct pk_span word;

	while (pk_span_word(value, &word)) {
		uint64_t flag;

		if (pk_span_len(word) != 2)
			return false;
		flag = vmflag(word.p);
		m->vmflags |= flag;
		if (!flag && !m->unknown_flag[0])
			memcpy(m->unknown_flag, word.p, 2);
	}
	return true;
}

static const struct pk_key smaps_key[] = {
	PK_KEY("KernelPageSize", PK_KEY_MUST, pk_get_kb, struct pk_map, page_size),
	PK_KEY("Rss", PK_KEY_MUST, pk_get_kb, struct pk_map, rss),
	PK_KEY("Anonymous", PK_KEY_MUST, pk_get_kb, struct pk_map, anon),
	PK_KEY("AnonHugePages", 0, pk_get_kb, struct pk_map, anon_huge),
	PK_KEY("Swap", PK_KEY_MUST, pk_get_kb, struct pk_map, swap),
	PK_KEY("Locked", PK_KEY_MUST, pk_get_kb, struct pk_map, locked),
	PK_KEY("ProtectionKey", 0, pk_get_u32, struct pk_map, pkey),
	PK_KEY_WHOLE("VmFlags", PK_KEY_MUST, get_vmflags),
};
static const struct pk_keys smaps_keys = {PK_KEYS(smaps_key)};

/* "rwxp": each letter or '-', the last one p or s. */
static bool read_prot(struct pk_span *s, struct pk_map *m)
{
	static const struct {
		char letter;
		uint32_t prot;
	} bit[] = {{'r', PROT_READ}, {'w', PROT_WRITE}, {'x', PROT_EXEC}};

	if (pk_span_len(*s) < 4)
		return false;
	for (int i = 0; i < 3; i++, s->p++) {
		if (*s->p == bit[i].letter)
			m->prot |= bit[i].prot;
		else if (*s->p != '-')
			return false;
	}
	m->shared = *s->p == 's';
	return pk_span_lit(s, m->shared ? "s" : "p");
}

/* The range, "start-end". Mappings are whole pages in ascending order. */
static bool read_range(struct pk_span *s, uint64_t after, struct pk_map *m)
{
	return pk_span_u64(s, 16, &m->start) && pk_span_lit(s, "-") &&
	       pk_span_u64(s, 16, &m->end) && after <= m->start && m->start < m->end &&
	       !((m->start | m->end) & PAGE_MASK);
}

static bool read_file(struct pk_span *s, struct pk_map *m)
{
	return pk_span_u64(s, 16, &m->offset) && pk_span_lit(s, " ") &&
	       pk_span_u32(s, 16, &m->dev_major) && pk_span_lit(s, ":") &&
	       pk_span_u32(s, 16, &m->dev_minor) && pk_span_lit(s, " ") &&
	       pk_span_u64(s, 10, &m->ino);
}

/* seq_path() writes a newline as \012 and everything else, a backslash too, as it is. */
static void unescape(struct pk_span s, char *out)
{
	while (s.p < s.end)
		*out++ = *s.p == '\\' && pk_span_lit(&s, "\\012") ? '\n' : *s.p++;
	*out = '\0';
}

static void cut_deleted(struct pk_map *m)
{
	size_t len = strlen(m->path), n = strlen(DELETED);

	m->deleted = len > n && !strcmp(m->path + len - n, DELETED);
	if (m->deleted)
		m->path[len - n] = '\0';
}

/* "55d0c0a000-55d0c0b000 r--p 00000000 fe:00 1038   /usr/bin/cat", proc(5). */
static int read_map(const struct pk_text *t, uint64_t after, struct pk_map *m, struct pk_error *err)
{
	struct pk_span s = t->line;

	if (!read_range(&s, after, m) || !pk_span_lit(&s, " ") || !read_prot(&s, m) ||
		!pk_span_lit(&s, " ") || !read_file(&s, m))
		return pk_text_fail(t, err);
	/* No path starts with a blank: it is absolute, "[heap]", or like "socket:[1]". */
	if (s.p < s.end && !pk_span_lit(&s, " "))
		return pk_text_fail(t, err);
	pk_span_blanks(&s);
	if (memchr(s.p, '\0', pk_span_len(s)))
		return pk_text_fail(t, err);
	m->path = malloc(pk_span_len(s) + 1);
	if (!m->path)
		return pk_text_no_memory(t, err);
	unescape(s, m->path);
	cut_deleted(m);
	return 0;
}

static struct pk_map *new_map(struct pk_maps *maps)
{
	struct pk_map *v = pk_array_more(maps->v, maps->n, sizeof(*v));

	if (!v)
		return NULL;
	maps->v = v;
	return memset(&v[maps->n++], 0, sizeof(*v));
}

static int add_map(const struct pk_text *t, struct pk_maps *maps, struct pk_error *err)
{
	struct pk_map *m = new_map(maps);

	if (!m)
		return pk_text_no_memory(t, err);
	return read_map(t, maps->n > 1 ? m[-1].end : 0, m, err);
}

/* Keys start with a capital; the hexadecimal addresses have small letters. */
static bool is_key(const struct pk_text *t)
{
	return t->line.p < t->line.end && *t->line.p >= 'A' && *t->line.p <= 'Z';
}

/* Either no mapping has keys, or each has, from the first one on. */
static int parse(struct pk_text *t, struct pk_maps *maps, struct pk_error *err)
{
	bool smaps = false;
	uint64_t seen = 0;
	int r = 0;

	while (!r && pk_text_next(t)) {
		if (is_key(t)) {
			if (!maps->n || (!smaps && maps->n > 1))
				return pk_text_fail(t, err);
			smaps = true;
			r = pk_keys_line(&smaps_keys, t, &maps->v[maps->n - 1], &seen, err);
			continue;
		}
		r = smaps ? pk_keys_check(&smaps_keys, t, seen, err) : 0;
		if (!r)
			r = add_map(t, maps, err);
		seen = 0;
	}
	return r || !smaps ? r : pk_keys_check(&smaps_keys, t, seen, err);
}

int pk_maps_parse(const char *buf, size_t n, struct pk_maps *ret, struct pk_error *err)
{
	PK_CLEANUP(pk_maps_free) struct pk_maps maps = {0};
	struct pk_text t = pk_text_of("maps", buf, n);
	int r;

	memset(ret, 0, sizeof(*ret));
	r = parse(&t, &maps, err);
	if (r)
		return r;
	if (t.cut)
		return pk_text_fail(&t, err);
	*ret = maps;
	memset(&maps, 0, sizeof(maps));
	return 0;
}

/*
 * A path with a newline and one with the four characters \012 look the same in maps. The link in
 * map_files has the name as it is; reading it, unlike following it, takes no capability.
 */
static int settle_newline(int procfd, struct pk_map *m, struct pk_error *err)
{
	char name[64];
	char *link;

	snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, m->start, m->end);
	link = pk_read_link(procfd, name);
	if (!link)
		return pk_fail_errno(err, "%s: cannot tell the file's name", name);
	free(m->path);
	m->path = link;
	cut_deleted(m);
	return 0;
}

static bool is_mapped_file(int dirfd, const char *path, const struct pk_map *m)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != m->ino)
		return false;
	/* btrfs and overlayfs show one device number in maps and another one, of their own making,
	 * in stat(2); both have no major. */
	return (major(st.st_dev) == m->dev_major && minor(st.st_dev) == m->dev_minor) ||
	       (major(st.st_dev) == 0 && m->dev_major == 0);
}

/*
 * A file that is there and whose name ends in " (deleted)" looks like one that is gone. Maps names
 * it as this process would, or else below the root of the other's mount namespace.
 */
static int settle_deleted(int procfd, struct pk_map *m, struct pk_error *err)
{
	char *path = pk_asprintf("root%s" DELETED, m->path);

	if (!path)
		return pk_fail_errno(err, "maps: cannot be parsed");
	if (!is_mapped_file(AT_FDCWD, path + 4, m) && !is_mapped_file(procfd, path, m)) {
		free(path);
		return 0;
	}
	free(m->path);
	memmove(path, path + 4, strlen(path + 4) + 1);
	m->path = path;
	m->deleted = false;
	return 0;
}

static int settle(int procfd, struct pk_maps *maps, struct pk_error *err)
{
	int r = 0;

	for (size_t i = 0; i < maps->n && !r; i++) {
		struct pk_map *m = &maps->v[i];

		if (strchr(m->path, '\n'))
			r = settle_newline(procfd, m, err);
		if (!r && m->deleted && m->path[0] == '/')
			r = settle_deleted(procfd, m, err);
	}
	return r;
}

int pk_maps_read(int procfd, bool smaps, struct pk_maps *ret, struct pk_error *err)
{
	const char *name = smaps ? "smaps" : "maps";
	size_t n = 0;
	PK_FREE char *text = pk_read_file(procfd, name, MAX_TEXT, &n);
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!text)
		return pk_fail_errno(err, "%s: cannot be read", name);
	r = pk_maps_parse(text, n, ret, err);
	if (!r)
		r = settle(procfd, ret, err);
	if (r)
		pk_maps_free(ret);
	return r;
}

void pk_maps_free(struct pk_maps *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].path);
	free(m->v);
	memset(m, 0, sizeof(*m));
}
