/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kind/kind.h"

static const struct pk_field *field(const struct pk_type *type, const char *name)
{
	const struct pk_field *f = type->fields;

	while (f->ftype != PK_F_END && strcmp(f->name, name) != 0)
		f++;
	cr_assert_neq(f->ftype, PK_F_END, "%s", name);
	return f;
}

/* A record of the reading end of a pipe with so many bytes in it. */
static struct pk_obj *add_pipe(struct pk_model *m, uint64_t key, uint64_t size, size_t n)
{
	const struct pk_type *type = pk_kind_pipe.type;
	uint32_t id;
	char *o = pk_model_add(m, type, 0, &id);
	struct pk_bytes *data = (struct pk_bytes *)(o + field(type, "data")->offset);

	cr_assert_not_null(o);
	pk_field_set(field(type, "pipe"), o, key);
	pk_field_set(field(type, "size"), o, size);
	data->p = calloc(n + 1, 1);
	data->n = n;
	cr_assert_eq(pk_type_complete(type, o), 0);
	return pk_model_find(m, id, type);
}

Test(kind_target, a_pipe_with_content)
{
	struct pk_target t = {0};
	struct pk_model m = {0};
	struct pk_error err = {0};
	const struct pk_obj *o = add_pipe(&m, 77, 4096, 1000);
	char back[2000];

	cr_assert_eq(pk_kind_pipe.prepare(&t, o, &err), 0, "%s", err.why);
	cr_assert(t.n_given == 1 && t.given[0].obj == o->id);
	cr_expect_eq(read(t.given[0].fd, back, sizeof(back)), 1000);
	pk_target_free(&t);
	pk_model_free(&m);
}

/* Where pipes may not become as large as they were: no waiting for a reader that is not there. */
Test(kind_target, a_pipe_that_is_too_small, .timeout = 20)
{
	struct pk_target t = {0};
	struct pk_model m = {0};
	struct pk_error err = {0};
	const struct pk_obj *o = add_pipe(&m, 77, 4096, 100000);

	cr_expect_eq(pk_kind_pipe.prepare(&t, o, &err), -PK_E_TEMPFAIL);
	cr_expect(err.what[0] && err.why[0] && err.try[0]);
	cr_expect_null(pk_target_pipe(&t, 77));
	pk_target_free(&t);
	pk_model_free(&m);
}

Test(kind_target, carried_files)
{
	struct pk_target t = {0};
	struct pk_error err = {0};
	int fd = memfd_create("x", MFD_CLOEXEC);
	uint64_t len;

	cr_assert_eq(ftruncate(fd, 100), 0);
	cr_expect_eq(pk_target_local(&t, 5, fd, 0, &err), 0, "an empty one");
	cr_expect_null(pk_target_find_local(&t, 5, &len));
	cr_assert_eq(pk_target_local(&t, 6, fd, 100, &err), 0);
	cr_assert_not_null(pk_target_find_local(&t, 6, &len));
	cr_expect_eq(len, 100);
	memcpy(pk_target_find_local(&t, 6, &len), "abc", 3);
	pk_target_free(&t);
	close(fd);
}
