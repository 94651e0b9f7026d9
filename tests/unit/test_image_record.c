/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "image/format.h"
#include "image/record.h"
#include "image_sample.h"
#include "image_sums.h"

static struct pk_buf encoded_sample(void)
{
	struct pk_model m = {0};
	struct pk_buf b = {0};

	sample_model(&m);
	cr_assert_eq(pk_records_encode(&m, &b, NULL), 0);
	pk_model_free(&m);
	return b;
}

static int decode(const struct pk_buf *b, struct pk_error *err)
{
	struct pk_model m = {0};
	int rc = pk_records_decode(b->p, b->len, sample_lookup, &m, err);

	if (rc)
		cr_expect(m.n == 0 && !m.objs, "a failed decode leaves nothing behind");
	pk_model_free(&m);
	return rc;
}

Test(image_record, round_trip)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample(), again = {0};
	struct pk_model m = {0}, back = {0};
	struct pk_error err = {0};

	sample_model(&m);
	cr_assert_eq(pk_records_decode(b.p, b.len, sample_lookup, &back, &err), 0, "%s", err.what);
	cr_expect_null(sample_diff(&m, &back));
	cr_expect_eq(back.last_id, 1000);
	cr_assert_eq(pk_records_encode(&back, &again, NULL), 0);
	cr_assert_eq(again.len, b.len);
	cr_expect_eq(memcmp(again.p, b.p, b.len), 0, "the same model gives the same bytes");
	pk_model_free(&m);
	pk_model_free(&back);
}

Test(image_record, decoded_lists_can_grow)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample();
	struct pk_model m = {0};
	struct thing *t;

	cr_assert_eq(pk_records_decode(b.p, b.len, sample_lookup, &m, NULL), 0);
	t = m.objs[0].data;
	cr_assert_eq(t->slots.n, 3);
	for (int i = 0; i < 10; i++)
		cr_assert_not_null(pk_list_add(&t->slots, &slot_type));
	pk_model_free(&m);
}

Test(image_record, empty_model)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct pk_model m = {0};

	cr_assert_eq(pk_records_encode(&m, &b, NULL), 0);
	cr_expect_eq(b.len, PK_CORE_HEADER);
	cr_expect_eq(decode(&b, NULL), 0);
}

Test(image_record, zero_object_takes_no_bytes)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct thing t = {0};

	cr_assert_eq(pk_fields_encode(&thing_type, &t, &b), 0);
	cr_expect_eq(b.len, 0);
}

Test(image_record, encodes_behind_what_is_there)
{
	PK_CLEAN_BUF struct pk_buf b = {0}, plain = encoded_sample();
	struct pk_model m = {0};

	sample_model(&m);
	pk_buf_put(&b, "abc", 3);
	cr_assert_eq(pk_records_encode(&m, &b, NULL), 0);
	cr_assert_eq(b.len, plain.len + 3);
	cr_expect_eq(memcmp(b.p + 3, plain.p, plain.len), 0);
	pk_model_free(&m);
}

Test(image_record, bytes_are_as_specified)
{
	static const uint8_t want[] = {
		5, 0, 1, 0, 8, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* i32 -5 */
		10, 0, 2, 0, 3, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0,                  /* "abc" */
		12, 0, 4, 0, 32, 0, 0, 0,                                               /* a list */
		1, 0, 0, 0, 0, 0, 0, 0,                                                 /* of one */
		16, 0, 0, 0, 0, 0, 0, 0,                        /* 16 long */
		1, 0, 1, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, /* fd 3 */
	};
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct thing t = {.i32 = -5, .name = strdup("abc")};
	struct slot *s = pk_list_add(&t.slots, &slot_type);

	s->fd = 3;
	cr_assert_eq(pk_fields_encode(&thing_type, &t, &b), 0);
	cr_assert_eq(b.len, sizeof(want));
	cr_expect_eq(memcmp(b.p, want, sizeof(want)), 0);
	pk_type_free(&thing_type, &t);
}

/* The other direction of compatibility: fields and records of later versions. */

static const struct pk_field later_fields[] = {
	PK_FIELD(struct thing, 1, PK_F_U8, u8, ""),
	PK_FIELD(struct thing, 7, PK_F_U64, u64, "not in thing_fields"),
	PK_FIELD(struct thing, 8, PK_F_STR, name, "nor this"),
	PK_FIELD_LIST(struct thing, 9, slots, &slot_type, "nor this"),
	PK_FIELD(struct thing, 10, PK_F_STR, name, ""),
	PK_FIELD(struct thing, 99, PK_F_BYTES, blob, "nor this"),
	PK_FIELD_END,
};

