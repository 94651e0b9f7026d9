/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kind/fileid.h"
#include "scratch.h"

static void write_to(const struct scratch *s, const char *name, const char *text)
{
	cr_assert_eq(pk_write_file(s->fd, name, text, strlen(text)), 0);
}

Test(kind_fileid, a_path_leads_to_a_file)
{
	SCRATCH s = scratch_make();
	PK_FREE char *a = pk_asprintf("%s/a", s.path);
	PK_FREE char *b = pk_asprintf("%s/b", s.path);
	PK_FREE char *c = pk_asprintf("%s/c", s.path);
	struct stat st;

	write_to(&s, "a", "1");
	write_to(&s, "b", "1");
	cr_assert_eq(link(a, c), 0);
	cr_assert_eq(stat(a, &st), 0);
	cr_expect(pk_path_is(a, &st));
	cr_expect(pk_path_is(c, &st), "another name of it");
	cr_expect_not(pk_path_is(b, &st), "another file");
	cr_assert_eq(rename(b, a), 0);
	cr_expect_not(pk_path_is(a, &st), "replaced");
	cr_expect_not(pk_path_is(b, &st), "gone");
	cr_expect(pk_path_is(c, &st));
}

Test(kind_fileid, recorded_and_found_again)
{
	SCRATCH s = scratch_make();
	PK_FREE char *path = pk_asprintf("%s/file", s.path);
	const struct pk_source src = {.pid = 1};
	const struct pk_target t = {0};
	struct pk_error err = {0};
	struct pk_fileid id = {0};
	struct stat st, now;
	char name[200], small[8];

	write_to(&s, "file", "12345");
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(pk_fileid_set(&id, &src, path, &st, &err), 0);
	cr_expect_str_eq(id.path, path);
	cr_expect(id.size == 5 && id.mtime == pk_mtime(&st) && id.ghost == 0);
	cr_expect_eq(pk_fileid_stat(&id, "program", &now, &err), 0);
	cr_expect_eq(now.st_ino, st.st_ino);
	pk_fileid_open_path(&id, &t, name, sizeof(name));
	cr_expect_str_eq(name, path);
	pk_fileid_open_path(&id, &t, small, sizeof(small));
	cr_expect_eq(strlen(small), sizeof(small) - 1);
	unlink(path);
	cr_expect_eq(pk_fileid_stat(&id, "program", &now, &err), -PK_E_MISSING);
	cr_expect(strstr(err.what, "program ") && strstr(err.what, path));
	cr_expect(err.why[0] && err.try[0]);
	free(id.path);
}

Test(kind_source, contents_own_their_files)
{
	struct pk_contents c = {0};
	struct pk_error err;
	int fd[20];

	for (int i = 0; i < 20; i++) {
		fd[i] = i % 2 ? dup(0) : -1;
		cr_assert_eq(pk_contents_add(&c,
				     &(struct pk_content){.start = (uint64_t)i, .fd = fd[i]}, &err),
			0);
	}
	cr_expect(c.n == 20 && c.v[19].start == 19);
	pk_contents_free(&c);
	cr_expect(!c.v && !c.n);
	for (int i = 1; i < 20; i += 2)
		cr_expect_eq(fcntl(fd[i], F_GETFD), -1);
}

Test(kind_source, known_objects)
{
	static const struct pk_type one = {.name = "one"}, two = {.name = "two"};
	struct pk_known known = {0};
	struct pk_source s = {.known = &known};
	struct pk_error err;

	cr_expect_eq(pk_source_known(&s, 1, 2, &one), 0);
	for (uint32_t i = 1; i < 50; i++)
		cr_assert_eq(pk_source_know(&s, 1, i, i % 2 ? &one : &two, i, &err), 0);
	cr_expect_eq(pk_source_known(&s, 1, 7, &one), 7);
	cr_expect_eq(pk_source_known(&s, 1, 7, &two), 0, "of another type");
	cr_expect_eq(pk_source_known(&s, 2, 7, &one), 0, "on another device");
	free(known.v);
}
