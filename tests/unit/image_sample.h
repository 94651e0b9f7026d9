/* SPDX-License-Identifier: Apache-2.0 */
/* Types with every kind of field, and a small model made of them, for tests and fuzzers. */
#ifndef PK_TEST_IMAGE_SAMPLE_H
#define PK_TEST_IMAGE_SAMPLE_H

#include <stdlib.h>
#include <string.h>

#include "model/model.h"

/* Numbers that no real type has. */
#define SAMPLE_THING 60001
#define SAMPLE_NEST  60002

struct leaf {
	uint64_t value;
	struct pk_bytes data;
};

static const struct pk_field leaf_fields[] = {
	PK_FIELD(struct leaf, 1, PK_F_U64, value, "a number"),
	PK_FIELD(struct leaf, 2, PK_F_BYTES, data, "some bytes"),
	PK_FIELD_END,
};

static const struct pk_type leaf_type = {
	.name = "leaf",
	.size = sizeof(struct leaf),
	.fields = leaf_fields,
};

struct slot {
	int32_t fd;
	char *path;
	struct pk_list leaves;
};

static const struct pk_field slot_fields[] = {
	PK_FIELD(struct slot, 1, PK_F_I32, fd, "descriptor"),
	PK_FIELD(struct slot, 2, PK_F_STR, path, "where"),
	PK_FIELD_LIST(struct slot, 5, leaves, &leaf_type, "leaves"),
	PK_FIELD_END,
};

static const struct pk_type slot_type = {
	.name = "slot",
	.size = sizeof(struct slot),
	.fields = slot_fields,
};

struct thing {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	int32_t i32;
	int64_t i64;
	char *name;
	struct pk_bytes blob;
	struct pk_list slots;
};

static const struct pk_field thing_fields[] = {
	PK_FIELD(struct thing, 1, PK_F_U8, u8, "8 bits"),
	PK_FIELD(struct thing, 2, PK_F_U16, u16, "16 bits"),
	PK_FIELD(struct thing, 3, PK_F_U32, u32, "32 bits"),
	PK_FIELD(struct thing, 4, PK_F_U64, u64, "64 bits"),
	PK_FIELD(struct thing, 5, PK_F_I32, i32, "32 bits with a sign"),
	PK_FIELD(struct thing, 6, PK_F_I64, i64, "64 bits with a sign"),
	PK_FIELD(struct thing, 10, PK_F_STR, name, "text"),
	PK_FIELD(struct thing, 11, PK_F_BYTES, blob, "bytes"),
	PK_FIELD_LIST(struct thing, 12, slots, &slot_type, "slots"),
	PK_FIELD_END,
};

static const struct pk_type thing_type = {
	.name = "thing",
	.id = SAMPLE_THING,
	.size = sizeof(struct thing),
	.fields = thing_fields,
};

/* Lists of itself, to any depth. */
struct nest {
	uint32_t depth;
	struct pk_list inner;
};

static const struct pk_type nest_type;

static const struct pk_field nest_fields[] = {
	PK_FIELD(struct nest, 1, PK_F_U32, depth, "how deep"),
	PK_FIELD_LIST(struct nest, 2, inner, &nest_type, "more"),
	PK_FIELD_END,
};

static const struct pk_type nest_type = {
	.name = "nest",
	.id = SAMPLE_NEST,
	.size = sizeof(struct nest),
	.fields = nest_fields,
};

static inline const struct pk_type *sample_lookup(uint16_t id)
{
	if (id == thing_type.id)
		return &thing_type;
	return id == nest_type.id ? &nest_type : NULL;
}

static inline void sample_fill(struct thing *t)
{
	struct slot *s;
	struct leaf *l;

	t->u8 = UINT8_MAX;
	t->u16 = UINT16_MAX;
	t->u32 = UINT32_MAX;
	t->u64 = UINT64_MAX;
	t->i32 = INT32_MIN;
	t->i64 = INT64_MIN;
	t->name = strdup("a name of \xc3\xa9t\xc3\xa9");
	pk_bytes_set(&t->blob, "\0\1\2\3\4", 5);
	s = pk_list_add(&t->slots, &slot_type);
	s->fd = -1;
	s->path = strdup("/dev/null");
	s = pk_list_add(&t->slots, &slot_type);
	s->path = strdup("");
	l = pk_list_add(&s->leaves, &leaf_type);
	l->value = 7;
	pk_list_add(&s->leaves, &leaf_type);
	l = pk_list_add(&s->leaves, &leaf_type);
	pk_bytes_set(&l->data, "leaf", 4);
	pk_list_add(&t->slots, &slot_type);
}

/* Four objects: a full thing, a chain of lists, an empty thing that the first one owns, another. */
static inline void sample_model(struct pk_model *m)
{
	struct nest *n;
	struct thing *t;
	uint32_t first;

	sample_fill(pk_model_add(m, &thing_type, 0, &first));
	n = pk_model_add(m, &nest_type, 0, NULL);
	n->depth = 1;
	n = pk_list_add(&n->inner, &nest_type);
	n->depth = 2;
	pk_model_add(m, &thing_type, first, NULL);
	t = pk_model_add_as(m, &thing_type, first, 1000);
	t->i32 = 5;
	t->i64 = -5;
}

/* NULL if the models are the same, else what differs. */
static inline const char *sample_diff(const struct pk_model *a, const struct pk_model *b)
{
	if (a->n != b->n)
		return "number of objects";
	for (size_t i = 0; i < a->n; i++) {
		const struct pk_obj *x = &a->objs[i], *y = &b->objs[i];
		const char *d;

		if (x->type != y->type || x->id != y->id || x->owner != y->owner)
			return "type, number or owner";
		d = pk_type_diff(x->type, x->data, y->data);
		if (d)
			return d;
	}
	return NULL;
}

#endif
