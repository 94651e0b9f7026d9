/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "opt.h"
#include "pckpt/pckpt.h"

int verb_verify(int argc, char **argv)
{
	bool quiet = false;
	const struct opt opts[] = {
		{'q', "quiet", NULL, OPT_FLAG, &quiet, 0, NULL, "print nothing if all is well"},
		{0},
	};
	const struct verb v = {
		"verify",
		"IMAGE",
		"Reads all of a checkpoint (of a store: the newest) and checks every sum, size "
		"and\n"
		"reference. Needs no privileges and starts nothing.",
		opts,
	};
	const char *image = opt_parse(&v, argc, argv);
	struct pckpt_verify_result r;
	struct pk_error err = {0};

	if (!image)
		return PK_E_USAGE;
	if (pckpt_verify(image, &r, &err) < 0) {
		pk_error_print(&err, "verify");
		return err.class;
	}
	if (!quiet)
		printf("%s: good: %" PRIu64 " records, %" PRIu64 " files, %" PRIu64 " bytes\n",
			r.path, r.records, r.files, r.image_bytes);
	return 0;
}
