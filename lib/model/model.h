/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frozen job as plain data: a list of objects, each of a type with a field table, each with a
 * number of its own and that of its owner. It is all that dump and restore share.
 *
 *	job (owner 0)  ->  tasks  ->  threads, mappings, descriptors, attributes
 *
 * Objects keep the order in which they were added. Numbers start at 1; 0 means none.
 */
#ifndef PK_MODEL_MODEL_H
#define PK_MODEL_MODEL_H

#include "model/type.h"

struct pk_obj {
	const struct pk_type *type;
	uint32_t id;
	uint32_t owner; /* id of the task or thread it belongs to; 0: the job */
	void *data;     /* one struct of the type, owned by the model */
};

struct pk_model {
	struct pk_obj *objs;
	size_t n, cap;
	uint32_t last_id;
};

void pk_model_free(struct pk_model *m);

/* Add a zeroed object of a type. NULL without memory. The pointer stays valid; the pk_obj may move.
 */
void *pk_model_add(
	struct pk_model *m, const struct pk_type *type, uint32_t owner, uint32_t *ret_id);

/* Remove an object; its number is not used again. */
void pk_model_drop(struct pk_model *m, uint32_t id);

/* pk_model_add with a number read from an image. NULL also if the number is 0 or taken. */
void *pk_model_add_as(struct pk_model *m, const struct pk_type *type, uint32_t owner, uint32_t id);

/* The object with this number, of this type if type is not NULL; NULL if there is none. */
struct pk_obj *pk_model_find(const struct pk_model *m, uint32_t id, const struct pk_type *type);

/*
 * Walk: the next object after `prev` (NULL: the first) of this type (NULL: any) and of this owner
 * (PK_ANY_OWNER: any).
 */
#define PK_ANY_OWNER UINT32_MAX
struct pk_obj *pk_model_next(const struct pk_model *m, const struct pk_obj *prev,
	const struct pk_type *type, uint32_t owner);

#endif
