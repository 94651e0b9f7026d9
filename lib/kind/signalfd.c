/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd(2): a mask. What it reads are the pending signals, which have kinds of their own. */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "kind/anonfd.h"

struct signalfd {
	uint64_t mask;
	uint32_t flags;
};

static bool match(const struct pk_view *v)
{
	return !strcmp(v->file->link, "anon_inode:[signalfd]");
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct signalfd *f = obj;

	f->flags = v->file->info.flags;
	return pk_info_must(v, "sigmask", 16, &f->mask, err);
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct signalfd *f = o->data;
	struct pk_script *s = pk_plan_script(p, PK_PH_FILES, 0);

	(void)err;
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_signalfd4,
				  .a = {pk_num((uint64_t)-1),
					  pk_addr(pk_script_data(s, &f->mask, sizeof(f->mask))),
					  pk_num(sizeof(f->mask)), pk_num(0)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)p->next_fd,
			  });
	pk_plan_setfl(p, f->flags);
	return 0;
}

#define F struct signalfd
static const struct pk_type type = {
	.name = "signalfd",
	.id = 82,
	.size = sizeof(F),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(F, 1, PK_F_U64, mask, "signals; bit 0 is signal 1"),
			PK_FIELD(F, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_signalfd = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "signalfds",
	.match = match,
	.collect = collect,
	.plan = plan,
};
