/* SPDX-License-Identifier: Apache-2.0 */
/* What kinds of open files share: facts in the text of fdinfo, flags of fcntl(2). */
#ifndef PK_KIND_ANONFD_H
#define PK_KIND_ANONFD_H

#include "kind/kind.h"

/* The number after "key:" at the start of a line of fdinfo; false if there is none. */
bool pk_info_number(const struct pk_view *v, const char *key, int base, uint64_t *ret);
/* The same, where the kernel must tell it. */
int pk_info_must(
	const struct pk_view *v, const char *key, int base, uint64_t *ret, struct pk_error *err);
/* The text after "key:", up to the next line; NULL if there is none. */
const char *pk_info_text(const char *text, const char *key);

/* In plan: the new descriptor is a duplicate of the one given for this record. */
void pk_plan_dup(struct pk_plan *p, const struct pk_obj *o);
/* In plan, after the open: the flags that F_SETFL sets. */
void pk_plan_setfl(struct pk_plan *p, uint32_t flags);

#endif
