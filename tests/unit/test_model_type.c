/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "image_sample.h"

static const struct pk_field *field(const char *name)
{
	const struct pk_field *f = thing_fields;

	while (f->ftype != PK_F_END && strcmp(f->name, name) != 0)
		f++;
	cr_assert_neq(f->ftype, PK_F_END);
	return f;
}

Test(model_type, integers)
{
	struct thing t = {.u8 = 0xff, .u16 = 0xffff, .u32 = UINT32_MAX, .i32 = -2, .i64 = -3};

	cr_expect_eq(pk_field_get(field("u8"), &t), 0xff);
	cr_expect_eq(pk_field_get(field("u16"), &t), 0xffff);
	cr_expect_eq(pk_field_get(field("u32"), &t), UINT32_MAX);
	cr_expect_eq(pk_field_get(field("i32"), &t), (uint64_t)-2, "sign-extended");
	cr_expect_eq(pk_field_get(field("i64"), &t), (uint64_t)-3);
	cr_expect_eq(pk_field_get(field("name"), &t), 0, "not an integer");
	for (const struct pk_field *f = thing_fields; f->ftype <= PK_F_I64; f++) {
		struct thing u;

		memset(&u, 0, sizeof(u));
		pk_field_set(f, &u, (uint64_t)-1);
		cr_expect_eq(pk_type_diff(&thing_type, &u, &(struct thing){0}), f->name,
			"%s, and nothing beside it", f->name);
		pk_field_set(f, &u, 0);
		cr_expect_null(pk_type_diff(&thing_type, &u, &(struct thing){0}));
	}
}

Test(model_type, differences_are_named)
{
	struct thing a = {0}, b = {0};
	struct slot *s;

	sample_fill(&a);
	sample_fill(&b);
	cr_expect_null(pk_type_diff(&thing_type, &a, &b));
	((char *)b.blob.p)[4] = 9;
	cr_expect_str_eq(pk_type_diff(&thing_type, &a, &b), "blob");
	((char *)b.blob.p)[4] = 4;
	s = b.slots.p;
	((struct leaf *)s[1].leaves.p)[0].value = 8;
	cr_expect_str_eq(pk_type_diff(&thing_type, &a, &b), "value");
	((struct leaf *)s[1].leaves.p)[0].value = 7;
	cr_expect_null(pk_type_diff(&thing_type, &a, &b));
	pk_list_add(&b.slots, &slot_type);
	cr_expect_str_eq(pk_type_diff(&thing_type, &a, &b), "slots");
	b.name[0] = 'A';
	cr_expect_str_eq(pk_type_diff(&thing_type, &a, &b), "name", "the first in the table");
	pk_type_free(&thing_type, &a);
	cr_expect_null(pk_type_diff(&thing_type, &a, &(struct thing){0}), "freed is zero");
	pk_type_free(&thing_type, &b);
}

Test(model_type, no_text_is_not_empty_text)
{
	char empty[] = "";
	struct thing a = {.name = empty}, b = {.name = NULL};

	cr_expect_str_eq(pk_type_diff(&thing_type, &a, &b), "name");
}

Test(model_type, lists_grow)
{
	struct pk_list l = {0};

	for (uint64_t i = 0; i < 1000; i++) {
		struct leaf *leaf = pk_list_add(&l, &leaf_type);

		cr_assert(leaf && leaf->value == 0 && !leaf->data.p);
		leaf->value = i;
	}
	for (uint64_t i = 0; i < 1000; i++)
		cr_expect_eq(((struct leaf *)l.p)[i].value, i);
	free(l.p);
}

Test(model_type, what_was_left_out_becomes_empty)
{
	struct thing t = {.u32 = 7};
	struct slot *s = pk_list_add(&t.slots, &slot_type);

	cr_assert_not_null(s);
	cr_assert_eq(pk_type_complete(&thing_type, &t), 0);
	cr_assert_not_null(t.name);
	cr_expect_str_eq(t.name, "");
	cr_expect(t.blob.p && t.blob.n == 0);
	cr_expect_eq(t.u32, 7);
	pk_type_free(&thing_type, &t);
	sample_fill(&t);
	cr_assert_eq(pk_type_complete(&thing_type, &t), 0);
	cr_expect_eq(t.name[0], 'a', "what is there stays: %s", t.name);
	pk_type_free(&thing_type, &t);
}