static const struct pk_type later_type = {
	.name = "thing",
	.id = SAMPLE_THING,
	.size = sizeof(struct thing),
	.fields = later_fields,
};

Test(image_record, unknown_fields_are_skipped)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct thing t = {0}, back = {0};
	struct pk_error err = {0};

	sample_fill(&t);
	cr_assert_eq(pk_fields_encode(&later_type, &t, &b), 0);
	cr_assert_eq(pk_fields_decode(&thing_type, b.p, b.len, &back, &err), 0, "%s", err.what);
	cr_expect_eq(back.u8, UINT8_MAX);
	cr_expect_str_eq(back.name, t.name);
	cr_expect(!back.u64 && !back.blob.p && !back.slots.p);
	pk_type_free(&thing_type, &t);
	pk_type_free(&thing_type, &back);
}

/* One record of type 77 between two things. */
static struct pk_buf with_unknown_type(uint32_t flags)
{
	static const struct pk_type unknown = {
		.name = "unknown", .id = 77, .size = sizeof(struct thing), .fields = thing_fields};
	struct pk_model m = {0};
	struct pk_buf b = {0};
	size_t at;

	pk_model_add(&m, &thing_type, 0, NULL);
	pk_model_add(&m, &unknown, 0, NULL);
	pk_model_add(&m, &thing_type, 0, NULL);
	cr_assert_eq(pk_records_encode(&m, &b, NULL), 0);
	at = PK_CORE_HEADER + PK_REC_HEADER;
	pk_buf_set_u32(&b, at + 20, flags);
	sums_fix_records(b.p, b.len);
	pk_model_free(&m);
	return b;
}

Test(image_record, unknown_type_is_refused_if_it_must_be_known)
{
	PK_CLEAN_BUF struct pk_buf b = with_unknown_type(PK_REC_MUST);
	struct pk_error err = {0};

	cr_assert_eq(decode(&b, &err), -PK_E_IMAGE);
	cr_expect_not_null(strstr(err.what, "77"), "%s", err.what);
	cr_expect_not_null(strstr(err.try, "newer"), "%s", err.try);
}

Test(image_record, unknown_type_is_skipped_else)
{
	PK_CLEAN_BUF struct pk_buf b = with_unknown_type(0);
	struct pk_model m = {0};

	cr_assert_eq(pk_records_decode(b.p, b.len, sample_lookup, &m, NULL), 0);
	cr_assert_eq(m.n, 2);
	cr_expect_eq(m.objs[0].id, 1);
	cr_expect_eq(m.objs[1].id, 3);
	pk_model_free(&m);
}

Test(image_record, unknown_record_flags_are_refused)
{
	PK_CLEAN_BUF struct pk_buf b = with_unknown_type(2);

	cr_expect_eq(decode(&b, NULL), -PK_E_IMAGE);
}

/* The header: offset, 32-bit value to put there, expected class, a word of the message. */
static const struct header_case {
	size_t at;
	uint32_t value;
	int class;
	const char *word;
} header_cases[] = {
	{0, 0, PK_E_IMAGE, "signature"},
	{8, 2, PK_E_IMAGE, "version 2"},
	{8, 1 | 7 << 16, 0, NULL}, /* minor version 7 */
	{12, 0x10, PK_E_IMAGE, "0x10"},
	{16, 0xffffffff, 0, NULL},
	{20, 183, PK_E_HOST, "183"},
	{24, 5, PK_E_IMAGE, "record 5"},
	{24, 3, PK_E_IMAGE, "follow"},
	{24, 0xffffffff, PK_E_IMAGE, "record 5"},
	{28, 1, PK_E_IMAGE, "reserved"},
};

Test(image_record, header)
{
	for (size_t i = 0; i < sizeof(header_cases) / sizeof(*header_cases); i++) {
		const struct header_case *c = &header_cases[i];
		PK_CLEAN_BUF struct pk_buf b = encoded_sample();
		struct pk_error err = {0};

		pk_buf_set_u32(&b, c->at, c->value);
		sums_fix_records(b.p, b.len);
		cr_expect_eq(decode(&b, &err), -c->class, "case %zu: %s", i, err.what);
		cr_expect(!c->word || strstr(err.what, c->word), "case %zu: %s", i, err.what);
	}
}

