/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from tables. One table for each verb drives parsing, --help, and later completion and the
 * synopsis of the manual. Numbers and choices are checked here, so a verb sees good values only.
 */
#ifndef PCKPT_CMD_OPT_H
#define PCKPT_CMD_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_form {
	OPT_FLAG,    /* bool */
	OPT_TEXT,    /* const char * */
	OPT_NUMBER,  /* unsigned, up to max */
	OPT_SECONDS, /* int64_t ns; decimals allowed */
	OPT_CHOICE,  /* int: index in choices */
	OPT_CALL,    /* struct opt_call */
};

/* Takes the argument: NULL, or why it is wrong. */
struct opt_call {
	const char *(*take)(void *to, const char *text);
	void *to;
};

struct opt {
	char letter; /* 0: none */
	const char *name;
	const char *arg; /* what --help calls the argument; NULL for flags */
	enum opt_form form;
	void *to;
	unsigned max;
	const char *const *choices; /* ends with NULL */
	const char *help;           /* NULL: hidden (tests, compatibility) */
};

struct verb {
	const char *name;
	const char *operand;    /* "PID", "IMAGE" */
	const char *about;      /* what --help says below the usage line */
	const struct opt *opts; /* ends with a NULL name */
};

/*
 * Parse argv[1..]. Exactly one operand is expected, and returned; NULL after a message on stderr
 * (the verb then exits with 2). --help prints and exits with 0.
 */
const char *opt_parse(const struct verb *v, int argc, char **argv);

/*
 * The same for verbs whose options end with the first word that is none, or with --: returns the
 * words from there on, at least one.
 */
char **opt_parse_words(const struct verb *v, int argc, char **argv);

/* The same for verbs without an operand. */
bool opt_parse_none(const struct verb *v, int argc, char **argv);

/* Print the three lines of a wrong command line; what is printf-like. */
void opt_usage(const char *verb, const char *why, const char *what, ...)
	__attribute__((format(printf, 3, 4)));

/* A whole number in decimal, 0 .. max. */
bool opt_number(const char *text, uint64_t max, uint64_t *ret);

/* The verbs. */
#define VERB(function, name, summary) int verb_##function(int argc, char **argv);
#include "verbs.def"
#undef VERB

#endif
