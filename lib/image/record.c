/* SPDX-License-Identifier: Apache-2.0 */
#include "image/record.h"

#include <errno.h>
#include <string.h>

#include "image/format.h"
#include "image/io.h"
#include "image/sum.h"

/* Encoding */

static void put_header(struct pk_buf *out, uint32_t count)
{
	size_t at = out->len;

	pk_buf_put(out, PK_CORE_SIGNATURE, sizeof(PK_CORE_SIGNATURE) - 1);
	pk_buf_u16(out, PK_FORMAT_MAJOR);
	pk_buf_u16(out, PK_FORMAT_MINOR);
	pk_buf_u32(out, 0); /* incompatible features in use */
	pk_buf_u32(out, 0); /* compatible ones */
	pk_buf_u32(out, PK_ARCH_X86_64);
	pk_buf_u32(out, count);
	pk_buf_u32(out, 0);
	if (!out->failed)
		pk_buf_u64(out, pk_xxh3(out->p + at, PK_CORE_SUMMED));
}

static int put_record(const struct pk_obj *o, struct pk_buf *out)
{
	size_t at = pk_buf_put(out, NULL, PK_REC_SUM);
	size_t len_at = pk_buf_put(out, NULL, sizeof(uint64_t));
	size_t body;
	int rc;

	pk_buf_u16(out, o->type->id);
	pk_buf_u16(out, 0);
	pk_buf_u32(out, PK_REC_MUST);
	pk_buf_u32(out, o->id);
	pk_buf_u32(out, o->owner);
	body = out->len;
	rc = pk_fields_encode(o->type, o->data, out);
	if (rc)
		return rc;
	pk_buf_set_u64(out, len_at, out->len - body);
	at += PK_REC_SUM;
	pk_buf_set_u64(out, at - PK_REC_SUM, pk_xxh3(out->p + at, out->len - at));
	return 0;
}

static bool owner_ok(const struct pk_model *m, uint32_t id, uint32_t owner)
{
	return owner == 0 || (owner < id && pk_model_find(m, owner, NULL));
}

int pk_records_encode(const struct pk_model *m, struct pk_buf *out, struct pk_error *err)
{
	size_t from = out->len;

	if (m->n > UINT32_MAX)
		return pk_fail(err, PK_E_INTERNAL, "%zu objects are too many for an image", m->n);
	put_header(out, (uint32_t)m->n);
	for (size_t i = 0; i < m->n; i++) {
		const struct pk_obj *o = &m->objs[i];
		int rc;

		if (!o->type->id || !owner_ok(m, o->id, o->owner))
			return pk_fail(err, PK_E_INTERNAL,
				"object %u (%s) of owner %u cannot be recorded", o->id,
				o->type->name, o->owner);
		rc = put_record(o, out);
		if (rc)
			return pk_fail(err, (enum pk_class) - rc,
				"object %u (%s) cannot be recorded", o->id, o->type->name);
	}
	if (out->len - from > PK_CORE_MAX)
		return pk_fail(err, PK_E_UNSUPPORTED,
			"the job's records take %zu bytes, more than an image may hold",
			out->len - from);
	return out->failed ? pk_fail(err, PK_E_TEMPFAIL, "out of memory for the records") : 0;
}

/* Decoding */

struct reader {
	struct pk_cur cur;
	pk_type_lookup lookup;
	struct pk_model *m;
	uint32_t last_id; /* of skipped records, too */
};

struct rec {
	uint64_t sum, len;
	uint16_t type, reserved;
	uint32_t flags, id, owner;
	const uint8_t *payload;
};

static int check_features(struct pk_cur *c, struct pk_error *err)
{
	uint16_t major = pk_cur_u16(c);
	uint32_t incompat, arch;

	pk_cur_u16(c); /* a newer minor version adds only what can be ignored */
	incompat = pk_cur_u32(c) & ~PK_CORE_INCOMPAT;
	pk_cur_u32(c); /* compatible features: the same */
	arch = pk_cur_u32(c);
	if (major != PK_FORMAT_MAJOR) {
		pk_fail(err, PK_E_IMAGE, "format version %u is unknown", major);
		return pk_from_newer(err);
	}
	if (incompat) {
		pk_fail(err, PK_E_IMAGE, "format features %#x are unknown", incompat);
		return pk_from_newer(err);
	}
	if (arch != PK_ARCH_X86_64)
		return pk_fail(
			err, PK_E_HOST, "the image is of another CPU architecture (%u)", arch);
	return 0;
}

