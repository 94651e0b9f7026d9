/* SPDX-License-Identifier: Apache-2.0 */
#include "opt.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTS 32
#define HELP     256 /* getopt's value of --help; those of the table count on from here */

bool opt_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end && *ret <= max;
}

static bool set_seconds(const char *text, int64_t *ns)
{
	char *end;
	double s;

	if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
		return false;
	s = strtod(text, &end);
	if (*end || !(s >= 0 && s < 1e9))
		return false;
	*ns = (int64_t)(s * 1e9);
	return true;
}

static bool set_choice(const struct opt *o, const char *text)
{
	for (int i = 0; o->choices[i]; i++)
		if (!strcmp(o->choices[i], text)) {
			*(int *)o->to = i;
			return true;
		}
	return false;
}

static bool set(const struct opt *o, const char *text)
{
	uint64_t n;

	switch (o->form) {
	case OPT_FLAG:
		*(bool *)o->to = true;
		return true;
	case OPT_TEXT:
		*(const char **)o->to = text;
		return text[0];
	case OPT_NUMBER:
		if (!opt_number(text, o->max, &n))
			return false;
		*(unsigned *)o->to = (unsigned)n;
		return true;
	case OPT_SECONDS:
		return set_seconds(text, o->to);
	default:
		return set_choice(o, text);
	}
}

static void bad_value(const struct verb *v, const struct opt *o, const char *text)
{
	fprintf(stderr, "pckpt: %s: --%s: '%s' is not accepted\n", v->name, o->name, text);
	if (o->form == OPT_NUMBER)
		fprintf(stderr, "  why: it is not a whole number from 0 to %u\n", o->max);
	if (o->form == OPT_SECONDS)
		fprintf(stderr, "  why: it is not a number of seconds\n");
	fprintf(stderr, "  try: pckpt %s --help\n", v->name);
}

static void print_help(const struct verb *v)
{
	printf("usage: pckpt %s [options] %s\n\n%s\n\noptions:\n", v->name, v->operand, v->about);
	for (const struct opt *o = v->opts; o->name; o++) {
		char left[64];

		if (!o->help)
			continue;
		snprintf(left, sizeof(left), "%s%c%s --%s%s%s", o->letter ? "-" : " ",
			o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
			o->arg ? " " : "", o->arg ? o->arg : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "    --help", "show this");
}

/* getopt's two tables from ours. */
static void prepare(const struct verb *v, struct option *longs, char *shorts)
{
	size_t n = 0;

	*shorts++ = ':'; /* a missing argument is told apart from an unknown option */
	for (const struct opt *o = v->opts; o->name && n < MAX_OPTS; o++, n++) {
		int has_arg = o->form == OPT_FLAG ? no_argument : required_argument;

		longs[n] = (struct option){o->name, has_arg, NULL, HELP + 1 + (int)n};
		if (!o->letter)
			continue;
		*shorts++ = o->letter;
		if (has_arg)
			*shorts++ = ':';
	}
	longs[n++] = (struct option){"help", no_argument, NULL, HELP};
	longs[n] = (struct option){0};
	*shorts = '\0';
}

static const struct opt *find(const struct verb *v, int c)
{
	if (c > HELP)
		return &v->opts[c - HELP - 1];
	for (const struct opt *o = v->opts; o->name; o++)
		if (o->letter == c)
			return o;
	return NULL;
}

static void unknown(const struct verb *v, int c, char **argv)
{
	const char *what = c == ':' ? "an argument is missing after" : "unknown option";

	fprintf(stderr, "pckpt: %s: %s %s\n  try: pckpt %s --help\n", v->name, what,
		argv[optind - 1], v->name);
}

const char *opt_parse(const struct verb *v, int argc, char **argv)
{
	struct option longs[MAX_OPTS + 2];
	char shorts[2 * MAX_OPTS + 2];
	int c;

	prepare(v, longs, shorts);
	optind = 1;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct opt *o = find(v, c);

		if (c == HELP) {
			print_help(v);
			exit(0);
		}
		if (!o) {
			unknown(v, c, argv);
			return NULL;
		}
		if (!set(o, optarg ? optarg : "")) {
			bad_value(v, o, optarg ? optarg : "");
			return NULL;
		}
	}
	if (argc - optind == 1)
		return argv[optind];
	fprintf(stderr, "pckpt: %s: expected one %s, found %d\n  try: pckpt %s --help\n", v->name,
		v->operand, argc - optind, v->name);
	return NULL;
}
