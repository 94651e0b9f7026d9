/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "image_store.h"
#include "scratch.h"

/* A path below a scratch directory, for as long as the test runs. */
static const char *below(const struct scratch *s, const char *name)
{
	static char path[4][128];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", s->path, name);
	return p;
}

static bool exists(const struct scratch *s, const char *name)
{
	return faccessat(s->fd, name, F_OK, 0) == 0;
}

static mode_t mode_of(const struct scratch *s, const char *name)
{
	struct stat st;

	cr_assert_eq(fstatat(s->fd, name, &st, 0), 0, "%s", name);
	return st.st_mode & 07777;
}

static void put_file(const struct scratch *s, const char *name, const char *text)
{
	unlinkat(s->fd, name, 0);
	cr_assert_eq(pk_write_file(s->fd, name, text, strlen(text)), 0, "%s", name);
}

static struct pk_store opened(const struct scratch *s, const char *name)
{
	struct pk_error err = {0};
	struct pk_store st;

	cr_assert_eq(pk_store_open(below(s, name), &st, &err), 0, "%s: %s", err.what, err.why);
	return st;
}

static void expect_three_lines(const struct pk_error *err)
{
	cr_expect(err->what[0] && err->why[0] && err->try[0], "what: %s\nwhy: %s\ntry: %s",
		err->what, err->why, err->try);
}

Test(image_store, life_of_a_checkpoint)
{
	SCRATCH s = scratch_make();
	struct pk_store st = opened(&s, "image");
	struct pk_commit_file file[3];
	struct pk_error err = {0};

	umask(0);
	cr_expect(st.made && st.number == 0 && st.partfd == -1);
	cr_assert_eq(pk_store_begin(&st, &err), 0, "%s", err.what);
	cr_expect_eq(st.number, 1);
	cr_expect(exists(&s, "image/000001.part"));
	sample_write(st.partfd, 3, file);
	cr_expect_eq(sample_verify(below(&s, "image"), &err), -PK_E_MISSING, "not yet");
	cr_assert_eq(pk_store_commit(&st, file, 3, &err), 0, "%s", err.what);
	cr_expect(exists(&s, "image/000001/commit") && !exists(&s, "image/000001.part"));
	cr_expect(st.number == 0 && st.partfd == -1 && !st.made);
	cr_expect_eq(mode_of(&s, "image"), 0700);
	cr_expect_eq(mode_of(&s, "image/000001"), 0700);
	cr_expect_eq(mode_of(&s, "image/000001/commit"), 0600);
	cr_expect_eq(mode_of(&s, "image/000001/core.pk"), 0600);
	pk_store_close(&st);
	cr_expect(exists(&s, "image/000001/commit"));
	cr_expect_eq(sample_verify(below(&s, "image"), &err), 0, "%s", err.what);
}

static void check_page(const struct pk_group *g, const struct pk_extent *e, const uint8_t *raw)
{
	uint8_t want[SAMPLE_PAGE];

	cr_expect_lt(e->block, g->n_block);
	for (uint64_t at = 0; at < e->len; at += SAMPLE_PAGE) {
		sample_page(want, e->addr + at);
		cr_expect_eq(memcmp(raw + e->off + at, want, SAMPLE_PAGE), 0);
	}
}

Test(image_store, content_comes_back)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	struct pk_model want = {0};
	struct pk_image img;
	uint8_t raw[2 * SAMPLE_PAGE];
	size_t n;

	sample_checkpoint(below(&s, "image"), 5);
	cr_assert_eq(pk_image_open(below(&s, "image"), sample_lookup, &img, NULL), 0);
	sample_model(&want);
	cr_expect_null(sample_diff(&want, &img.model));
	cr_expect_eq(img.n_file, 3);
	cr_assert_eq(img.n_pages, 2);
	cr_expect_str_eq(pk_pages_name(img.pages[1]), "pages-1.lz4");
	cr_assert_eq(pk_image_load_group(&img, 0, 0, &g, NULL), 0);
	cr_expect(g.n_block == 5 && g.n_ext == 6);
	for (size_t i = 0; i < 5; i++) {
		cr_assert_eq(pk_group_block(&g, g.ext[i].block, raw, &n, NULL), 0);
		check_page(&g, &g.ext[i], raw);
	}
	pk_model_free(&want);
	pk_image_close(&img);
}

