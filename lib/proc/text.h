/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors over kernel text, for the parsers of this folder: lines, numbers, and tables of "Key:
 * value" lines. Nothing here reads past its end, allocates, or looks at a byte more than a few
 * times.
 */
#ifndef PK_PROC_TEXT_H
#define PK_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

/* What is left of a line or a value. Functions that take something from its start move p. */
struct pk_span {
	const char *p, *end;
};

/* The lines of a file of /proc. */
struct pk_text {
	const char *file; /* its name, for errors */
	struct pk_span rest;
	struct pk_span line; /* the line last given, without its newline */
	size_t number;       /* of that line, from 1 */
	bool cut;            /* it had none: the text was cut short, though it may look right */
};

static inline size_t pk_span_len(struct pk_span s)
{
	return (size_t)(s.end - s.p);
}

struct pk_text pk_text_of(const char *file, const char *buf, size_t n);

/* Go to the next line. False at the end. */
bool pk_text_next(struct pk_text *t);

/* Fail because of the current line; it is quoted with unprintable bytes as '?'. */
int pk_text_fail(const struct pk_text *t, struct pk_error *err);
/* Fail because a line is not there. */
int pk_text_lacks(const struct pk_text *t, const char *what, struct pk_error *err);
int pk_text_no_memory(const struct pk_text *t, struct pk_error *err);

/* Take exactly these characters. Inline, because most of the time they are one or two. */
static inline bool pk_span_lit(struct pk_span *s, const char *lit)
{
	size_t n = strlen(lit);

	if (pk_span_len(*s) < n || memcmp(s->p, lit, n))
		return false;
	s->p += n;
	return true;
}

/* Skip spaces and tabs, then take what stands before the next one. False at the end. */
bool pk_span_word(struct pk_span *s, struct pk_span *ret);
void pk_span_blanks(struct pk_span *s);
/* Whether only blanks are left. */
bool pk_span_done(struct pk_span s);
bool pk_span_is(struct pk_span s, const char *word);

/*
 * Take a number: at least one digit, no sign (pk_span_i64: perhaps a minus), no prefix. False, and
 * nothing taken, on overflow too.
 */
bool pk_span_u64(struct pk_span *s, unsigned base, uint64_t *ret);
bool pk_span_i64(struct pk_span *s, int64_t *ret);
bool pk_span_u32(struct pk_span *s, unsigned base, uint32_t *ret);
bool pk_span_i32(struct pk_span *s, int32_t *ret);

/*
 * One "Key: value" line that a parser wants. `get` reads what follows the colon into the member;
 * what it leaves over must be blank.
 */
struct pk_key {
	const char *name;
	size_t len;
	bool (*get)(struct pk_span *value, void *member);
	size_t offset;
	unsigned flags; /* PK_KEY_* */
};
#define PK_KEY_MUST 1u /* every kernel from 4.18 on prints it */
#define PK_KEY_MANY 2u /* may occur again; of others the first one counts */

#define PK_KEY(name_, flags_, get_, s, m)                                                          \
	{                                                                                          \
		.name = (name_), .len = sizeof(name_) - 1, .get = (get_),                          \
		.offset = offsetof(s, m), .flags = (flags_)                                        \
	}

/* For a value that fills more than one member: `get` is given the whole struct. */
#define PK_KEY_WHOLE(name_, flags_, get_)                                                          \
	{                                                                                          \
		.name = (name_), .len = sizeof(name_) - 1, .get = (get_), .flags = (flags_)        \
	}

struct pk_keys {
	const struct pk_key *v;
	size_t n;     /* at most 64 */
	bool drivers; /* the text goes on with lines of drivers, of whatever form */
};

#define PK_KEYS(table) .v = (table), .n = sizeof(table) / sizeof((table)[0])

/*
 * Read the current line by a table into obj; bit i of *seen tells that key i was there. Lines
 * without a known key are left alone, because every kernel version adds some.
 */
int pk_keys_line(const struct pk_keys *keys, const struct pk_text *t, void *obj, uint64_t *seen,
	struct pk_error *err);
/* Fail if a key that must be there was not seen. */
int pk_keys_check(
	const struct pk_keys *keys, const struct pk_text *t, uint64_t seen, struct pk_error *err);
/* Both, for a whole text. */
int pk_keys_text(const struct pk_keys *keys, struct pk_text *t, void *obj, struct pk_error *err);

/* Values for `get`: numbers, and "12 kB" as bytes. They skip the blanks before it. */
bool pk_get_u32(struct pk_span *value, void *u32);
bool pk_get_i32(struct pk_span *value, void *i32);
bool pk_get_oct(struct pk_span *value, void *u32);
bool pk_get_u64(struct pk_span *value, void *u64);
bool pk_get_i64(struct pk_span *value, void *i64);
bool pk_get_hex(struct pk_span *value, void *u64);
bool pk_get_kb(struct pk_span *value, void *u64);

#endif
