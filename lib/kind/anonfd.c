/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/anonfd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

const char *pk_info_text(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += line != text || *line == '\n';
		if (!strncmp(line, key, n) && line[n] == ':')
			return line + n + 1;
	}
	return NULL;
}

bool pk_info_number(const struct pk_view *v, const char *key, int base, uint64_t *ret)
{
	const char *at = pk_info_text(v->file->info_text, key);
	char *end;

	if (!at)
		return false;
	*ret = strtoull(at, &end, base);
	return end != at;
}

int pk_info_must(
	const struct pk_view *v, const char *key, int base, uint64_t *ret, struct pk_error *err)
{
	if (pk_info_number(v, key, base, ret))
		return 0;
	pk_fail(err, PK_E_HOST, "fd %u: %s", v->file->fd, v->file->link);
	return pk_why(err, "this kernel does not tell its %s", key);
}

void pk_plan_dup(struct pk_plan *p, const struct pk_obj *o)
{
	pk_plan_call(p, p->open, 0,
		&(struct pk_call){
			.nr = SYS_dup,
			.a = {pk_num((uint64_t)pk_target_given(p->target, o->id))},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)p->next_fd,
		});
}

void pk_plan_setfl(struct pk_plan *p, uint32_t flags)
{
	flags &= O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
	pk_plan_call(p, p->open, 0,
		&(struct pk_call){
			.nr = SYS_fcntl,
			.a = {pk_num(p->next_fd), pk_num(F_SETFL), pk_num(flags)},
			.check = PK_CHECK_OK,
		});
}
