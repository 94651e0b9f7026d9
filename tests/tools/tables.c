/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables types|support|refusals|errors: the tables of the documents, made from those of the code.
 * scripts/gen-docs puts them where they belong.
 *
 *	types	 docs/FORMAT.md: record types, each with its fields (kinds.def, field tables)
 *	support	 README.md: what is saved and rebuilt (summaries of the kinds)
 *	refusals README.md: what is refused by name (refusal.h)
 *	errors	 README.md: exit codes (errors.def)
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kind/kind.h"
#include "kind/refusal.h"
#include "pckpt/error.h"

static const char *kind_of(const struct pk_field *f)
{
	static const char *const names[] = {
		[PK_F_U8] = "u8",
		[PK_F_U16] = "u16",
		[PK_F_U32] = "u32",
		[PK_F_U64] = "u64",
		[PK_F_I32] = "i32",
		[PK_F_I64] = "i64",
		[PK_F_STR] = "text",
		[PK_F_BYTES] = "bytes",
		[PK_F_LIST] = "list of ",
	};

	return names[f->ftype];
}

/* "uid[0]" of an array's element becomes "uid0". A bar would end the cell. */
static void put_text(const char *text, const char *without)
{
	for (const char *c = text; *c; c++)
		if (*c == '|')
			fputs("\\|", stdout);
		else if (!strchr(without, *c))
			putchar(*c);
}

static void put_sentence(const char *text)
{
	putchar(toupper((unsigned char)*text));
	put_text(text + 1, "");
	putchar('.');
}

static void print_fields(const struct pk_type *t)
{
	if (t->fields->ftype == PK_F_END) {
		printf("No fields.\n");
		return;
	}
	printf("| tag | name | kind | meaning |\n|---|---|---|---|\n");
	for (const struct pk_field *f = t->fields; f->ftype != PK_F_END; f++) {
		printf("| %u | `", f->tag);
		put_text(f->name, "[]");
		printf("` | %s%s | ", kind_of(f), f->sub ? f->sub->name : "");
		put_text(f->doc, "");
		printf(" |\n");
	}
}

static const struct pk_type *seen[64];
static size_t n_seen;

/* Types of list elements come after the first record type that has them. */
static void print_subs(const struct pk_type *t)
{
	for (const struct pk_field *f = t->fields; f->ftype != PK_F_END; f++) {
		bool known = !f->sub;

		for (size_t i = 0; i < n_seen && !known; i++)
			known = seen[i] == f->sub;
		if (known)
			continue;
		if (n_seen == sizeof(seen) / sizeof(*seen))
			abort();
		seen[n_seen++] = f->sub;
		printf("\n### %s\n\nAn element of `%s` in %s.\n\n", f->sub->name, f->name, t->name);
		print_fields(f->sub);
		print_subs(f->sub);
	}
}

static int by_id(const void *a, const void *b)
{
	const struct pk_kind *const *x = a, *const *y = b;

	return (*x)->type->id - (*y)->type->id;
}

static size_t n_kinds(void)
{
	size_t n = 0;

	while (pk_kinds[n])
		n++;
	return n;
}

static void print_types(void)
{
	const size_t n = n_kinds();
	const struct pk_kind **sorted = calloc(n, sizeof(const struct pk_kind *));

	if (!sorted)
		abort();
	memcpy(sorted, pk_kinds, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_id);
	for (size_t i = 0; i < n; i++) {
		const struct pk_type *t = sorted[i]->type;

		if (sorted[i] == &pk_kind_unsupported)
			continue; /* never recorded */
		printf("%s### %u %s\n\n", i ? "\n" : "", t->id, t->name);
		put_sentence(sorted[i]->summary);
		printf("\n\n");
		print_fields(t);
		print_subs(t);
	}
	free(sorted);
}

/* What users look for: the levels of kind.h in their words. */
static const char *area_of(const struct pk_kind *k)
{
	switch (k->level) {
	case PK_LV_TASK:
		return "process";
	case PK_LV_THREAD:
		return "threads";
	case PK_LV_MAPPING:
		return "memory";
	case PK_LV_TABLE:
	case PK_LV_FILE:
		return "descriptors";
	case PK_LV_CONTENT:
		return "files";
	default:
		break;
	}
	if (k == &pk_kind_thread)
		return "threads";
	if (k == &pk_kind_vma)
		return "memory";
	if (k == &pk_kind_fds)
		return "descriptors";
	return k == &pk_kind_host ? "host" : "process";
}

static void print_support(void)
{
	static const char *const areas[] = {
		"process", "threads", "memory", "descriptors", "files", "host"};

	printf("| | kept | record |\n|---|---|---|\n");
	for (size_t a = 0; a < sizeof(areas) / sizeof(*areas); a++)
		for (size_t i = 0; pk_kinds[i]; i++) {
			if (strcmp(area_of(pk_kinds[i]), areas[a]) != 0 ||
				pk_kinds[i] == &pk_kind_unsupported)
				continue;
			printf("| %s | ", areas[a]);
			put_text(pk_kinds[i]->summary, "");
			printf(" | `%s` |\n", pk_kinds[i]->type->name);
		}
}

static bool same_refusal(const struct pk_refusal *a, const struct pk_refusal *b)
{
	return !strcmp(a->what, b->what) && !strcmp(a->try, b->try);
}

static bool is_first(const struct pk_refusal *r)
{
	for (const struct pk_refusal *o = pk_refusals; o < r; o++)
		if (same_refusal(o, r))
			return false;
	return true;
}

static void print_refusals(void)
{
	printf("| what | seen as | what to do |\n|---|---|---|\n");
	for (const struct pk_refusal *r = pk_refusals; r->prefix; r++) {
		const char *comma = "";

		if (!is_first(r))
			continue;
		printf("| %s | ", r->what);
		for (const struct pk_refusal *o = r; o->prefix; o++)
			if (same_refusal(o, r)) {
				printf("%s`%s`", comma, o->prefix);
				comma = ", ";
			}
		fputs(" | ", stdout);
		put_text(r->try, "");
		fputs(" |\n", stdout);
	}
}

static void print_errors(void)
{
	printf("| code | name | meaning |\n|---|---|---|\n| 0 | | done |\n");
#define PK_ERROR(name, code, text) printf("| %d | %s | %s |\n", code, #name, text);
#include "pckpt/errors.def"
#undef PK_ERROR
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "types"))
		print_types();
	else if (!strcmp(what, "support"))
		print_support();
	else if (!strcmp(what, "refusals"))
		print_refusals();
	else if (!strcmp(what, "errors"))
		print_errors();
	else {
		fprintf(stderr, "usage: tables types|support|refusals|errors\n");
		return PK_E_USAGE;
	}
	return fflush(stdout) ? PK_E_IO : 0;
}