Test(image_store, names_of_checkpoints)
{
	cr_expect_eq(pk_store_number("000001"), 1);
	cr_expect_eq(pk_store_number("1000000"), 1000000);
	cr_expect_eq(pk_store_number("4294967295"), UINT32_MAX);
	for (const char *const *p = (const char *const[]){"", "1", "000000", "0000001", "00000x",
		     "000001.part", "+00001", " 00001", "-00001", "4294967296", "000001 ",
		     "99999999999999999999999", NULL};
		*p; p++)
		cr_expect_eq(pk_store_number(*p), 0, "%s", *p);
}

Test(image_store, what_a_user_may_name)
{
	static const struct {
		const char *name, *path, *store;
		uint32_t number;
	} cases[] = {
		{"image", "image/000002", "image", 2},
		{"image//", "image/000002", "image", 2},
		{"./image", "./image/000002", "./image", 2},
		{"image/000001", "image/000001", "image", 1},
		{"image/000001/", "image/000001", "image", 1},
		{"image/000001/.", "image/000001/.", "image/000001/./..", 0},
		{"copy", "copy", ".", 0},
	};
	SCRATCH s = scratch_make();
	struct pk_image img;

	cr_assert_eq(chdir(s.path), 0);
	sample_checkpoint("image", 1);
	sample_checkpoint("image/", 1);
	cr_assert_eq(scratch_run("cp -r %s %s", "image/000001", "copy"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert_eq(pk_image_open(cases[i].name, sample_lookup, &img, NULL), 0);
		cr_expect_str_eq(img.path, cases[i].path);
		cr_expect_str_eq(img.store_path, cases[i].store);
		cr_expect_eq(img.number, cases[i].number);
		pk_image_close(&img);
	}
	cr_assert_eq(chdir("copy"), 0);
	cr_assert_eq(pk_image_open(".", sample_lookup, &img, NULL), 0);
	cr_expect_str_eq(img.store_path, "./..");
	pk_image_close(&img);
}

Test(image_store, abort_leaves_nothing)
{
	SCRATCH s = scratch_make();
	struct pk_store st = opened(&s, "image");
	struct pk_commit_file file[3];

	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	sample_write(st.partfd, 1, file);
	pk_store_abort(&st);
	cr_expect_not(exists(&s, "image"));
	pk_store_abort(&st);
	pk_store_close(&st);
	pk_store_close(&st);
}

Test(image_store, close_aborts)
{
	SCRATCH s = scratch_make();
	struct pk_store st;

	sample_checkpoint(below(&s, "image"), 1);
	st = opened(&s, "image");
	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	cr_assert_eq(pk_write_file(st.partfd, "x", "x", 1), 0);
	pk_store_close(&st);
	cr_expect(exists(&s, "image/000001") && !exists(&s, "image/000002.part"));
	st = opened(&s, "empty");
	pk_store_close(&st);
	cr_expect_not(exists(&s, "empty"));
}

Test(image_store, one_writer_at_a_time)
{
	SCRATCH s = scratch_make();
	struct pk_store first = opened(&s, "image"), second;
	struct pk_error err = {0};

	cr_expect_eq(pk_store_open(below(&s, "image"), &second, &err), -PK_E_TEMPFAIL);
	expect_three_lines(&err);
	pk_store_close(&second);
	cr_expect(exists(&s, "image/.lock"), "the loser removes nothing");
	cr_assert_eq(pk_store_begin(&first, NULL), 0);
	cr_expect_eq(pk_store_begin(&first, &err), -PK_E_INTERNAL);
	pk_store_close(&first);
	first = opened(&s, "image");
	pk_store_close(&first);
}

/* A dump that is killed while it writes checkpoint 2. */
static void killed_dump(const char *path)
{
	struct pk_commit_file file[3];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct pk_store st;

		if (pk_store_open(path, &st, NULL) || pk_store_begin(&st, NULL))
			_exit(1);
		sample_write(st.partfd, 1, file);
		raise(SIGKILL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status));
}

