/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "proc/status.h"
#include "proc/text.h"

static bool count_line(struct pk_span *value, void *count)
{
	++*(uint32_t *)count;
	value->p = value->end;
	return true;
}

static const struct pk_key fdinfo_key[] = {
	/* A loff_t; in files like /proc/PID/mem a position may use all 64 bits. */
	PK_KEY("pos", PK_KEY_MUST, pk_get_i64, struct pk_fdinfo, pos),
	PK_KEY("flags", PK_KEY_MUST, pk_get_oct, struct pk_fdinfo, flags),
	PK_KEY("mnt_id", PK_KEY_MUST, pk_get_u32, struct pk_fdinfo, mnt_id),
	PK_KEY("ino", 0, pk_get_u64, struct pk_fdinfo, ino), /* 5.14 */
	PK_KEY("lock", PK_KEY_MANY, count_line, struct pk_fdinfo, locks),
};
static const struct pk_keys fdinfo_keys = {PK_KEYS(fdinfo_key), .drivers = true};

int pk_fdinfo_parse(const char *buf, size_t n, struct pk_fdinfo *ret, struct pk_error *err)
{
	struct pk_text t = pk_text_of("fdinfo", buf, n);
	struct pk_fdinfo info = {0};
	int r = pk_keys_text(&fdinfo_keys, &t, &info, err);

	memset(ret, 0, sizeof(*ret));
	if (!r)
		*ret = info;
	return r;
}
