/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "proc/status.h"
#include "proc/text.h"

#define MAX_TEXT 65536u

#define FIRST_NUMBER 4  /* field 1 is the pid, 2 the name, 3 the state */
#define LAST_NUMBER  52 /* since 3.5; later fields would follow it */

/* Where a number goes. The fields are numbered as in proc(5). */
static const struct {
	uint8_t field;
	uint8_t size;
	uint16_t offset;
} members[] = {
#define M(field, m)                                                                                \
	{                                                                                          \
		field, sizeof(((struct pk_stat *)0)->m), offsetof(struct pk_stat, m)               \
	}
	M(4, ppid),
	M(5, pgrp),
	M(6, session),
	M(7, tty_nr),
	M(9, flags),
	M(14, utime),
	M(15, stime),
	M(22, start_time),
	M(26, start_code),
	M(27, end_code),
	M(28, start_stack),
	M(38, exit_signal),
	M(39, processor),
	M(45, start_data),
	M(46, end_data),
	M(47, start_brk),
	M(48, arg_start),
	M(49, arg_end),
	M(50, env_start),
	M(51, env_end),
	M(52, exit_code),
#undef M
};

/* Numbers are signed (tpgid -1) or unsigned 64 bit (rlim); both are kept as 64 bits. */
static bool read_number(struct pk_span *s, uint64_t *ret)
{
	pk_span_blanks(s);
	return pk_span_u64(s, 10, ret) || pk_span_i64(s, (int64_t *)ret);
}

static bool fits_32(uint64_t v)
{
	return (int64_t)v >= INT32_MIN && (int64_t)v <= UINT32_MAX;
}

static bool store(const uint64_t *numbers, struct pk_stat *st)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		uint64_t v = numbers[members[i].field - FIRST_NUMBER];

		if (members[i].size == sizeof(uint32_t) && !fits_32(v))
			return false;
		memcpy((char *)st + members[i].offset, &v, members[i].size);
	}
	/* Without the right to look, the kernel gives 1 for these two and 0 for the rest. */
	if (st->start_code == 1 && st->end_code == 1)
		st->start_code = st->end_code = 0;
	return true;
}

static bool read_numbers(struct pk_span *s, struct pk_stat *st)
{
	uint64_t numbers[LAST_NUMBER - FIRST_NUMBER + 1];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!read_number(s, &numbers[i]))
			return false;
	}
	return store(numbers, st);
}

/* "(comm) S ": the name may hold spaces, newlines and ')', so it ends with the last ')'. */
static bool read_comm(struct pk_span *s, struct pk_stat *st)
{
	const char *close = memrchr(s->p, ')', pk_span_len(*s));
	size_t n;

	if (!close || !pk_span_lit(s, "("))
		return false;
	n = (size_t)(close - s->p);
	if (n >= sizeof(st->comm))
		return false;
	memcpy(st->comm, s->p, n);
	s->p = close;
	if (!pk_span_lit(s, ") ") || s->p == s->end)
		return false;
	st->state = *s->p++;
	return true;
}

int pk_stat_parse(const char *buf, size_t n, struct pk_stat *ret, struct pk_error *err)
{
	struct pk_text t = pk_text_of("stat", buf, n);
	struct pk_stat st = {0};
	struct pk_span s;

	memset(ret, 0, sizeof(*ret));
	/* One line, with whatever newlines the name has. */
	t.line = s = t.rest;
	t.number = 1;
	if (!n || buf[n - 1] != '\n')
		return pk_text_fail(&t, err);
	s.end--;
	if (!pk_span_i32(&s, &st.pid) || !pk_span_lit(&s, " ") || !read_comm(&s, &st) ||
		!read_numbers(&s, &st))
		return pk_text_fail(&t, err);
	*ret = st;
	return 0;
}

int pk_stat_read(int procfd, struct pk_stat *ret, struct pk_error *err)
{
	size_t n = 0;
	PK_FREE char *text = pk_read_file(procfd, "stat", MAX_TEXT, &n);

	memset(ret, 0, sizeof(*ret));
	if (!text)
		return pk_fail_errno(err, "stat: cannot be read");
	return pk_stat_parse(text, n, ret, err);
}
