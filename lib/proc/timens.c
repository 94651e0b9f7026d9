/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "proc/status.h"
#include "proc/text.h"

/* 5.6 prints the number of the clock, later kernels its name. */
static const struct clock {
	const char *name, *number;
	size_t sec, nsec;
} clocks[] = {
	{"monotonic", "1", offsetof(struct pk_timens, mono_sec),
		offsetof(struct pk_timens, mono_nsec)},
	{"boottime", "7", offsetof(struct pk_timens, boot_sec),
		offsetof(struct pk_timens, boot_nsec)},
};
#define N_CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

/* The number of the clock in the table; N_CLOCKS if it is another one. */
static size_t find_clock(struct pk_span name)
{
	size_t i = 0;

	while (i < N_CLOCKS && !pk_span_is(name, clocks[i].name) &&
		!pk_span_is(name, clocks[i].number))
		i++;
	return i;
}

/* "monotonic           0         0": clock, seconds, ns. A clock that is not known cannot be
 * restored, so it is an error. */
static bool read_line(struct pk_span s, struct pk_timens *ret, bool seen[N_CLOCKS])
{
	struct pk_span name;
	size_t i;

	if (!pk_span_word(&s, &name))
		return false;
	i = find_clock(name);
	if (i == N_CLOCKS || seen[i])
		return false;
	seen[i] = true;
	return pk_get_i64(&s, (char *)ret + clocks[i].sec) &&
	       pk_get_i64(&s, (char *)ret + clocks[i].nsec) && pk_span_done(s);
}

int pk_timens_parse(const char *buf, size_t n, struct pk_timens *ret, struct pk_error *err)
{
	struct pk_text t = pk_text_of("timens_offsets", buf, n);
	struct pk_timens ns = {0};
	bool seen[N_CLOCKS] = {false};

	memset(ret, 0, sizeof(*ret));
	while (pk_text_next(&t)) {
		if (!read_line(t.line, &ns, seen) || t.cut)
			return pk_text_fail(&t, err);
	}
	for (size_t i = 0; i < N_CLOCKS; i++) {
		if (!seen[i])
			return pk_text_lacks(&t, clocks[i].name, err);
	}
	*ret = ns;
	return 0;
}