static int read_header(struct pk_cur *c, uint32_t *ret_count, struct pk_error *err)
{
	const uint8_t *p = pk_cur_take(c, PK_CORE_HEADER);
	struct pk_cur h;
	uint32_t reserved;
	int rc;

	if (!p)
		return pk_fail(err, PK_E_IMAGE, "the header is cut short");
	h = pk_cur_of(p, PK_CORE_HEADER);
	if (memcmp(pk_cur_take(&h, 8), PK_CORE_SIGNATURE, 8) != 0)
		return pk_fail(err, PK_E_IMAGE, "this is not a records file: wrong signature");
	rc = check_features(&h, err);
	*ret_count = pk_cur_u32(&h);
	reserved = pk_cur_u32(&h);
	/* Damage is likelier than news: only a header that is whole may name what is unknown. */
	if (pk_cur_u64(&h) != pk_xxh3(p, PK_CORE_SUMMED))
		return pk_fail(err, PK_E_IMAGE, "the header's checksum does not match");
	if (rc)
		return rc;
	if (reserved)
		return pk_fail(err, PK_E_IMAGE, "the header has reserved bytes that are set");
	return 0;
}

static int take_record(struct pk_cur *c, struct rec *r, struct pk_error *err)
{
	const uint8_t *start = c->p;

	r->sum = pk_cur_u64(c);
	r->len = pk_cur_u64(c);
	r->type = pk_cur_u16(c);
	r->reserved = pk_cur_u16(c);
	r->flags = pk_cur_u32(c);
	r->id = pk_cur_u32(c);
	r->owner = pk_cur_u32(c);
	if (!pk_cur_ok(c) || r->len > pk_cur_left(c))
		return pk_fail(err, PK_E_IMAGE, "it is cut short");
	r->payload = pk_cur_take(c, (size_t)r->len);
	if (r->sum != pk_xxh3(start + PK_REC_SUM, (size_t)(c->p - start) - PK_REC_SUM))
		return pk_fail(err, PK_E_IMAGE, "its checksum does not match");
	return 0;
}

static int check_record(const struct reader *rd, const struct rec *r, struct pk_error *err)
{
	if (r->reserved || r->flags & ~PK_REC_MUST || r->len % 8)
		return pk_fail(err, PK_E_IMAGE, "its header has reserved bits that are set");
	if (r->id <= rd->last_id || r->id == PK_ANY_OWNER)
		return pk_fail(err, PK_E_IMAGE, "number %u comes after %u", r->id, rd->last_id);
	return 0;
}

static int add_record(struct reader *rd, const struct rec *r, struct pk_error *err)
{
	const struct pk_type *type = rd->lookup(r->type);
	void *data;
	int rc;

	if (!type && !(r->flags & PK_REC_MUST))
		return 0;
	if (!type) {
		pk_fail(err, PK_E_IMAGE, "record type %u is unknown", r->type);
		return pk_from_newer(err);
	}
	if (!owner_ok(rd->m, r->id, r->owner))
		return pk_fail(err, PK_E_IMAGE, "%s %u: its owner %u is not there", type->name,
			r->id, r->owner);
	data = pk_model_add_as(rd->m, type, r->owner, r->id);
	if (!data) {
		errno = ENOMEM;
		return pk_fail_errno(err, "%s %u", type->name, r->id);
	}
	rc = pk_fields_decode(type, r->payload, (size_t)r->len, data, err);
	if (rc)
		pk_wrap(err, "%s %u", type->name, r->id);
	return rc;
}

static int read_record(struct reader *rd, struct pk_error *err)
{
	struct rec r = {0};
	int rc = take_record(&rd->cur, &r, err);

	if (!rc)
		rc = check_record(rd, &r, err);
	if (!rc)
		rc = add_record(rd, &r, err);
	if (!rc)
		rd->last_id = r.id;
	return rc;
}

static int read_all(struct reader *rd, struct pk_error *err)
{
	const uint8_t *start = rd->cur.p;
	uint32_t count = 0;
	int rc = read_header(&rd->cur, &count, err);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < count; i++) {
		size_t at = (size_t)(rd->cur.p - start);

		rc = read_record(rd, err);
		if (rc) {
			pk_wrap(err, "record %u at byte %zu", i + 1, at);
			return rc;
		}
	}
	if (pk_cur_left(&rd->cur))
		return pk_fail(
			err, PK_E_IMAGE, "%zu bytes follow the last record", pk_cur_left(&rd->cur));
	return 0;
}

int pk_records_decode(
	const void *p, size_t n, pk_type_lookup lookup, struct pk_model *m, struct pk_error *err)
{
	struct reader rd = {.cur = pk_cur_of(p, n), .lookup = lookup, .m = m};
	int rc = read_all(&rd, err);

	if (rc)
		pk_model_free(m);
	return rc;
}
