/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "opt.h"
#include "pckpt/pckpt.h"

static const struct {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
} verbs[] = {
#define VERB(function, name, summary) {name, summary, verb_##function},
#include "verbs.def"
#undef VERB
};
#define N_VERBS (sizeof(verbs) / sizeof(*verbs))

static void usage(FILE *to)
{
	fprintf(to, "usage: pckpt VERB [options] ...\n\n"
		    "Saves a running program to disk and continues it later.\n\nverbs:\n");
	for (size_t i = 0; i < N_VERBS; i++)
		fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(to, "\npckpt VERB --help tells more; pckpt --version the version.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return PK_E_USAGE;
	}
	for (size_t i = 0; i < N_VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("pckpt " PCKPT_VERSION);
		return 0;
	}
	fprintf(stderr,
		"pckpt: unknown verb '%s'\n  why: the first word says what to do\n"
		"  try: pckpt --help\n",
		argv[1]);
	return PK_E_USAGE;
}