Test(image_record, every_flipped_byte_is_noticed)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample();

	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] ^= (uint8_t)(1 << bit);
			cr_expect_eq(decode(&b, NULL), -PK_E_IMAGE, "byte %zu bit %d", i, bit);
			b.p[i] ^= (uint8_t)(1 << bit);
		}
}

/* The same with good sums: whatever comes out, it is no crash, and encodes again. */
Test(image_record, every_flipped_byte_with_good_sums)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample();

	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			PK_CLEAN_BUF struct pk_buf copy = {0}, again = {0};
			struct pk_model m = {0};

			pk_buf_put(&copy, b.p, b.len);
			copy.p[i] ^= (uint8_t)(1 << bit);
			sums_fix_records(copy.p, copy.len);
			if (!pk_records_decode(copy.p, copy.len, sample_lookup, &m, NULL))
				cr_expect_eq(pk_records_encode(&m, &again, NULL), 0);
			pk_model_free(&m);
		}
}

Test(image_record, every_truncation_is_noticed)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample();
	size_t len = b.len;

	for (b.len = 0; b.len < len; b.len++) {
		struct pk_error err = {0};

		cr_expect_eq(decode(&b, &err), -PK_E_IMAGE, "cut to %zu", b.len);
		cr_expect(err.what[0]);
	}
}

Test(image_record, trailing_bytes_are_refused)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample();

	pk_buf_u8(&b, 0);
	cr_expect_eq(decode(&b, NULL), -PK_E_IMAGE);
}

