/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of one object, as its type's table describes them: a record's payload. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/format.h"
#include "image/record.h"

static size_t padding(uint64_t n)
{
	return (size_t)(-n & 7);
}

static enum pk_wire wire_of(const struct pk_field *f)
{
	switch (f->ftype) {
	case PK_F_STR:
		return PK_WIRE_STR;
	case PK_F_BYTES:
		return PK_WIRE_BYTES;
	case PK_F_LIST:
		return PK_WIRE_LIST;
	default:
		return PK_WIRE_INT;
	}
}

/* Encoding: fields go out in the order of their tags; what is zero or absent is left out. */

static int fields_encode(
	const struct pk_type *type, const void *obj, struct pk_buf *out, unsigned depth);

/* Returns where the length is, for fields whose length is known only afterwards. */
static size_t put_head(struct pk_buf *out, const struct pk_field *f, uint32_t len)
{
	pk_buf_u16(out, f->tag);
	pk_buf_u8(out, (uint8_t)wire_of(f));
	pk_buf_u8(out, 0);
	pk_buf_u32(out, len);
	return out->len - sizeof(len);
}

static int put_data(struct pk_buf *out, const struct pk_field *f, const void *p, size_t n)
{
	if (n > UINT32_MAX)
		return -PK_E_INTERNAL;
	put_head(out, f, (uint32_t)n);
	pk_buf_put(out, p, n);
	pk_buf_put(out, NULL, padding(n));
	return 0;
}

/* The length of what was written since `from` goes to the four bytes at `at`. */
static int set_length(struct pk_buf *out, size_t at, size_t from)
{
	if (out->failed)
		return -PK_E_TEMPFAIL;
	if (out->len - from > UINT32_MAX)
		return -PK_E_INTERNAL;
	pk_buf_set_u32(out, at, (uint32_t)(out->len - from));
	return 0;
}

static int put_element(
	struct pk_buf *out, const struct pk_type *sub, const void *elem, unsigned depth)
{
	size_t at = out->len;
	int rc;

	pk_buf_put(out, NULL, PK_ELEM_HEAD);
	rc = fields_encode(sub, elem, out, depth);
	return rc ? rc : set_length(out, at, at + PK_ELEM_HEAD);
}

static int put_list(
	struct pk_buf *out, const struct pk_field *f, const struct pk_list *l, unsigned depth)
{
	size_t at = put_head(out, f, 0), from = out->len;

	if (l->n > UINT32_MAX)
		return -PK_E_INTERNAL;
	pk_buf_u32(out, (uint32_t)l->n);
	pk_buf_u32(out, 0);
	for (size_t i = 0; i < l->n; i++) {
		const char *elem = (const char *)l->p + i * f->sub->size;
		int rc = put_element(out, f->sub, elem, depth + 1);

		if (rc)
			return rc;
	}
	return set_length(out, at, from);
}

static int put_int(struct pk_buf *out, const struct pk_field *f, uint64_t v)
{
	if (!v)
		return 0;
	put_head(out, f, sizeof(v));
	pk_buf_u64(out, v);
	return 0;
}

static int put_field(struct pk_buf *out, const struct pk_field *f, const void *obj, unsigned depth)
{
	const void *m = (const char *)obj + f->offset;
	const struct pk_bytes *bytes = m;
	const struct pk_list *list = m;
	const char *str;

	switch (wire_of(f)) {
	case PK_WIRE_STR:
		str = *(const char *const *)m;
		return str ? put_data(out, f, str, strlen(str)) : 0;
	case PK_WIRE_BYTES:
		return bytes->n ? put_data(out, f, bytes->p, bytes->n) : 0;
	case PK_WIRE_LIST:
		return list->n ? put_list(out, f, list, depth) : 0;
	default:
		return put_int(out, f, pk_field_get(f, obj));
	}
}

static int fields_encode(
	const struct pk_type *type, const void *obj, struct pk_buf *out, unsigned depth)
{
	if (depth > PK_DEPTH_MAX)
		return -PK_E_INTERNAL;
	for (const struct pk_field *f = type->fields; f->ftype != PK_F_END; f++) {
		int rc = put_field(out, f, obj, depth);

		if (rc)
			return rc;
	}
	return out->failed ? -PK_E_TEMPFAIL : 0;
}

int pk_fields_encode(const struct pk_type *type, const void *obj, struct pk_buf *out)
{
	return fields_encode(type, obj, out, 0);
}

/* Decoding: every byte may be hostile. */

struct wire_field {
	uint16_t tag;
	uint8_t wire;
	uint32_t len;
	const uint8_t *p;
};

static int fields_decode(const struct pk_type *type, struct pk_cur c, void *obj, unsigned depth,
	struct pk_error *err);

static int bad_field(struct pk_error *err, const struct pk_field *f, const char *what)
{
	return pk_fail(err, PK_E_IMAGE, "field %u (%s) %s", f->tag, f->name, what);
}

