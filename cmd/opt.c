/* SPDX-License-Identifier: Apache-2.0 */
#include "opt.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pckpt/pckpt.h"

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

static bool set(const struct opt *o, const char *text, const char **why)
{
	const struct opt_call *call;
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
	case OPT_CALL:
		call = o->to;
		*why = call->take(call->to, text);
		return !*why;
	default:
		return set_choice(o, text);
	}
}

void opt_usage(const char *verb, const char *why, const char *what, ...)
{
	struct pk_error err = {.class = PK_E_USAGE};
	va_list ap;

	va_start(ap, what);
	vsnprintf(err.what, sizeof(err.what), what, ap);
	va_end(ap);
	snprintf(err.why, sizeof(err.why), "%s", why);
	snprintf(err.try, sizeof(err.try), "pckpt %s --help", verb);
	pk_error_print(&err, verb);
}

static void list_choices(const struct opt *o, char *out, size_t n)
{
	size_t len = (size_t)snprintf(out, n, "it is none of");

	for (int i = 0; o->choices[i] && len < n; i++)
		len += (size_t)snprintf(out + len, n - len, " %s", o->choices[i]);
}

static void bad_value(
	const struct verb *v, const struct opt *o, const char *text, const char *reason)
{
	char why[128];

	snprintf(why, sizeof(why), "%s", reason);
	if (o->form == OPT_NUMBER)
		snprintf(why, sizeof(why), "it is not a whole number from 0 to %u", o->max);
	if (o->form == OPT_SECONDS)
		snprintf(why, sizeof(why), "it is not a number of seconds");
	if (o->form == OPT_CHOICE)
		list_choices(o, why, sizeof(why));
	opt_usage(v->name, why, "--%s: '%s' is not accepted", o->name, text);
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
static void prepare(const struct verb *v, struct option *longs, char *shorts, bool words)
{
	size_t n = 0;

	if (words)
		*shorts++ = '+'; /* the first word that is no option ends them */
	*shorts++ = ':';         /* a missing argument is told apart from an unknown option */
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

/* What getopt stumbled over: c is its return value. In a cluster (-nX) only optopt knows it. */
static void unknown(const struct verb *v, int c, char **argv)
{
	char letter[] = {'-', (char)optopt, '\0'};
	const char *name = optopt > 0 && optopt < HELP ? letter : argv[optind - 1];

	if (c == ':')
		opt_usage(
			v->name, "this option takes one", "an argument is missing after %s", name);
	else if (optopt >= HELP)
		opt_usage(v->name, "this option takes none", "%s has an argument", name);
	else
		opt_usage(v->name, "there is no such option here", "unknown option %s", name);
}

static bool parse_options(const struct verb *v, int argc, char **argv, bool words)
{
	struct option longs[MAX_OPTS + 2];
	char shorts[2 * MAX_OPTS + 3];
	int c;

	prepare(v, longs, shorts, words);
	optind = 1;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct opt *o = find(v, c);
		const char *why = "it is empty";

		if (c == HELP) {
			print_help(v);
			exit(0);
		}
		if (!o) {
			unknown(v, c, argv);
			return false;
		}
		if (!set(o, optarg ? optarg : "", &why)) {
			bad_value(v, o, optarg ? optarg : "", why);
			return false;
		}
	}
	return true;
}

const char *opt_parse(const struct verb *v, int argc, char **argv)
{
	if (!parse_options(v, argc, argv, false))
		return NULL;
	if (argc - optind == 1)
		return argv[optind];
	opt_usage(v->name, argc == optind ? "it is missing" : "there are too many words",
		"expected one %s, found %d", v->operand, argc - optind);
	return NULL;
}

char **opt_parse_words(const struct verb *v, int argc, char **argv)
{
	if (!parse_options(v, argc, argv, true))
		return NULL;
	if (optind < argc)
		return argv + optind;
	opt_usage(v->name, "it is missing", "expected %s", v->operand);
	return NULL;
}

bool opt_parse_none(const struct verb *v, int argc, char **argv)
{
	if (!parse_options(v, argc, argv, false))
		return false;
	if (optind == argc)
		return true;
	opt_usage(v->name, "options only are expected", "unexpected word '%s'", argv[optind]);
	return false;
}