/* Payloads of a thing that must be refused, and why. */
static const struct bad_payload {
	const char *word;
	size_t n;
	uint8_t p[48];
} bad_payloads[] = {
	{"another kind", 16, {1, 0, 2, 0, 8}},
	{"8 bytes", 16, {1, 0, 1, 0, 7}},
	{"8 bytes", 24, {1, 0, 1, 0, 16}},
	{"out of range", 16, {1, 0, 1, 0, 8, 0, 0, 0, 0, 1}},
	{"out of range", 16, {2, 0, 1, 0, 8, 0, 0, 0, 0, 0, 1}},
	{"out of range", 16, {3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1}},
	{"out of range", 16, {5, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0x80}},
	{"NUL", 16, {10, 0, 2, 0, 3, 0, 0, 0, 'a', 0, 'b'}},
	{"after field 3", 32, {3, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 8}},
	{"after field 3", 32, {3, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 8}},
	{"after field 0", 16, {0, 0, 1, 0, 8}},
	{"reserved", 16, {1, 0, 1, 1, 8}},
	{"reserved", 16, {10, 0, 2, 0, 3, 0, 0, 0, 'a', 'b', 'c', 1}},
	{"cut short", 16, {10, 0, 2, 0, 9}},
	{"cut short", 8, {10, 0, 2, 0, 0xff, 0xff, 0xff, 0xff}},
	{"cut short", 12, {11, 0, 3, 0, 4}},
	{"cut short", 7, {11, 0, 3, 0, 0}},
	{"list header", 8, {12, 0, 4, 0, 0}},
	{"list header", 16, {12, 0, 4, 0, 8, 0, 0, 0, 1}},
	{"list header", 16, {12, 0, 4, 0, 8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
	{"list header", 24, {12, 0, 4, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1}},
	{"element 0", 24, {12, 0, 4, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8}},
	{"element 0", 24, {12, 0, 4, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
	{"after its last", 24, {12, 0, 4, 0, 16, 0, 0, 0, 0}},
	{"element 0: field 1 (fd)", 40,
		{12, 0, 4, 0, 32, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3,
			0, 8}},
};

Test(image_record, bad_payloads)
{
	for (size_t i = 0; i < sizeof(bad_payloads) / sizeof(*bad_payloads); i++) {
		const struct bad_payload *c = &bad_payloads[i];
		struct pk_error err = {0};
		struct thing t = {0}, zero = {0};
		int rc = pk_fields_decode(&thing_type, c->p, c->n, &t, &err);

		cr_expect_eq(rc, -PK_E_IMAGE, "case %zu", i);
		cr_expect_not_null(strstr(err.what, c->word), "case %zu: %s", i, err.what);
		cr_expect_eq(memcmp(&t, &zero, sizeof(t)), 0, "case %zu: freed", i);
	}
}

Test(image_record, signed_limits)
{
	static const int32_t values[] = {INT32_MIN, -1, 1, INT32_MAX};

	for (size_t i = 0; i < 4; i++) {
		PK_CLEAN_BUF struct pk_buf b = {0};
		struct thing t = {.i32 = values[i]}, back = {0};

		cr_assert_eq(pk_fields_encode(&thing_type, &t, &b), 0);
		cr_assert_eq(pk_fields_decode(&thing_type, b.p, b.len, &back, NULL), 0);
		cr_expect_eq(back.i32, values[i]);
	}
}

static struct pk_list *nest_to(struct nest *top, unsigned levels)
{
	struct pk_list *l = &top->inner;

	for (unsigned i = 0; i < levels; i++) {
		struct nest *n = pk_list_add(l, &nest_type);

		n->depth = i;
		l = &n->inner;
	}
	return l;
}

Test(image_record, depth_limit_when_writing)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct nest n = {0};

	pk_list_add(nest_to(&n, PK_DEPTH_MAX), &nest_type);
	cr_expect_eq(pk_fields_encode(&nest_type, &n, &b), -PK_E_INTERNAL);
	pk_type_free(&nest_type, &n);
}

static void put_nested(struct pk_buf *b, unsigned levels)
{
	uint32_t inner = levels ? 24 * (levels - 1) : 0;

	if (!levels)
		return;
	pk_buf_u16(b, 2);
	pk_buf_u16(b, PK_WIRE_LIST);
	pk_buf_u32(b, 16 + inner);
	pk_buf_u32(b, 1);
	pk_buf_u32(b, 0);
	pk_buf_u32(b, inner);
	pk_buf_u32(b, 0);
	put_nested(b, levels - 1);
}

Test(image_record, depth_limit_when_reading)
{
	for (unsigned levels = 0; levels < 1000; levels += levels < 12 ? 1 : 300) {
		PK_CLEAN_BUF struct pk_buf b = {0};
		struct nest n = {0};
		int want = levels <= PK_DEPTH_MAX ? 0 : -PK_E_IMAGE;

		put_nested(&b, levels);
		pk_buf_put(&b, NULL, 0);
		cr_expect_eq(pk_fields_decode(&nest_type, b.p, b.len, &n, NULL), want, "%u levels",
			levels);
		pk_type_free(&nest_type, &n);
	}
}

/* A change to the second record of the sample, or to its order in the file. */
static int decode_with_u32(size_t at, uint32_t v, struct pk_error *err)
{
	PK_CLEAN_BUF struct pk_buf b = encoded_sample();
	struct pk_cur c = pk_cur_of(b.p + PK_CORE_HEADER + PK_REC_SUM, 8);
	size_t second = PK_CORE_HEADER + PK_REC_HEADER + pk_cur_u64(&c);

	pk_buf_set_u32(&b, second + at, v);
	sums_fix_records(b.p, b.len);
	return decode(&b, err);
}

Test(image_record, numbers_and_owners)
{
	struct pk_error err = {0};

	cr_expect_eq(decode_with_u32(24, 2, NULL), 0, "unchanged");
	cr_expect_eq(decode_with_u32(24, 1, &err), -PK_E_IMAGE, "the number is taken");
	cr_expect_not_null(strstr(err.what, "number 1 comes after 1"), "%s", err.what);
	cr_expect_eq(decode_with_u32(24, 0, NULL), -PK_E_IMAGE, "not a number");
	cr_expect_eq(decode_with_u32(24, PK_ANY_OWNER, NULL), -PK_E_IMAGE, "not a number either");
	cr_expect_eq(decode_with_u32(28, 1, NULL), 0, "owned by the first");
	cr_expect_eq(decode_with_u32(28, 2, NULL), -PK_E_IMAGE, "owned by itself");
	cr_expect_eq(decode_with_u32(28, 3, NULL), -PK_E_IMAGE, "owned by a later one");
	cr_expect_eq(decode_with_u32(28, 77, &err), -PK_E_IMAGE, "owned by nobody");
	cr_expect_not_null(strstr(err.what, "record 2 at byte"), "%s", err.what);
}

Test(image_record, what_cannot_be_recorded_is_a_bug)
{
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct pk_model m = {0};
	struct pk_error err = {0};

	pk_model_add(&m, &thing_type, 2, NULL);
	pk_model_add(&m, &thing_type, 0, NULL);
	cr_expect_eq(pk_records_encode(&m, &b, &err), -PK_E_INTERNAL, "owner comes later");
	pk_model_free(&m);
	pk_model_add(&m, &slot_type, 0, NULL);
	cr_expect_eq(pk_records_encode(&m, &b, &err), -PK_E_INTERNAL, "a sub type");
	cr_expect_not_null(strstr(err.what, "slot"), "%s", err.what);
	pk_model_free(&m);
}
