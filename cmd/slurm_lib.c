/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opt.h"
#include "pckpt/pckpt.h"

#define LIBRARY "pckpt-slurm.sh"

/* The library's path, if it is in that directory, relative to the executable's. */
static bool find(const char *bin, const char *dir, char *path, size_t n)
{
	return snprintf(path, n, "%s/%s/" LIBRARY, bin, dir) < (int)n && access(path, R_OK) == 0;
}

static int not_found(const char *bin)
{
	struct pk_error err = {.class = PK_E_MISSING};

	snprintf(err.what, sizeof(err.what), LIBRARY " is not there");
	snprintf(err.why, sizeof(err.why), "it is neither in %.400s/slurm nor in " PCKPT_SLURM_DIR,
		bin);
	snprintf(err.try, sizeof(err.try), "install pckpt with cmake --install, scripts included");
	pk_error_print(&err, "slurm-lib");
	return PK_E_MISSING;
}

int verb_slurm_lib(int argc, char **argv)
{
	static const struct opt none[] = {{0}};
	const struct verb v = {
		"slurm-lib",
		"",
		"Prints the path of the shell library for Slurm jobs:\n"
		"    source \"$(pckpt slurm-lib)\"",
		none,
	};
	char bin[PATH_MAX + 1], path[2 * PATH_MAX], real[PATH_MAX];
	ssize_t n;

	if (!opt_parse_none(&v, argc, argv))
		return PK_E_USAGE;
	n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);
	bin[n < 0 ? 0 : n] = '\0';
	if (strrchr(bin, '/'))
		*strrchr(bin, '/') = '\0';
	if (!find(bin, "slurm", path, sizeof(path)) &&
		!find(bin, PCKPT_SLURM_DIR, path, sizeof(path)))
		return not_found(bin);
	if (puts(realpath(path, real) ? real : path) >= 0 && fflush(stdout) == 0)
		return 0;
	perror("pckpt: slurm-lib");
	return PK_E_IO;
}
