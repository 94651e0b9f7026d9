/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "image_sample.h"

Test(model_model, numbers)
{
	struct pk_model m = {0};
	uint32_t id;

	cr_assert_not_null(pk_model_add(&m, &thing_type, 0, &id));
	cr_expect_eq(id, 1);
	cr_assert_not_null(pk_model_add_as(&m, &thing_type, 1, 10));
	cr_expect_null(pk_model_add_as(&m, &thing_type, 1, 10), "taken");
	cr_expect_null(pk_model_add_as(&m, &thing_type, 1, 9), "numbers ascend");
	cr_expect_null(pk_model_add_as(&m, &thing_type, 1, 0), "not a number");
	cr_assert_not_null(pk_model_add(&m, &thing_type, 0, &id));
	cr_expect_eq(id, 11);
	cr_assert_not_null(pk_model_add_as(&m, &thing_type, 0, UINT32_MAX));
	cr_expect_null(pk_model_add(&m, &thing_type, 0, &id), "none is left");
	cr_expect_eq(m.n, 4);
	pk_model_free(&m);
	cr_expect(m.n == 0 && m.last_id == 0 && !m.objs);
}

Test(model_model, find)
{
	struct pk_model m = {0};

	cr_expect_null(pk_model_find(&m, 1, NULL));
	for (uint32_t id = 2; id < 2000; id += 3)
		pk_model_add_as(&m, id % 2 ? &thing_type : &nest_type, 0, id);
	for (uint32_t id = 0; id < 2010; id++) {
		struct pk_obj *o = pk_model_find(&m, id, NULL);

		cr_expect_eq(o != NULL, id % 3 == 2 && id < 2000, "%u", id);
		cr_expect(!o || o->id == id);
	}
	cr_expect_not_null(pk_model_find(&m, 5, &thing_type));
	cr_expect_null(pk_model_find(&m, 5, &nest_type));
	pk_model_free(&m);
}

Test(model_model, walk)
{
	struct pk_model m = {0};
	struct pk_obj *o = NULL;
	uint32_t want[] = {1, 3, 1000}, i = 0;

	sample_model(&m);
	while ((o = pk_model_next(&m, o, &thing_type, PK_ANY_OWNER)))
		cr_expect_eq(o->id, want[i++]);
	cr_expect_eq(i, 3);
	o = pk_model_next(&m, NULL, NULL, 1);
	cr_assert(o && o->id == 3);
	o = pk_model_next(&m, o, NULL, 1);
	cr_assert(o && o->id == 1000);
	cr_expect_null(pk_model_next(&m, o, NULL, 1));
	cr_expect_null(pk_model_next(&m, NULL, &nest_type, 1));
	pk_model_free(&m);
}

Test(model_model, data_stays_where_it_is)
{
	struct pk_model m = {0};
	struct thing *first = pk_model_add(&m, &thing_type, 0, NULL);

	for (int i = 0; i < 1000; i++)
		pk_model_add(&m, &thing_type, 1, NULL);
	first->u8 = 3;
	cr_expect_eq(((struct thing *)m.objs[0].data)->u8, 3);
	pk_model_free(&m);
}