Test(image_store, remains_of_a_killed_dump)
{
	SCRATCH s = scratch_make();
	struct pk_store st;

	sample_checkpoint(below(&s, "image"), 1);
	killed_dump(below(&s, "image"));
	cr_expect(exists(&s, "image/000002.part/core.pk"));
	cr_expect_eq(sample_verify(below(&s, "image"), NULL), 0, "the one before is the newest");
	st = opened(&s, "image");
	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	cr_expect_eq(st.number, 2);
	cr_expect_not(exists(&s, "image/000002.part/core.pk"));
	pk_store_close(&st);
	killed_dump(below(&s, "new"));
	cr_expect_eq(sample_checkpoint(below(&s, "new"), 1), 1, "its store is still one");
}

/* What flock(2) says on a file system without locks. */
static void forbid_flock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(*code), .filter = code};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

Test(image_store, two_writers_without_locks)
{
	SCRATCH s = scratch_make();
	struct pk_commit_file file[3];
	struct pk_store a, b;

	forbid_flock();
	a = opened(&s, "image");
	cr_expect_eq(a.lockfd, -1);
	b = opened(&s, "image");
	cr_assert_eq(pk_store_begin(&a, NULL), 0);
	cr_assert_eq(pk_store_begin(&b, NULL), 0);
	cr_expect(a.number == 1 && b.number == 2);
	sample_write(b.partfd, 1, file);
	cr_expect_eq(pk_store_commit(&b, file, 3, NULL), 0);
	pk_store_close(&b);
	pk_store_close(&a);
	cr_expect_eq(sample_verify(below(&s, "image"), NULL), 0, "a's failure took nothing along");
}

Test(image_store, keeps_the_newest)
{
	SCRATCH s = scratch_make();
	struct pk_store st;
	uint32_t *list;
	size_t n;

	for (uint32_t i = 1; i <= 4; i++)
		cr_expect_eq(sample_checkpoint(below(&s, "image"), 1), i);
	st = opened(&s, "image");
	cr_expect_eq(pk_store_prune(&st, 9, NULL), 0);
	cr_expect(exists(&s, "image/000001"));
	cr_expect_eq(pk_store_prune(&st, 2, NULL), 0);
	cr_assert_eq(pk_store_numbers(st.dirfd, &list, &n), 0);
	cr_expect(n == 2 && list[0] == 3 && list[1] == 4);
	free(list);
	cr_expect_eq(pk_store_prune(&st, 0, NULL), 0);
	cr_expect(!exists(&s, "image/000003") && exists(&s, "image/000004"));
	pk_store_close(&st);
	cr_expect_eq(sample_checkpoint(below(&s, "image"), 1), 5, "numbers are not used again");
}

Test(image_store, an_open_image_survives_pruning)
{
	SCRATCH s = scratch_make();
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_FREE void *scratch = malloc(PK_BLOCK_RAW);
	struct pk_image img;
	struct pk_store st;

	sample_checkpoint(below(&s, "image"), 700);
	cr_assert_eq(pk_image_open(below(&s, "image"), sample_lookup, &img, NULL), 0);
	sample_checkpoint(below(&s, "image"), 1);
	st = opened(&s, "image");
	cr_assert_eq(pk_store_prune(&st, 1, NULL), 0);
	pk_store_close(&st);
	cr_expect_gt(pk_pages_groups(img.pages[0]), 1);
	for (size_t i = 0; i < pk_pages_groups(img.pages[0]); i++)
		cr_expect_eq(pk_image_verify_group(&img, 0, i, &g, scratch, NULL), 0);
	pk_image_close(&img);
}

Test(image_store, there_is_always_a_newest)
{
	SCRATCH s = scratch_make();
	const char *path = below(&s, "image");
	pid_t pid;

	sample_checkpoint(path, 1);
	pid = fork();
	for (int i = 0; pid == 0 && i < 100; i++) {
		struct pk_store st;

		sample_checkpoint(path, 1);
		st = opened(&s, "image");
		pk_store_prune(&st, 1, NULL);
		pk_store_close(&st);
	}
	if (pid == 0)
		_exit(0);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		struct pk_image img;
		struct pk_error err = {0};
		int rc = pk_image_open(path, sample_lookup, &img, &err);

		cr_expect_eq(rc, 0, "%s: %s", err.what, err.why);
		pk_image_close(&img);
	}
}

