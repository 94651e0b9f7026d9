/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: from the path that a user named to a model and open page files, and verifying them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "image/format.h"
#include "image/store.h"

#define TRIES 5 /* how often the newest checkpoint may be pruned while it is being opened */

/* Finding the checkpoint */

static int no_checkpoint(const char *path, struct pk_error *err, const char *why)
{
	pk_fail(err, PK_E_MISSING, "%s: holds no complete checkpoint", path);
	pk_why(err, "%s", why);
	return pk_try(err, "make one with pckpt dump, or check the name");
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && !strcmp(name + n - m, suffix);
}

/* Says which kind of nothing is there. */
static int explain_none(const char *path, struct pk_error *err)
{
	PK_CLOSEDIR DIR *d = opendir(path);
	bool part = false, other = false;
	struct dirent *e;

	if (!d)
		return pk_fail_errno(err, "%s: cannot list it", path);
	while ((e = readdir(d))) {
		if (has_suffix(e->d_name, ".part"))
			part = true;
		else if (e->d_name[0] != '.')
			other = true;
	}
	if (part)
		return no_checkpoint(
			path, err, "a dump into it was interrupted, or is not finished yet");
	return no_checkpoint(
		path, err, other ? "no directory in it has a commit file" : "it is empty");
}

static int open_named(const char *path, int *ret_fd, struct pk_error *err)
{
	*ret_fd = pk_open_dir(AT_FDCWD, path);
	if (*ret_fd >= 0)
		return 0;
	if (errno == ENOENT)
		return pk_fail_errno(err, "%s: there is no image", path);
	if (errno != ENOTDIR)
		return pk_fail_errno(err, "%s: cannot open it", path);
	pk_fail(err, PK_E_IMAGE, "%s: is not an image", path);
	pk_why(err, "an image is a directory");
	return pk_try(err, "name the directory that pckpt dump wrote to");
}

