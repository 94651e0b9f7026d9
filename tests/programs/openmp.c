/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenMP with 16 threads: a stencil in floating point over a grid, parallel loops, sections, a
 * critical section and tasks. The sums are made by block, and the blocks added up in their order:
 * the same bits whatever the threads do.
 */
#include <omp.h>

#include "program.h"

enum { THREADS = 16, SIDE = 256, BLOCKS = 32, SWEEPS = 80 };

static double grid[2][SIDE][SIDE];

static void sweep(double (*to)[SIDE], double (*from)[SIDE])
{
#pragma omp parallel for schedule(dynamic, 4) num_threads(THREADS)
	for (int y = 0; y < SIDE; y++) {
		int up = (y + SIDE - 1) % SIDE, down = (y + 1) % SIDE;

		for (int x = 0; x < SIDE; x++) {
			int left = (x + SIDE - 1) % SIDE, right = (x + 1) % SIDE;
			double around =
				from[up][x] + from[down][x] + from[y][left] + from[y][right];

			to[y][x] = 0.2499 * around + 0.0003 * from[y][x];
		}
	}
}

static double sum(double (*of)[SIDE])
{
	double part[BLOCKS] = {0}, all = 0;

#pragma omp parallel for schedule(static) num_threads(THREADS)
	for (int b = 0; b < BLOCKS; b++)
		for (int y = b * SIDE / BLOCKS; y < (b + 1) * SIDE / BLOCKS; y++)
			for (int x = 0; x < SIDE; x++)
				part[b] += of[y][x];
	for (int b = 0; b < BLOCKS; b++)
		all += part[b];
	return all;
}

/* Tasks that spawn tasks: a tree whose nodes are added, in whatever order, as integers. */
static uint64_t tree(uint64_t node, int depth)
{
	uint64_t left = 0, right = 0;

	if (depth == 0)
		return mix(node, 1);
#pragma omp task shared(left)
	left = tree(2 * node, depth - 1);
#pragma omp task shared(right)
	right = tree(2 * node + 1, depth - 1);
#pragma omp taskwait
	return mix(left, right);
}

static uint64_t tasks(long step)
{
	uint64_t hash = 0, count = 0;

#pragma omp parallel num_threads(THREADS)
	{
#pragma omp critical
		count++;
#pragma omp single
		hash = tree((uint64_t)step, 8);
	}
	return mix(hash, count);
}

int main(int argc, char **argv)
{
	long n = steps(argc, argv, 40);
	uint64_t hash = 0, bits;
	double total;

	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			grid[0][y][x] = (double)(mix((uint64_t)y, (uint64_t)x) % 1000);
	for (long s = 1; s <= n; s++) {
		for (int i = 0; i < SWEEPS; i++)
			sweep(grid[(i + 1) & 1], grid[i & 1]);
		total = sum(grid[0]);
		memcpy(&bits, &total, sizeof(bits));
		hash = mix(mix(hash, bits), tasks(s));
		progress(s, hash);
	}
	return result(hash);
}
