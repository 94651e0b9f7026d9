/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "opt.h"
#include "pckpt/pckpt.h"

enum { FAILED = 125 }; /* before the program ran; other codes are the program's */

struct args {
	struct pckpt_restore_options o;
	int pids, stdio;
	bool verbose;
};

static const char *parse(struct args *a, int argc, char **argv)
{
	static const char *const pids[] = {"auto", "ns", "same", "any", NULL};
	static const char *const stdio[] = {"auto", "inherit", NULL};
	const struct opt opts[] = {
		{'d', "detach", NULL, OPT_FLAG, &a->o.detach, 0, NULL,
			"return as soon as the program runs"},
		{0, "pidfile", "FILE", OPT_TEXT, &a->o.pidfile, 0, NULL,
			"write the program's process number, as seen from here"},
		{0, "pid", "HOW", OPT_CHOICE, &a->pids, 0, pids,
			"process numbers: auto, ns, same, any (see above)"},
		{0, "stdio", "HOW", OPT_CHOICE, &a->stdio, 0, stdio,
			"inherit: 0, 1, 2 come from here even if they were files"},
		{'T', "threads", "N", OPT_NUMBER, &a->o.workers, 256, NULL,
			"threads that decompress (default: the CPUs allowed)"},
		{'v', "verbose", NULL, OPT_FLAG, &a->verbose, 0, NULL, "say what is done"},
		{0, "redirect-vdso", NULL, OPT_FLAG, &a->o.redirect_vdso, 0, NULL, NULL},
		{0},
	};
	const struct verb v = {
		"restore",
		"IMAGE",
		"Continues the program saved in IMAGE: a checkpoint, or a store (its newest is\n"
		"taken). Waits for the program, passes signals on to it, and exits with its code,\n"
		"128+N if signal N ended it, 125 if it could not be restored.\n\n"
		"--pid=ns gives the program its original numbers in a process namespace of its\n"
		"own; same gives them in this one (needs privilege); any gives new ones. auto\n"
		"takes ns, or any where namespaces are forbidden.",
		opts,
	};

	return opt_parse(&v, argc, argv);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int verb_restore(int argc, char **argv)
{
	struct args a = {.o = {.trace = getenv("PCKPT_TRACE") != NULL}};
	struct pckpt_restore_result r;
	struct pk_error err = {0};

	a.o.image = parse(&a, argc, argv);
	if (!a.o.image)
		return PK_E_USAGE;
	a.o.pids = (enum pckpt_pids)a.pids;
	a.o.inherit_stdio = a.stdio == 1;
	pckpt_verbose(a.verbose);
	if (pckpt_restore(&a.o, &r, &err) < 0) {
		pk_error_print(&err, "restore");
		return FAILED;
	}
	return exit_code(r.status);
}
