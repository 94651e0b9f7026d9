/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opt.h"
#include "pckpt/pckpt.h"

struct args {
	struct pckpt_dump_options o;
	bool quiet, verbose, leave_running;
};

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static int report(const struct args *a, const struct pckpt_dump_result *r)
{
	if (!a->quiet) {
		fprintf(stderr,
			"pckpt: pid %d (%s): %u process%s, %u threads, %u mappings, %u "
			"descriptors\n",
			r->pid, r->comm, r->processes, r->processes == 1 ? "" : "es", r->threads,
			r->maps, r->fds);
		if (a->o.dry_run)
			fprintf(stderr, "pckpt: it can be dumped; nothing was written\n");
		else
			fprintf(stderr,
				"pckpt: %.1f MiB of memory, image %.1f MiB, %.3f s, frozen %.3f s; "
				"%s\n",
				mib(r->memory_bytes), mib(r->image_bytes),
				(double)r->total_ns / 1e9, (double)r->frozen_ns / 1e9,
				a->o.kill ? "the program was ended" : "the program runs on");
	}
	if (!r->path[0] || (puts(r->path) >= 0 && fflush(stdout) == 0))
		return 0;
	fprintf(stderr,
		"pckpt: dump: cannot print the checkpoint's path\n  why: %s\n"
		"  try: the checkpoint is complete: %s\n",
		strerror(errno), r->path);
	return PK_E_IO;
}

static const char *parse(struct args *a, int argc, char **argv)
{
	const struct opt opts[] = {
		{'o', "output", "STORE", OPT_TEXT, &a->o.store, 0, NULL,
			"directory of checkpoints (default ./pckpt-NAME-PID)"},
		{'k', "kill", NULL, OPT_FLAG, &a->o.kill, 0, NULL,
			"end the program once its checkpoint is complete"},
		{0, "keep", "N", OPT_NUMBER, &a->o.keep, 1000000, NULL,
			"checkpoints that remain in the store (default 2; 0: all)"},
		{'T', "threads", "N", OPT_NUMBER, &a->o.workers, 256, NULL,
			"threads that read and compress (default: the CPUs allowed)"},
		{0, "timeout", "SEC", OPT_SECONDS, &a->o.timeout_ns, 0, NULL,
			"give up after this long, and let the program run on"},
		{0, "strict", NULL, OPT_FLAG, &a->o.strict, 0, NULL,
			"refuse connections that lead outside of the job"},
		{'n', "dry-run", NULL, OPT_FLAG, &a->o.dry_run, 0, NULL,
			"look at everything, write nothing"},
		{'q', "quiet", NULL, OPT_FLAG, &a->quiet, 0, NULL,
			"print the checkpoint's path only"},
		{'v', "verbose", NULL, OPT_FLAG, &a->verbose, 0, NULL, "say more"},
		{0, "leave-running", NULL, OPT_FLAG, &a->leave_running, 0, NULL, NULL},
		{0},
	};
	const struct verb v = {
		"dump",
		"PID",
		"Saves process PID with all its threads into a new checkpoint of STORE, and "
		"prints\n"
		"the checkpoint's path. PID may also be a `pckpt restore`: its program is meant.",
		opts,
	};

	return opt_parse(&v, argc, argv);
}

int verb_dump(int argc, char **argv)
{
	struct args a = {.o = {.keep = 2, .trace = getenv("PCKPT_TRACE") != NULL}};
	const char *pid = parse(&a, argc, argv);
	struct pckpt_dump_result r;
	struct pk_error err = {0};
	uint64_t n;

	if (!pid)
		return PK_E_USAGE;
	if (!opt_number(pid, INT_MAX, &n) || n == 0) {
		opt_usage("dump", "ps and pgrep print process numbers", "'%s' is no process number",
			pid);
		return PK_E_USAGE;
	}
	a.o.pid = (pid_t)n;
	pckpt_verbose(a.verbose);
	if (pckpt_dump(&a.o, &r, &err) == 0) {
		return report(&a, &r);
	}
	pk_error_print(&err, "dump");
	return r.signal ? 128 + r.signal : err.class;
}