Test(image_store, verify_says_when_the_image_was_removed)
{
	SCRATCH s = scratch_make();
	struct pk_error err = {0};
	struct pk_image img;
	struct pk_store st;

	sample_checkpoint(below(&s, "image"), 1);
	cr_assert_eq(pk_image_open(below(&s, "image"), sample_lookup, &img, NULL), 0);
	sample_checkpoint(below(&s, "image"), 1);
	st = opened(&s, "image");
	cr_assert_eq(pk_store_prune(&st, 1, NULL), 0);
	pk_store_close(&st);
	cr_expect_eq(pk_image_verify(&img, &err), -PK_E_MISSING);
	expect_three_lines(&err);
	pk_image_close(&img);
}

Test(image_store, other_directories_are_left_alone)
{
	SCRATCH s = scratch_make();
	struct pk_error err = {0};
	struct pk_store st;

	cr_assert_eq(mkdirat(s.fd, "home", 0755), 0);
	st = opened(&s, "home");
	pk_store_close(&st);
	cr_expect(exists(&s, "home"), "an empty one is taken, and not removed");
	put_file(&s, "home/thesis.tex", "x");
	cr_expect_eq(pk_store_open(below(&s, "home"), &st, &err), -PK_E_CANTCREAT);
	cr_expect_not_null(strstr(err.why, "thesis.tex"), "%s", err.why);
	expect_three_lines(&err);
	cr_expect_eq(pk_store_open(below(&s, "home/thesis.tex"), &st, &err), -PK_E_CANTCREAT);
	expect_three_lines(&err);
	cr_expect_eq(pk_store_open(below(&s, "a/b"), &st, &err), -PK_E_CANTCREAT);
	expect_three_lines(&err);
	cr_expect_eq(scratch_run("ls -A %s%s | wc -l | grep -qx 1", s.path, ""), 0);
}

Test(image_store, a_store_may_hold_other_things_too)
{
	SCRATCH s = scratch_make();

	sample_checkpoint(below(&s, "image"), 1);
	put_file(&s, "image/slurm-17.out", "x");
	cr_expect_eq(sample_checkpoint(below(&s, "image"), 1), 2);
	cr_assert_eq(unlinkat(s.fd, "image/.lock", 0), 0);
	cr_expect_eq(sample_checkpoint(below(&s, "image"), 1), 3);
}

Test(image_store, no_permission)
{
	SCRATCH s = scratch_make();
	struct pk_error err = {0};
	struct pk_store st;
	bool root = geteuid() == 0;

	cr_assert_eq(mkdirat(s.fd, "image", 0500), 0);
	cr_assert_eq(fchmod(s.fd, 0755), 0);
	cr_assert(!root || seteuid(65534) == 0);
	cr_expect_eq(pk_store_open(below(&s, "image"), &st, &err), -PK_E_CANTCREAT);
	expect_three_lines(&err);
	cr_assert(!root || seteuid(0) == 0);
}

Test(image_store, only_what_was_written_is_committed)
{
	SCRATCH s = scratch_make();
	struct pk_store st = opened(&s, "image");
	struct pk_commit_file file[3], wrong;
	struct pk_error err = {0};

	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	sample_write(st.partfd, 1, file);
	file[2].size++;
	cr_expect_eq(pk_store_commit(&st, file, 3, &err), -PK_E_IO);
	file[2].size--;
	wrong = file[2];
	for (const char *const *p = (const char *const[]){"", ".x", "a/b", "commit", "a b",
		     "core.pk", "0123456789012345678901234567890x", NULL};
		*p; p++) {
		memcpy(file[2].name, *p, strlen(*p) + (strlen(*p) < sizeof(wrong.name)));
		cr_expect_eq(pk_store_commit(&st, file, 3, &err), -PK_E_INTERNAL, "%s", *p);
	}
	file[2] = wrong;
	cr_expect_not(exists(&s, "image/000001.part/commit"));
	cr_expect_eq(pk_store_commit(&st, file, 3, &err), 0, "%s", err.what);
	pk_store_close(&st);
}

