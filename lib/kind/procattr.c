/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of a process that are files of /proc: coredump_filter, oom_score_adj; see proc(5). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "kind/kind.h"

struct procattr {
	uint32_t coredump_filter;
	int32_t oom_score_adj;
};

static int read_number(
	const struct pk_view *v, const char *name, int base, long *ret, struct pk_error *err)
{
	PK_FREE char *text = pk_read_file(v->src->procfd, name, 4096, NULL);

	if (!text)
		return pk_fail_errno(err, "/proc/%d/%s", v->src->pid, name);
	*ret = strtol(text, NULL, base);
	return 0;
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct procattr *a = obj;
	long filter, oom;

	if (read_number(v, "coredump_filter", 16, &filter, err) < 0 ||
		read_number(v, "oom_score_adj", 10, &oom, err) < 0)
		return -PK_E_ERROR;
	*a = (struct procattr){(uint32_t)filter, (int32_t)oom};
	return 0;
}

/* echo text > file, in the process. Descriptor numbers are all taken by now: the next one is known.
 */
static void write_file(struct pk_plan *p, const char *file, const char *text)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_TASK, 0);
	const uint64_t fd = p->next_fd;

	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD), pk_addr(pk_script_str(s, file)),
					  pk_num(O_WRONLY)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)fd,
			  });
	pk_plan_try(p, PK_PH_TASK, 0,
		&(struct pk_call){
			.nr = SYS_write,
			.a = {pk_num(fd), pk_addr(pk_script_str(s, text)), pk_num(strlen(text))},
		},
		"%s could not be set to %s", file, text);
	pk_script_call(s, &(struct pk_call){.nr = SYS_close, .a = {pk_num(fd)}});
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct procattr *a = o->data;
	char text[32];

	(void)err;
	snprintf(text, sizeof(text), "0x%x", a->coredump_filter);
	write_file(p, "/proc/self/coredump_filter", text);
	snprintf(text, sizeof(text), "%d", a->oom_score_adj);
	write_file(p, "/proc/self/oom_score_adj", text);
	return 0;
}

#define A struct procattr
static const struct pk_type type = {
	.name = "procattr",
	.id = 49,
	.size = sizeof(A),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(A, 1, PK_F_U32, coredump_filter, "/proc/PID/coredump_filter"),
			PK_FIELD(A, 2, PK_F_I32, oom_score_adj, "/proc/PID/oom_score_adj"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_procattr = {
	.type = &type,
	.level = PK_LV_TASK,
	.summary = "coredump_filter, oom_score_adj",
	.collect = collect,
	.plan = plan,
};