static char *without_slashes(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return strndup(path, n);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Where the store is, when the user named one of its checkpoints. */
static char *parent_of(const char *path)
{
	const char *base = base_of(path);

	if (!strcmp(base, ".") || !strcmp(base, ".."))
		return pk_asprintf("%s/..", path);
	if (base == path)
		return strdup(".");
	return base == path + 1 ? strdup("/") : strndup(path, (size_t)(base - path) - 1);
}

static int choose_newest(struct pk_image *img, int dirfd, struct pk_error *err)
{
	PK_FREE uint32_t *list = NULL;
	size_t n = 0;

	if (pk_store_numbers(dirfd, &list, &n))
		return pk_fail_errno(err, "%s: cannot list it", img->store_path);
	if (!n)
		return explain_none(img->store_path, err);
	img->number = list[n - 1];
	img->path = pk_asprintf("%s/%06u", img->store_path, img->number);
	if (!img->path)
		return pk_fail_errno(err, "%s", img->store_path);
	return open_named(img->path, &img->dirfd, err);
}

static int find_checkpoint(struct pk_image *img, const char *path, struct pk_error *err)
{
	PK_FREE char *name = without_slashes(path);
	PK_CLOSE int fd = -1;
	struct stat st;
	int rc = name ? open_named(name, &fd, err) : pk_fail_errno(err, "%s", path);

	if (rc)
		return rc;
	if (fstatat(fd, PK_COMMIT_NAME, &st, 0)) {
		img->store_path = pk_steal_ptr(&name);
		return choose_newest(img, fd, err);
	}
	img->store_path = parent_of(name);
	img->number = pk_store_number(base_of(name));
	img->path = pk_steal_ptr(&name);
	img->dirfd = pk_steal_fd(&fd);
	return img->store_path ? 0 : pk_fail_errno(err, "%s", path);
}

/* Opening it */

static int read_whole(int dirfd, const char *name, uint64_t max, uint8_t **ret, uint64_t *ret_n,
	struct pk_error *err)
{
	PK_CLOSE int fd = pk_open_regular(dirfd, name, ret_n);
	PK_FREE uint8_t *p = NULL;

	if (fd < 0 && errno == ENOENT)
		return pk_fail(err, PK_E_IMAGE, "%s: the file is missing", name);
	if (fd < 0)
		return pk_fail_errno(err, "%s: cannot open it", name);
	if (*ret_n > max)
		return pk_fail(err, PK_E_IMAGE, "%s: the file is too large", name);
	p = malloc(*ret_n + 1);
	if (!p || pk_pread_all(fd, p, *ret_n, 0))
		return pk_fail_errno(err, "%s: cannot read it", name);
	p[*ret_n] = '\0';
	*ret = pk_steal_ptr(&p);
	return 0;
}

static int read_commit(struct pk_image *img, struct pk_error *err)
{
	PK_FREE uint8_t *text = NULL;
	uint64_t n;
	int rc = read_whole(img->dirfd, PK_COMMIT_NAME, PK_COMMIT_MAX, &text, &n, err);

	return rc ? rc : pk_commit_parse((char *)text, n, &img->file, &img->n_file, err);
}

/* Reads a file, which must be what was committed. */
static int read_committed(const struct pk_image *img, const struct pk_commit_file *f, uint8_t **ret,
	struct pk_error *err)
{
	uint64_t n;
	int rc = read_whole(img->dirfd, f->name, PK_CORE_MAX, ret, &n, err);

	if (rc)
		return rc;
	if (n != f->size)
		return pk_fail(err, PK_E_IMAGE, "%s: it has %llu bytes instead of %llu", f->name,
			(unsigned long long)n, (unsigned long long)f->size);
	if (pk_xxh3(*ret, n) != f->xxh3)
		return pk_fail(err, PK_E_IMAGE, "%s: its checksum does not match", f->name);
	return 0;
}

static int read_records(struct pk_image *img, pk_type_lookup lookup, struct pk_error *err)
{
	PK_FREE uint8_t *p = NULL;
	const struct pk_commit_file *f = img->file;
	int rc;

	while (f < img->file + img->n_file && strcmp(f->name, PK_CORE_NAME) != 0)
		f++;
	if (f == img->file + img->n_file)
		return pk_fail(err, PK_E_IMAGE, "it has no %s", PK_CORE_NAME);
	rc = read_committed(img, f, &p, err);
	if (rc)
		return rc;
	rc = pk_records_decode(p, f->size, lookup, &img->model, err);
	if (rc)
		pk_wrap(err, "%s", PK_CORE_NAME);
	return rc;
}

static bool is_page_file(const char *name)
{
	return !strncmp(name, "pages-", 6) && has_suffix(name, ".lz4");
}

static int open_pages(struct pk_image *img, struct pk_error *err)
{
	img->pages = calloc(img->n_file + 1, sizeof(struct pk_pages *));
	if (!img->pages)
		return pk_fail_errno(err, "%s", img->path);
	for (size_t i = 0; i < img->n_file; i++) {
		const struct pk_commit_file *f = &img->file[i];
		int rc;

		if (!is_page_file(f->name))
			continue;
		rc = pk_pages_open(
			img->dirfd, f->name, f->size, f->xxh3, &img->pages[img->n_pages], err);
		if (rc)
			return rc;
		img->n_pages++;
	}
	return 0;
}

static int open_checkpoint(
	struct pk_image *img, const char *path, pk_type_lookup lookup, struct pk_error *err)
{
	int rc = find_checkpoint(img, path, err);

	if (rc)
		return rc;
	rc = read_commit(img, err);
	if (!rc)
		rc = read_records(img, lookup, err);
	if (!rc)
		rc = open_pages(img, err);
	if (rc)
		pk_wrap(err, "%s", img->path);
	return rc;
}

/*
 * Prune renames a checkpoint before it removes the files in it. A listing of the store that was
 * made meanwhile may have missed the old one and the new one, too.
 */
static bool was_pruned(const struct pk_image *img)
{
	struct stat a, b;

	if (!img->path)
		return img->store_path != NULL;
	return img->dirfd < 0 || fstat(img->dirfd, &a) || stat(img->path, &b) ||
	       a.st_ino != b.st_ino || a.st_dev != b.st_dev;
}

static void advise(struct pk_error *err)
{
	if (!err || err->class != PK_E_IMAGE)
		return;
	if (!err->why[0])
		pk_why(err, "the image is damaged or incomplete");
	if (!err->try[0])
		pk_try(err, "use an earlier checkpoint of the same store, if it has one");
}

int pk_image_open(
	const char *path, pk_type_lookup lookup, struct pk_image *ret, struct pk_error *err)
{
	for (int i = 1;; i++) {
		struct pk_image img = {.dirfd = -1};
		int rc = open_checkpoint(&img, path, lookup, err);
		bool again = rc && i < TRIES && was_pruned(&img);

		if (rc) {
			pk_image_close(&img);
			advise(err);
		}
		*ret = img;
		if (!again)
			return rc;
	}
}

void pk_image_close(struct pk_image *img)
{
	for (size_t i = 0; i < img->n_pages; i++)
		pk_pages_close(img->pages[i]);
	free(img->pages);
	pk_model_free(&img->model);
	free(img->file);
	if (img->path && img->dirfd >= 0)
		close(img->dirfd);
	free(img->path);
	free(img->store_path);
	memset(img, 0, sizeof(*img));
}

/* Verifying it */

int pk_image_load_group(const struct pk_image *img, size_t page, size_t group, struct pk_group *g,
	struct pk_error *err)
{
	const struct pk_pages *p = img->pages[page];
	int rc = pk_group_load(p, group, g, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < g->n_ext; i++)
		if (!pk_model_find(&img->model, g->ext[i].obj, NULL))
			return pk_fail(err, PK_E_IMAGE,
				"%s: group %zu: extent %zu is of object %u, which has no record",
				pk_pages_name(p), group, i, g->ext[i].obj);
	return 0;
}

int pk_image_verify_group(const struct pk_image *img, size_t page, size_t group, struct pk_group *g,
	void *scratch, struct pk_error *err)
{
	int rc = pk_image_load_group(img, page, group, g, err);
	size_t n;

	if (rc)
		return rc;
	for (size_t b = 0; b < g->n_block; b++) {
		rc = pk_group_block(g, b, scratch, &n, err);
		if (rc) {
			pk_wrap(err, "%s: group %zu", pk_pages_name(img->pages[page]), group);
			return rc;
		}
	}
	return 0;
}

static int verify_pages(const struct pk_image *img, struct pk_error *err)
{
	PK_CLEANUP(pk_group_free) struct pk_group g = {0};
	PK_FREE void *scratch = malloc(PK_BLOCK_RAW);

	if (!scratch)
		return pk_fail_errno(err, "%s", img->path);
	for (size_t i = 0; i < img->n_pages; i++)
		for (size_t j = 0; j < pk_pages_groups(img->pages[i]); j++) {
			int rc = pk_image_verify_group(img, i, j, &g, scratch, err);

			if (rc)
				return rc;
		}
	return 0;
}

static int verify_files(const struct pk_image *img, struct pk_error *err)
{
	for (size_t i = 0; i < img->n_file; i++) {
		PK_FREE uint8_t *p = NULL;
		int rc = is_page_file(img->file[i].name)
				 ? 0
				 : read_committed(img, &img->file[i], &p, err);

		if (rc)
			return rc;
	}
	return 0;
}

int pk_image_verify(const struct pk_image *img, struct pk_error *err)
{
	int rc = verify_files(img, err);

	if (!rc)
		rc = verify_pages(img, err);
	if (rc && was_pruned(img)) {
		rc = pk_fail(err, PK_E_MISSING, "it was removed meanwhile");
		pk_why(err, "a newer checkpoint took its place");
		pk_try(err, "name the store, or the newer checkpoint");
	}
	if (rc) {
		pk_wrap(err, "%s", img->path);
		advise(err);
	}
	return rc;
}
