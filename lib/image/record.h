/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records file of a checkpoint ("core.pk"): a header, then one record for each object of the
 * model. docs/FORMAT.md has the bytes. Encoding and decoding know nothing but field tables.
 */
#ifndef PK_IMAGE_RECORD_H
#define PK_IMAGE_RECORD_H

#include "base/bytes.h"
#include "base/error.h"
#include "model/model.h"

/* Finds the type with this id; NULL if this version does not know it. */
typedef const struct pk_type *(*pk_type_lookup)(uint16_t id);

/* Encode a whole model, header included, at the end of `out`. */
int pk_records_encode(const struct pk_model *m, struct pk_buf *out, struct pk_error *err);

/*
 * Decode a whole records file into an empty model. Every byte is treated as hostile: sizes, counts,
 * nesting and checksums are checked, and nothing is believed before its checksum matches. A record
 * of an unknown type is an error when it carries PK_REC_MUST (which every writer sets on all
 * records that a restore needs), else it is skipped. On failure the model is freed and empty.
 */
int pk_records_decode(
	const void *p, size_t n, pk_type_lookup lookup, struct pk_model *m, struct pk_error *err);

/* One object's fields, without the record header: what the record's payload holds. For tests. */
int pk_fields_encode(const struct pk_type *type, const void *obj, struct pk_buf *out);
int pk_fields_decode(
	const struct pk_type *type, const void *p, size_t n, void *obj, struct pk_error *err);

#endif
