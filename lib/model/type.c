/* SPDX-License-Identifier: Apache-2.0 */
#include "model/type.h"

#include <stdlib.h>
#include <string.h>

void pk_type_free(const struct pk_type *type, void *obj)
{
	for (const struct pk_field *f = type->fields; f->ftype != PK_F_END; f++) {
		void *m = (char *)obj + f->offset;

		if (f->ftype == PK_F_STR) {
			free(*(char **)m);
		} else if (f->ftype == PK_F_BYTES) {
			free(((struct pk_bytes *)m)->p);
		} else if (f->ftype == PK_F_LIST) {
			struct pk_list *l = m;

			for (size_t i = 0; i < l->n; i++)
				pk_type_free(f->sub, (char *)l->p + i * f->sub->size);
			free(l->p);
		}
	}
	memset(obj, 0, type->size);
}

static int complete_list(const struct pk_type *type, struct pk_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (pk_type_complete(type, (char *)l->p + i * type->size) < 0)
			return -1;
	return 0;
}

int pk_type_complete(const struct pk_type *type, void *obj)
{
	for (const struct pk_field *f = type->fields; f->ftype != PK_F_END; f++) {
		void *m = (char *)obj + f->offset;
		/* Both begin with a pointer to something allocated. */
		void **p = m;

		if (f->ftype == PK_F_LIST && complete_list(f->sub, m) < 0)
			return -1;
		if ((f->ftype == PK_F_STR || f->ftype == PK_F_BYTES) && !*p) {
			*p = calloc(1, 1);
			if (!*p)
				return -1;
		}
	}
	return 0;
}

uint64_t pk_field_get(const struct pk_field *f, const void *obj)
{
	const void *m = (const char *)obj + f->offset;

	switch (f->ftype) {
	case PK_F_U8:
		return *(const uint8_t *)m;
	case PK_F_U16:
		return *(const uint16_t *)m;
	case PK_F_U32:
		return *(const uint32_t *)m;
	case PK_F_I32:
		return (uint64_t)(int64_t) * (const int32_t *)m;
	case PK_F_U64:
	case PK_F_I64:
		return *(const uint64_t *)m;
	default:
		return 0;
	}
}

void pk_field_set(const struct pk_field *f, void *obj, uint64_t v)
{
	void *m = (char *)obj + f->offset;

	switch (f->ftype) {
	case PK_F_U8:
		*(uint8_t *)m = (uint8_t)v;
		break;
	case PK_F_U16:
		*(uint16_t *)m = (uint16_t)v;
		break;
	case PK_F_U32:
	case PK_F_I32:
		*(uint32_t *)m = (uint32_t)v;
		break;
	case PK_F_U64:
	case PK_F_I64:
		*(uint64_t *)m = v;
		break;
	default:
		break;
	}
}

static bool str_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static const char *list_diff(
	const struct pk_field *f, const struct pk_list *a, const struct pk_list *b)
{
	if (a->n != b->n)
		return f->name;
	for (size_t i = 0; i < a->n; i++) {
		size_t at = i * f->sub->size;
		const char *d = pk_type_diff(f->sub, (char *)a->p + at, (char *)b->p + at);

		if (d)
			return d;
	}
	return NULL;
}

static bool bytes_equal(const struct pk_bytes *a, const struct pk_bytes *b)
{
	return a->n == b->n && (a->n == 0 || !memcmp(a->p, b->p, a->n));
}

const char *pk_type_diff(const struct pk_type *type, const void *a, const void *b)
{
	for (const struct pk_field *f = type->fields; f->ftype != PK_F_END; f++) {
		const void *ma = (const char *)a + f->offset;
		const void *mb = (const char *)b + f->offset;
		const char *d = NULL;

		if (f->ftype == PK_F_STR)
			d = str_equal(*(char *const *)ma, *(char *const *)mb) ? NULL : f->name;
		else if (f->ftype == PK_F_BYTES)
			d = bytes_equal(ma, mb) ? NULL : f->name;
		else if (f->ftype == PK_F_LIST)
			d = list_diff(f, ma, mb);
		else if (pk_field_get(f, a) != pk_field_get(f, b))
			d = f->name;
		if (d)
			return d;
	}
	return NULL;
}

void *pk_list_add(struct pk_list *l, const struct pk_type *sub)
{
	/* Powers of two: grow only when n is one. */
	if ((l->n & (l->n - 1)) == 0) {
		size_t cap = l->n ? 2 * l->n : 1;
		void *p = reallocarray(l->p, cap, sub->size);

		if (!p)
			return NULL;
		l->p = p;
	}
	return memset((char *)l->p + l->n++ * sub->size, 0, sub->size);
}

int pk_bytes_set(struct pk_bytes *b, const void *p, size_t n)
{
	b->p = malloc(n ? n : 1);
	if (!b->p)
		return -1;
	if (n)
		memcpy(b->p, p, n);
	b->n = n;
	return 0;
}

int pk_bytes_add(struct pk_bytes *b, const void *p, size_t n)
{
	void *q = realloc(b->p, b->n + n);

	if (!q)
		return -1;
	memcpy((char *)q + b->n, p, n);
	b->p = q;
	b->n += n;
	return 0;
}
