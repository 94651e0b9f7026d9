/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/kind.h"

#include <stddef.h>

const struct pk_kind *const pk_kinds[] = {
#define KIND(name) &pk_kind_##name,
#include "kind/kinds.def"
#undef KIND
	NULL,
};

const struct pk_kind *pk_kind_of(const struct pk_type *type)
{
	for (size_t i = 0; pk_kinds[i]; i++)
		if (pk_kinds[i]->type == type)
			return pk_kinds[i];
	return NULL;
}

const struct pk_type *pk_kind_lookup(uint16_t id)
{
	/* What is refused has no records: one that says it is, is unknown. */
	for (size_t i = 0; pk_kinds[i] && pk_kinds[i] != &pk_kind_unsupported; i++)
		if (pk_kinds[i]->type->id == id)
			return pk_kinds[i]->type;
	return NULL;
}

const struct pk_kind *pk_kind_match(const struct pk_view *v, enum pk_level level)
{
	for (size_t i = 0; pk_kinds[i]; i++)
		if (pk_kinds[i]->level == level && pk_kinds[i]->match(v))
			return pk_kinds[i];
	return &pk_kind_unsupported;
}