/* A full disk, while writing pages or while writing the commit file. */
static void dump_with_limit(const char *path, rlim_t limit)
{
	struct rlimit old, now;
	struct pk_commit_file file[3];
	struct pk_error err = {0};
	struct pk_store st;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	cr_assert_eq(pk_store_open(path, &st, NULL), 0);
	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	sample_write(st.partfd, 1, file);
	now = (struct rlimit){.rlim_cur = limit, .rlim_max = old.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &now), 0);
	cr_expect_eq(pk_store_commit(&st, file, 3, &err), -PK_E_CANTCREAT);
	cr_expect_not_null(strstr(err.try, "ulimit -f"), "%s", err.try);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	pk_store_close(&st);
}

Test(image_store, no_space_leaves_earlier_checkpoints)
{
	SCRATCH s = scratch_make();
	struct pk_error err = {0};

	sample_checkpoint(below(&s, "image"), 1);
	for (rlim_t limit = 0; limit < 100; limit += 33)
		dump_with_limit(below(&s, "image"), limit);
	cr_expect_not(exists(&s, "image/000002.part"));
	cr_expect_eq(sample_verify(below(&s, "image"), &err), 0, "%s", err.what);
	cr_expect_eq(sample_checkpoint(below(&s, "image"), 1), 2);
}

/* Reading what is not, or not quite, an image. */

static void expect_refused(const struct scratch *s, const char *name, int class, const char *word)
{
	struct pk_error err = {0};

	cr_expect_eq(sample_verify(below(s, name), &err), -class, "%s: %d %s", name, err.class,
		err.what);
	cr_expect(strstr(err.what, word) || strstr(err.why, word), "%s: %s: %s", name, err.what,
		err.why);
	expect_three_lines(&err);
}

Test(image_store, no_image_there)
{
	SCRATCH s = scratch_make();

	expect_refused(&s, "nothing", PK_E_MISSING, "there is no image");
	put_file(&s, "file", "x");
	expect_refused(&s, "file", PK_E_IMAGE, "is a directory");
	cr_assert_eq(mkdirat(s.fd, "dir", 0700), 0);
	expect_refused(&s, "dir", PK_E_MISSING, "empty");
	put_file(&s, "dir/.lock", "");
	expect_refused(&s, "dir", PK_E_MISSING, "empty");
	cr_assert_eq(mkdirat(s.fd, "dir/000001.part", 0700), 0);
	expect_refused(&s, "dir", PK_E_MISSING, "interrupted");
	cr_assert_eq(unlinkat(s.fd, "dir/000001.part", AT_REMOVEDIR), 0);
	cr_assert_eq(mkdirat(s.fd, "dir/000001", 0700), 0);
	expect_refused(&s, "dir", PK_E_MISSING, "commit file");
}

Test(image_store, missing_and_wrong_files)
{
	SCRATCH s = scratch_make();

	sample_checkpoint(below(&s, "a"), 1);
	cr_assert_eq(renameat(s.fd, "a/000001/pages-1.lz4", s.fd, "kept"), 0);
	expect_refused(&s, "a", PK_E_IMAGE, "pages-1.lz4: the file is missing");
	put_file(&s, "a/000001/pages-1.lz4", "short");
	expect_refused(&s, "a", PK_E_IMAGE, "5 bytes instead of");
	cr_assert_eq(unlinkat(s.fd, "a/000001/pages-1.lz4", 0), 0);
	cr_assert_eq(mkfifoat(s.fd, "a/000001/pages-1.lz4", 0600), 0);
	cr_expect_lt(sample_verify(below(&s, "a"), NULL), 0, "a FIFO is not waited for");
	cr_assert_eq(renameat(s.fd, "kept", s.fd, "a/000001/pages-1.lz4"), 0);
	cr_expect_eq(sample_verify(below(&s, "a"), NULL), 0);
	cr_assert_eq(renameat(s.fd, "a/000001/core.pk", s.fd, "kept"), 0);
	expect_refused(&s, "a", PK_E_IMAGE, "core.pk: the file is missing");
	put_file(&s, "a/000001/core.pk", "x");
	expect_refused(&s, "a", PK_E_IMAGE, "1 bytes instead of");
}

