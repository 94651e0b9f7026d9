/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/text.h"

#include <errno.h>
#include <string.h>

struct pk_text pk_text_of(const char *file, const char *buf, size_t n)
{
	return (struct pk_text){.file = file, .rest = {buf, buf + n}};
}

bool pk_text_next(struct pk_text *t)
{
	const char *nl;

	if (t->rest.p == t->rest.end)
		return false;
	nl = memchr(t->rest.p, '\n', pk_span_len(t->rest));
	t->line = (struct pk_span){t->rest.p, nl ? nl : t->rest.end};
	t->rest.p = nl ? nl + 1 : t->rest.end;
	t->cut = !nl;
	t->number++;
	return true;
}

static void quote(struct pk_span s, char *out, size_t n)
{
	size_t i = 0;

	for (; s.p < s.end && i < n - 1; s.p++)
		out[i++] = *s.p >= ' ' && *s.p <= '~' ? *s.p : '?';
	out[i] = '\0';
}

int pk_text_fail(const struct pk_text *t, struct pk_error *err)
{
	char line[160];

	quote(t->line, line, sizeof(line));
	pk_fail(err, PK_E_HOST, "%s: line %zu is not understood", t->file, t->number);
	pk_why(err, "this kernel writes a form that pckpt does not know: \"%s\"", line);
	return pk_try(err, "report that line together with the output of \"uname -r\"");
}

int pk_text_lacks(const struct pk_text *t, const char *what, struct pk_error *err)
{
	pk_fail(err, PK_E_HOST, "%s: no \"%s\" up to line %zu", t->file, what, t->number);
	pk_why(err, "this kernel does not print it, or the text is cut short");
	return pk_try(err, "report it together with the output of \"uname -r\"");
}

int pk_text_no_memory(const struct pk_text *t, struct pk_error *err)
{
	errno = ENOMEM;
	return pk_fail_errno(err, "%s: cannot be parsed", t->file);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void pk_span_blanks(struct pk_span *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

bool pk_span_word(struct pk_span *s, struct pk_span *ret)
{
	pk_span_blanks(s);
	ret->p = s->p;
	while (s->p < s->end && !is_blank(*s->p))
		s->p++;
	ret->end = s->p;
	return ret->p < ret->end;
}

bool pk_span_done(struct pk_span s)
{
	pk_span_blanks(&s);
	return s.p == s.end;
}

bool pk_span_is(struct pk_span s, const char *word)
{
	return pk_span_lit(&s, word) && s.p == s.end;
}

/* The value of a digit; 16 for anything else. The kernel writes hexadecimal in small letters. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return 16;
}

bool pk_span_u64(struct pk_span *s, unsigned base, uint64_t *ret)
{
	const char *p = s->p;
	uint64_t v = 0;

	for (unsigned d; p < s->end && (d = digit(*p)) < base; p++) {
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (p == s->p)
		return false;
	s->p = p;
	*ret = v;
	return true;
}

bool pk_span_i64(struct pk_span *s, int64_t *ret)
{
	struct pk_span number = *s;
	bool minus = pk_span_lit(&number, "-");
	uint64_t v;

	if (!pk_span_u64(&number, 10, &v) || v > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = (int64_t)(minus ? -v : v);
	*s = number;
	return true;
}

bool pk_span_u32(struct pk_span *s, unsigned base, uint32_t *ret)
{
	struct pk_span number = *s;
	uint64_t v;

	if (!pk_span_u64(&number, base, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	*s = number;
	return true;
}

bool pk_span_i32(struct pk_span *s, int32_t *ret)
{
	struct pk_span number = *s;
	int64_t v;

	if (!pk_span_i64(&number, &v) || v < INT32_MIN || v > INT32_MAX)
		return false;
	*ret = (int32_t)v;
	*s = number;
	return true;
}

static const struct pk_key *find_key(const struct pk_keys *keys, struct pk_span name)
{
	size_t len = pk_span_len(name);

	for (size_t i = 0; i < keys->n; i++) {
		const struct pk_key *k = &keys->v[i];

		if (k->len == len && *k->name == *name.p && !memcmp(k->name, name.p, len))
			return k;
	}
	return NULL;
}

int pk_keys_line(const struct pk_keys *keys, const struct pk_text *t, void *obj, uint64_t *seen,
	struct pk_error *err)
{
	const char *colon = memchr(t->line.p, ':', pk_span_len(t->line));
	const struct pk_key *k;
	struct pk_span value;
	uint64_t bit;

	if (!colon)
		return keys->drivers ? 0 : pk_text_fail(t, err);
	k = find_key(keys, (struct pk_span){t->line.p, colon});
	if (!k)
		return 0;
	/* A driver's lines come after the kernel's own, and may repeat a name. */
	bit = UINT64_C(1) << (k - keys->v);
	if (*seen & bit && !(k->flags & PK_KEY_MANY))
		return 0;
	*seen |= bit;
	value = (struct pk_span){colon + 1, t->line.end};
	if (!k->get(&value, (char *)obj + k->offset) || !pk_span_done(value))
		return pk_text_fail(t, err);
	return 0;
}

int pk_keys_check(
	const struct pk_keys *keys, const struct pk_text *t, uint64_t seen, struct pk_error *err)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (keys->v[i].flags & PK_KEY_MUST && !(seen >> i & 1))
			return pk_text_lacks(t, keys->v[i].name, err);
	}
	return 0;
}

int pk_keys_text(const struct pk_keys *keys, struct pk_text *t, void *obj, struct pk_error *err)
{
	uint64_t seen = 0;
	int r;

	while (pk_text_next(t)) {
		r = pk_keys_line(keys, t, obj, &seen, err);
		if (r)
			return r;
	}
	if (t->cut && !keys->drivers)
		return pk_text_fail(t, err);
	return pk_keys_check(keys, t, seen, err);
}

static struct pk_span *unpadded(struct pk_span *value)
{
	pk_span_blanks(value);
	return value;
}

bool pk_get_u32(struct pk_span *value, void *u32)
{
	return pk_span_u32(unpadded(value), 10, u32);
}

bool pk_get_i32(struct pk_span *value, void *i32)
{
	return pk_span_i32(unpadded(value), i32);
}

bool pk_get_oct(struct pk_span *value, void *u32)
{
	return pk_span_u32(unpadded(value), 8, u32);
}

bool pk_get_u64(struct pk_span *value, void *u64)
{
	return pk_span_u64(unpadded(value), 10, u64);
}

bool pk_get_i64(struct pk_span *value, void *i64)
{
	return pk_span_i64(unpadded(value), i64);
}

bool pk_get_hex(struct pk_span *value, void *u64)
{
	return pk_span_u64(unpadded(value), 16, u64);
}

bool pk_get_kb(struct pk_span *value, void *u64)
{
	uint64_t kb;

	if (!pk_span_u64(unpadded(value), 10, &kb) || !pk_span_lit(value, " kB"))
		return false;
	return !__builtin_mul_overflow(kb, 1024, (uint64_t *)u64);
}
