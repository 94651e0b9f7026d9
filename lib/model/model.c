/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

void pk_model_free(struct pk_model *m)
{
	for (size_t i = 0; i < m->n; i++) {
		pk_type_free(m->objs[i].type, m->objs[i].data);
		free(m->objs[i].data);
	}
	free(m->objs);
	memset(m, 0, sizeof(*m));
}

static struct pk_obj *new_obj(struct pk_model *m)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct pk_obj *objs = reallocarray(m->objs, cap, sizeof(*objs));

		if (!objs)
			return NULL;
		m->objs = objs;
		m->cap = cap;
	}
	return &m->objs[m->n];
}

void *pk_model_add_as(struct pk_model *m, const struct pk_type *type, uint32_t owner, uint32_t id)
{
	struct pk_obj *o;
	void *data;

	/* Numbers ascend in every image, which makes "taken" one comparison and find() a bisection.
	 */
	if (id <= m->last_id)
		return NULL;
	o = new_obj(m);
	data = o ? calloc(1, type->size) : NULL;
	if (!data)
		return NULL;
	*o = (struct pk_obj){.type = type, .id = id, .owner = owner, .data = data};
	m->n++;
	m->last_id = id;
	return data;
}

void *pk_model_add(struct pk_model *m, const struct pk_type *type, uint32_t owner, uint32_t *ret_id)
{
	void *data;

	if (m->last_id == UINT32_MAX)
		return NULL;
	data = pk_model_add_as(m, type, owner, m->last_id + 1);
	if (data && ret_id)
		*ret_id = m->last_id;
	return data;
}

void pk_model_drop(struct pk_model *m, uint32_t id)
{
	struct pk_obj *o = pk_model_find(m, id, NULL);
	size_t i = o ? (size_t)(o - m->objs) : m->n;

	if (!o)
		return;
	pk_type_free(o->type, o->data);
	free(o->data);
	memmove(o, o + 1, (m->n - i - 1) * sizeof(*o));
	m->n--;
}

struct pk_obj *pk_model_find(const struct pk_model *m, uint32_t id, const struct pk_type *type)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->objs[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == m->n || m->objs[lo].id != id || (type && m->objs[lo].type != type))
		return NULL;
	return &m->objs[lo];
}

struct pk_obj *pk_model_next(const struct pk_model *m, const struct pk_obj *prev,
	const struct pk_type *type, uint32_t owner)
{
	size_t i = prev ? (size_t)(prev - m->objs) + 1 : 0;

	for (; i < m->n; i++) {
		struct pk_obj *o = &m->objs[i];

		if ((!type || o->type == type) && (owner == PK_ANY_OWNER || o->owner == owner))
			return o;
	}
	return NULL;
}