Test(image_store, commit_files)
{
	SCRATCH s = scratch_make();
	PK_FREE char *text = NULL;

	sample_checkpoint(below(&s, "a"), 1);
	text = pk_read_file(s.fd, "a/000001/commit", 4096, NULL);
	put_file(&s, "a/000001/commit", "pckpt-commit 2\n");
	expect_refused(&s, "a", PK_E_IMAGE, "unknown format");
	put_file(&s, "a/000001/commit", "");
	expect_refused(&s, "a", PK_E_IMAGE, "damaged");
	put_file(&s, "a/000001/commit", "pckpt-commit 1\nsum xxh3 0000000000000000\n");
	expect_refused(&s, "a", PK_E_IMAGE, "damaged");
	for (const char *const *p = (const char *const[]){"\n", " ", "x", "sum xxh3 0", NULL}; *p;
		p++) {
		PK_FREE char *more = pk_asprintf("%s%s", text, *p);

		put_file(&s, "a/000001/commit", more);
		expect_refused(&s, "a", PK_E_IMAGE, "damaged");
	}
	put_file(&s, "a/000001/commit", text);
	cr_expect_eq(sample_verify(below(&s, "a"), NULL), 0);
}

Test(image_store, commit_without_records)
{
	SCRATCH s = scratch_make();
	struct pk_store st = opened(&s, "image");
	struct pk_commit_file file;

	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	file = sample_pages(st.partfd, 0, 1);
	cr_assert_eq(pk_store_commit(&st, &file, 1, NULL), 0);
	pk_store_close(&st);
	expect_refused(&s, "image", PK_E_IMAGE, "it has no core.pk");
}

Test(image_store, extents_of_unknown_objects)
{
	SCRATCH s = scratch_make();
	struct pk_store st = opened(&s, "image");
	struct pk_extent e = {.obj = 77, .addr = 0, .len = 1};
	struct pk_commit_file file[2] = {{.name = "core.pk"}, {.name = "pages-0.lz4"}};
	struct pk_pages_writer *w;
	struct pk_pages_stat stat;

	cr_assert_eq(pk_store_begin(&st, NULL), 0);
	file[0] = sample_records(st.partfd);
	cr_assert_eq(pk_pages_create(st.partfd, file[1].name, &w, NULL), 0);
	cr_assert_eq(pk_pages_add(w, "x", 1, &e, 1, NULL), 0);
	cr_assert_eq(pk_pages_finish(w, &stat, NULL), 0);
	file[1].size = stat.file_bytes;
	file[1].xxh3 = stat.footer_xxh3;
	cr_assert_eq(pk_store_commit(&st, file, 2, NULL), 0);
	pk_store_close(&st);
	expect_refused(&s, "image", PK_E_IMAGE, "object 77");
}

static void flip(int fd, off_t at)
{
	uint8_t b;

	cr_assert_eq(pread(fd, &b, 1, at), 1);
	b ^= 0x11;
	cr_assert_eq(pwrite(fd, &b, 1, at), 1);
}

static void flip_each_byte(const struct scratch *s, const char *name)
{
	PK_CLOSE int fd = openat(s->fd, name, O_RDWR);
	off_t n = lseek(fd, 0, SEEK_END);

	cr_assert_gt(n, 0);
	for (off_t at = 0; at < n; at++) {
		struct pk_error err = {0};

		flip(fd, at);
		cr_expect_eq(sample_verify(below(s, "a"), &err), -PK_E_IMAGE, "%s byte %jd", name,
			(intmax_t)at);
		flip(fd, at);
	}
}

Test(image_store, every_flipped_byte_is_noticed)
{
	SCRATCH s = scratch_make();
	struct pk_error err = {0};

	sample_checkpoint(below(&s, "a"), 1);
	flip_each_byte(&s, "a/000001/commit");
	flip_each_byte(&s, "a/000001/core.pk");
	flip_each_byte(&s, "a/000001/pages-0.lz4");
	cr_expect_eq(sample_verify(below(&s, "a"), &err), 0, "%s", err.what);
}
