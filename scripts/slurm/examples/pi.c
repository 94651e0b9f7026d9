/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: pi [STEPS]
 *
 * An OpenMP program for openmp.sh: pi by the midpoint rule, with a line for each step. Whole
 * numbers are added, so that the result does not depend on the number of threads.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLICE = 10000000 };

int main(int argc, char **argv)
{
	int64_t steps = argc > 1 ? atoll(argv[1]) : 400;
	int64_t n = steps * SLICE;
	int64_t sum = 0;

	for (int64_t step = 0; step < steps; step++) {
#pragma omp parallel for reduction(+ : sum)
		for (int64_t i = step * SLICE; i < (step + 1) * SLICE; i++) {
			double x = ((double)i + 0.5) / (double)n;

			sum += (int64_t)(4e9 / (1 + x * x));
		}
		printf("step %lld\n", (long long)step + 1);
		fflush(stdout);
	}
	printf("pi %.6f\n", (double)sum / 1e9 / (double)n);
	return 0;
}
