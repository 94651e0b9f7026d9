/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every parser of kernel text, and the one of vDSO images. The first byte chooses one, the rest is
 * its input. What is accepted must keep the promises of the headers; what is refused must leave
 * nothing behind.
 */
#include <stdlib.h>
#include <string.h>

#include "proc/elf.h"
#include "proc/maps.h"
#include "proc/status.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A failure has a class and all three lines. */
static void check_result(int r, const struct pk_error *err)
{
	CHECK(r <= 0 && r == -err->class);
	CHECK(r == 0 || (err->what[0] && err->why[0] && err->try[0]));
}

static void try_maps(const char *buf, size_t n)
{
	struct pk_error err = {0};
	struct pk_maps maps;
	uint64_t end = 0;

	check_result(pk_maps_parse(buf, n, &maps, &err), &err);
	CHECK(!err.class || !maps.n);
	for (size_t i = 0; i < maps.n; i++) {
		struct pk_map *m = &maps.v[i];

		CHECK(end <= m->start && m->start < m->end);
		CHECK(strlen(m->path) <= n && strlen(m->unknown_flag) <= 2);
		end = m->end;
	}
	pk_maps_free(&maps);
}

static void try_status(const char *buf, size_t n)
{
	struct pk_error err = {0};
	struct pk_status s;

	check_result(pk_status_parse(buf, n, &s, &err), &err);
	CHECK(!err.class || !s.groups);
	CHECK(s.ns_depth <= PK_NS_DEPTH && s.n_groups <= PK_MAX_GROUPS);
	CHECK(strnlen(s.name, sizeof(s.name)) < sizeof(s.name));
	CHECK(strnlen(s.x86_features, sizeof(s.x86_features)) < sizeof(s.x86_features));
	(void)pk_status_inner_pid(&s);
	(void)pk_status_inner_tgid(&s);
	pk_status_free(&s);
}

static void try_stat(const char *buf, size_t n)
{
	struct pk_error err = {0};
	struct pk_stat st;

	check_result(pk_stat_parse(buf, n, &st, &err), &err);
	CHECK(strnlen(st.comm, sizeof(st.comm)) < sizeof(st.comm));
}

static void try_timers(const char *buf, size_t n)
{
	struct pk_error err = {0};
	struct pk_ptimer_line *v;
	size_t n_timers;

	check_result(pk_timers_parse(buf, n, &v, &n_timers, &err), &err);
	CHECK(!err.class || !v);
	for (size_t i = 0; i < n_timers; i++)
		CHECK(v[i].notify <= 6);
	free(v);
}

static void try_fdinfo(const char *buf, size_t n)
{
	struct pk_error err = {0};
	struct pk_fdinfo info;

	check_result(pk_fdinfo_parse(buf, n, &info, &err), &err);
	CHECK(info.locks <= n);
}

static void try_sched(const char *buf, size_t n)
{
	struct pk_sched sched;
	int r = pk_sched_parse(buf, n, &sched);

	CHECK(r == 0 || r == -1);
}

static void try_timens(const char *buf, size_t n)
{
	struct pk_error err = {0};
	struct pk_timens ns;

	check_result(pk_timens_parse(buf, n, &ns, &err), &err);
}

static bool note_function(const char *name, uint64_t offset, void *arg)
{
	*(uint64_t *)arg += strlen(name) + offset;
	return true;
}

/* An image starts at a page in memory; here malloc's alignment has to do. */
static void try_elf(const char *buf, size_t n)
{
	uint64_t sum = 0;
	char *image = malloc(n ? n : 1);

	CHECK(image);
	memcpy(image, buf, n);
	pk_elf_functions(image, n, note_function, &sum);
	free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *, size_t) = {try_maps, try_status, try_stat,
		try_timers, try_fdinfo, try_sched, try_timens, try_elf};

	if (size)
		parsers[data[0] % 8]((const char *)data + 1, size - 1);
	return 0;
}