static int no_memory(struct pk_error *err, const struct pk_field *f)
{
	errno = ENOMEM;
	return pk_fail_errno(err, "field %u (%s)", f->tag, f->name);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Tags ascend, so that none can come twice. */
static int take_field(struct pk_cur *c, struct wire_field *w, struct pk_error *err)
{
	uint16_t last = w->tag;
	const uint8_t *pad;
	uint8_t reserved;

	w->tag = pk_cur_u16(c);
	w->wire = pk_cur_u8(c);
	reserved = pk_cur_u8(c);
	w->len = pk_cur_u32(c);
	w->p = pk_cur_take(c, w->len);
	pad = pk_cur_take(c, padding(w->len));
	if (!pk_cur_ok(c))
		return pk_fail(err, PK_E_IMAGE, "field %u is cut short", w->tag);
	if (w->tag <= last)
		return pk_fail(err, PK_E_IMAGE, "field %u comes after field %u", w->tag, last);
	if (reserved || !all_zero(pad, padding(w->len)))
		return pk_fail(err, PK_E_IMAGE, "field %u has reserved bytes that are set", w->tag);
	return 0;
}

static bool int_fits(const struct pk_field *f, uint64_t v)
{
	switch (f->ftype) {
	case PK_F_U8:
		return v <= UINT8_MAX;
	case PK_F_U16:
		return v <= UINT16_MAX;
	case PK_F_U32:
		return v <= UINT32_MAX;
	case PK_F_I32:
		return (int64_t)v >= INT32_MIN && (int64_t)v <= INT32_MAX;
	default:
		return true;
	}
}

static int get_int(
	const struct pk_field *f, const struct wire_field *w, void *obj, struct pk_error *err)
{
	struct pk_cur c = pk_cur_of(w->p, w->len);
	uint64_t v = pk_cur_u64(&c);

	if (!pk_cur_ok(&c) || pk_cur_left(&c))
		return bad_field(err, f, "is not 8 bytes long");
	if (!int_fits(f, v))
		return bad_field(err, f, "is out of range");
	pk_field_set(f, obj, v);
	return 0;
}

static int get_str(
	const struct pk_field *f, const struct wire_field *w, char **m, struct pk_error *err)
{
	if (memchr(w->p, 0, w->len))
		return bad_field(err, f, "has a NUL in its text");
	*m = strndup((const char *)w->p, w->len);
	return *m ? 0 : no_memory(err, f);
}

static int get_bytes(const struct pk_field *f, const struct wire_field *w, struct pk_bytes *m,
	struct pk_error *err)
{
	return pk_bytes_set(m, w->p, w->len) ? no_memory(err, f) : 0;
}

static int get_element(const struct pk_field *f, struct pk_cur *c, struct pk_list *l,
	unsigned depth, struct pk_error *err)
{
	uint32_t len = pk_cur_u32(c);
	uint32_t reserved = pk_cur_u32(c);
	const uint8_t *p = pk_cur_take(c, len);
	void *elem;

	if (!pk_cur_ok(c) || reserved || padding(len))
		return pk_fail(err, PK_E_IMAGE, "damaged header");
	elem = pk_list_add(l, f->sub);
	return elem ? fields_decode(f->sub, pk_cur_of(p, len), elem, depth, err)
		    : no_memory(err, f);
}

static int get_list(const struct pk_field *f, const struct wire_field *w, struct pk_list *l,
	unsigned depth, struct pk_error *err)
{
	struct pk_cur c = pk_cur_of(w->p, w->len);
	uint32_t count = pk_cur_u32(&c);
	uint32_t reserved = pk_cur_u32(&c);

	if (!pk_cur_ok(&c) || reserved || count > pk_cur_left(&c) / PK_ELEM_HEAD)
		return bad_field(err, f, "has a damaged list header");
	/* The list grows as elements turn up, so that memory follows bytes and not the count. */
	for (uint32_t i = 0; i < count; i++) {
		int rc = get_element(f, &c, l, depth + 1, err);

		if (rc) {
			pk_wrap(err, "field %u (%s) element %u", f->tag, f->name, i);
			return rc;
		}
	}
	return pk_cur_left(&c) ? bad_field(err, f, "has bytes after its last element") : 0;
}

static int get_field(const struct pk_field *f, const struct wire_field *w, void *obj,
	unsigned depth, struct pk_error *err)
{
	void *m = (char *)obj + f->offset;

	if (w->wire != wire_of(f))
		return bad_field(err, f, "is of another kind than its type says");
	switch (wire_of(f)) {
	case PK_WIRE_STR:
		return get_str(f, w, m, err);
	case PK_WIRE_BYTES:
		return get_bytes(f, w, m, err);
	case PK_WIRE_LIST:
		return get_list(f, w, m, depth, err);
	default:
		return get_int(f, w, obj, err);
	}
}

static int fields_decode(const struct pk_type *type, struct pk_cur c, void *obj, unsigned depth,
	struct pk_error *err)
{
	const struct pk_field *f = type->fields;
	struct wire_field w = {0};

	if (depth > PK_DEPTH_MAX)
		return pk_fail(err, PK_E_IMAGE, "lists are nested too deep");
	while (pk_cur_left(&c)) {
		int rc = take_field(&c, &w, err);

		if (rc)
			return rc;
		while (f->ftype != PK_F_END && f->tag < w.tag)
			f++;
		if (f->ftype == PK_F_END || f->tag != w.tag)
			continue; /* a later version's field */
		rc = get_field(f, &w, obj, depth, err);
		if (rc)
			return rc;
	}
	return 0;
}

int pk_fields_decode(
	const struct pk_type *type, const void *p, size_t n, void *obj, struct pk_error *err)
{
	int rc = fields_decode(type, pk_cur_of(p, n), obj, 0, err);

	if (rc)
		pk_type_free(type, obj);
	return rc;
}
