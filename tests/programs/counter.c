/* SPDX-License-Identifier: Apache-2.0 */
/* counter [STEPS [SECONDS]]: counts, and sleeps SECONDS (1) after each number. */
#include <time.h>

#include "program.h"

static void pause_for(double seconds)
{
	struct timespec left = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	expect(nanosleep(&left, NULL) == 0, "the sleep was cut short");
}

int main(int argc, char **argv)
{
	long n = steps(argc, argv, 12);
	double seconds = argc > 2 ? atof(argv[2]) : 1;
	uint64_t hash = 0;

	for (long i = 1; i <= n; i++) {
		hash = mix(hash, (uint64_t)i);
		progress(i, hash);
		pause_for(seconds);
	}
	return result(hash);
}
