/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: one description of a struct that drives saving, loading, printing, comparing and
 * freeing it. A struct with a table holds only these member types:
 *
 *	PK_F_U8 .. PK_F_U64, PK_F_I32, PK_F_I64	integers
 *	PK_F_STR	char *, allocated, NULL when absent
 *	PK_F_BYTES	struct pk_bytes, allocated
 *	PK_F_LIST	struct pk_list of structs that have a table themselves (`sub`)
 *
 * Tags number the fields of one type on disk. They are never reused; a field that an image does not
 * have keeps the value zero.
 */
#ifndef PK_MODEL_TYPE_H
#define PK_MODEL_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pk_bytes {
	void *p;
	size_t n;
};

struct pk_list {
	void *p; /* n structs, each of the sub type's size */
	size_t n;
};

enum pk_ftype {
	PK_F_END,
	PK_F_U8,
	PK_F_U16,
	PK_F_U32,
	PK_F_U64,
	PK_F_I32,
	PK_F_I64,
	PK_F_STR,
	PK_F_BYTES,
	PK_F_LIST,
};

struct pk_type;

struct pk_field {
	const char *name;
	uint16_t tag; /* from 1; ascending within a table */
	uint16_t ftype;
	uint32_t offset;
	const struct pk_type *sub; /* PK_F_LIST only */
	const char *doc;           /* one line for docs/FORMAT.md: meaning and unit */
};

struct pk_type {
	const char *name;              /* "timerfd": in errors, documents, JSON */
	uint16_t id;                   /* record type on disk, never reused; 0 for a sub type */
	uint32_t size;                 /* sizeof the struct */
	const struct pk_field *fields; /* ends with PK_F_END */
};

/* One line of a table; `s` is the struct, `m` the member. */
#define PK_FIELD(s, tag_, ftype_, m, doc_)                                                         \
	{                                                                                          \
		.name = #m, .tag = (tag_), .ftype = (ftype_), .offset = offsetof(s, m),            \
		.doc = (doc_)                                                                      \
	}
/* The same for a member `m` of a struct inside: named after the member alone. */
#define PK_FIELD_IN(s, tag_, ftype_, in, m, doc_)                                                  \
	{                                                                                          \
		.name = #m, .tag = (tag_), .ftype = (ftype_), .offset = offsetof(s, in.m),         \
		.doc = (doc_)                                                                      \
	}
#define PK_FIELD_LIST(s, tag_, m, sub_, doc_)                                                      \
	{                                                                                          \
		.name = #m, .tag = (tag_), .ftype = PK_F_LIST, .offset = offsetof(s, m),           \
		.sub = (sub_), .doc = (doc_)                                                       \
	}
#define PK_FIELD_END                                                                               \
	{                                                                                          \
		.ftype = PK_F_END                                                                  \
	}

/* Free what the members own; the struct itself stays, zeroed. */
void pk_type_free(const struct pk_type *type, void *obj);

/*
 * Members that an image left out become empty: no string and no bytes are NULL afterwards. -1
 * without memory.
 */
int pk_type_complete(const struct pk_type *type, void *obj);

/* Read or write an integer member as 64 bits; signed ones are sign-extended. */
uint64_t pk_field_get(const struct pk_field *f, const void *obj);
void pk_field_set(const struct pk_field *f, void *obj, uint64_t v);

/*
 * Compare two structs of a type. Returns NULL when equal, else the name of the first field that
 * differs (of the innermost one, for lists).
 */
const char *pk_type_diff(const struct pk_type *type, const void *a, const void *b);

/* Grow a list by one zeroed element and return it; NULL without memory. */
void *pk_list_add(struct pk_list *l, const struct pk_type *sub);

/* Copy bytes into an empty pk_bytes. -1 without memory. */
int pk_bytes_set(struct pk_bytes *b, const void *p, size_t n);
int pk_bytes_add(struct pk_bytes *b, const void *p, size_t n);

#endif
