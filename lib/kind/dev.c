/* SPDX-License-Identifier: Apache-2.0 */
/* Memory devices without state: null, zero, full, random, urandom; see mem(4). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "kind/kind.h"

struct dev {
	uint32_t minor; /* of major 1 */
	uint32_t flags;
};

static const char *path_of(uint32_t minor_number)
{
	switch (minor_number) {
	case 3:
		return "/dev/null";
	case 5:
		return "/dev/zero";
	case 7:
		return "/dev/full";
	case 8:
		return "/dev/random";
	case 9:
		return "/dev/urandom";
	default:
		return NULL;
	}
}

static bool match(const struct pk_view *v)
{
	const struct stat *st = &v->file->st;

	return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1 && path_of(minor(st->st_rdev));
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct dev *d = obj;

	(void)err;
	d->minor = minor(v->file->st.st_rdev);
	d->flags = v->file->info.flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
	return 0;
}

static int plan(struct pk_plan *p, const struct pk_obj *o, struct pk_error *err)
{
	const struct dev *d = o->data;
	const char *path = path_of(d->minor);
	struct pk_script *s = pk_plan_script(p, PK_PH_FILES, 0);

	if (!path) {
		pk_fail(err, PK_E_IMAGE, "record %u", o->id);
		return pk_why(err, "it names an unknown device, minor number %u", d->minor);
	}
	pk_script_call(s, &(struct pk_call){
				  .nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD), pk_addr(pk_script_str(s, path)),
					  pk_num(d->flags)},
				  .check = PK_CHECK_EQUAL,
				  .want = (int64_t)p->next_fd,
			  });
	return 0;
}

#define D struct dev
static const struct pk_type type = {
	.name = "dev",
	.id = 35,
	.size = sizeof(D),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(D, 1, PK_F_U32, minor, "device number 1:minor, mem(4)"),
			PK_FIELD(D, 2, PK_F_U32, flags, "open(2) flags"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_dev = {
	.type = &type,
	.level = PK_LV_FILE,
	.summary = "/dev/null, zero, full, random, urandom",
	.match = match,
	.collect = collect,
	.plan = plan,
};
