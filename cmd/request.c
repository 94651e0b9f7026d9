/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "opt.h"
#include "pckpt/pckpt.h"

int verb_request(int argc, char **argv)
{
	const char *control = NULL;
	bool kill = false;
	int64_t wait = 0;
	const struct opt opts[] = {
		{'c', "control", "DIR", OPT_TEXT, &control, 0, NULL,
			"the directory that pckpt run has as --control"},
		{'k', "kill", NULL, OPT_FLAG, &kill, 0, NULL,
			"end the programs once all checkpoints are complete"},
		{'w', "wait", "SEC", OPT_SECONDS, &wait, 0, NULL,
			"wait so long for it to be complete"},
		{0},
	};
	const struct verb v = {
		"request",
		"--control DIR",
		"Asks all ranks of a job for a checkpoint, and prints its number.",
		opts,
	};
	struct pk_error err = {0};
	uint32_t number;

	if (!opt_parse_none(&v, argc, argv))
		return PK_E_USAGE;
	if (!control) {
		opt_usage("request", "the ranks meet there", "--control is missing");
		return PK_E_USAGE;
	}
	if (pckpt_request(control, kill, wait, &number, &err) < 0) {
		pk_error_print(&err, "request");
		return err.class;
	}
	printf("%" PRIu32 "\n", number);
	return fflush(stdout) == 0 ? 0 : PK_E_IO;
}
