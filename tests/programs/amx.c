/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads that multiply and add in AMX tiles: four accumulators, two tiles of A and two of B
 * stay in the tile registers for a whole step. A CPU without AMX, or a kernel that does not grant
 * it, computes the same in plain C.
 */
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "program.h"

enum { THREADS = 2, ROUNDS = 250000, SIDE = 16 };

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA  18

/* Accumulator t belongs to a[t / 2] and b[t % 2]. Four bytes of a row of A meet four of B's. */
struct worker {
	_Alignas(64) uint32_t sum[4][SIDE][SIDE];
	_Alignas(64) uint8_t a[2][SIDE][4 * SIDE];
	_Alignas(64) uint8_t b[2][SIDE][4 * SIDE];
};

/* What LDTILECFG reads. */
struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

_Static_assert(sizeof(struct tile_config) == 64, "as the instruction has it");

static int have_amx;

static int request_amx(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return 0;
	return d >> 24 & 1 && d >> 25 & 1 && /* AMX-TILE, AMX-INT8 */
	       syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

__attribute__((target("amx-tile,amx-int8"))) static void run_amx(struct worker *w, long rounds)
{
	struct tile_config config = {.palette = 1};

	for (int i = 0; i < 8; i++) {
		config.row_bytes[i] = 4 * SIDE;
		config.rows[i] = SIDE;
	}
	/* The tile registers need no clobber: compiled code uses none. */
	__asm__ volatile("ldtilecfg %[config]\n\t"
			 "tileloadd (%[sum], %[stride]), %%tmm0\n\t"
			 "tileloadd 1024(%[sum], %[stride]), %%tmm1\n\t"
			 "tileloadd 2048(%[sum], %[stride]), %%tmm2\n\t"
			 "tileloadd 3072(%[sum], %[stride]), %%tmm3\n\t"
			 "tileloadd (%[a], %[stride]), %%tmm4\n\t"
			 "tileloadd 1024(%[a], %[stride]), %%tmm5\n\t"
			 "tileloadd (%[b], %[stride]), %%tmm6\n\t"
			 "tileloadd 1024(%[b], %[stride]), %%tmm7\n\t"
			 "1:\n\t"
			 "tdpbuud %%tmm6, %%tmm4, %%tmm0\n\t"
			 "tdpbuud %%tmm7, %%tmm4, %%tmm1\n\t"
			 "tdpbuud %%tmm6, %%tmm5, %%tmm2\n\t"
			 "tdpbuud %%tmm7, %%tmm5, %%tmm3\n\t"
			 "dec %[rounds]\n\t"
			 "jnz 1b\n\t"
			 "tilestored %%tmm0, (%[sum], %[stride])\n\t"
			 "tilestored %%tmm1, 1024(%[sum], %[stride])\n\t"
			 "tilestored %%tmm2, 2048(%[sum], %[stride])\n\t"
			 "tilestored %%tmm3, 3072(%[sum], %[stride])\n\t"
			 "tilerelease"
			 : [rounds] "+r"(rounds)
			 : [config] "m"(config), [sum] "r"(w->sum), [a] "r"(w->a), [b] "r"(w->b),
			 [stride] "r"(4L * SIDE)
			 : "memory", "cc");
}

/* One TDPBUUD on zero. */
static void multiply(uint32_t (*to)[SIDE], uint8_t (*a)[4 * SIDE], uint8_t (*b)[4 * SIDE])
{
	for (int row = 0; row < SIDE; row++)
		for (int column = 0; column < SIDE; column++)
			for (int k = 0; k < 4 * SIDE; k++)
				to[row][column] +=
					(uint32_t)a[row][k] * b[k / 4][4 * column + k % 4];
}

static void run_plain(struct worker *w, long rounds)
{
	uint32_t product[4][SIDE][SIDE] = {0};

	for (int t = 0; t < 4; t++)
		multiply(product[t], w->a[t / 2], w->b[t % 2]);
	while (rounds--)
		for (int i = 0; i < 4 * SIDE * SIDE; i++)
			(&w->sum[0][0][0])[i] += (&product[0][0][0])[i];
}

static void *work(void *arg)
{
	if (have_amx)
		run_amx(arg, ROUNDS);
	else
		run_plain(arg, ROUNDS);
	return NULL;
}

/* New factors for a step, from the number that seeds it. */
static void fill(struct worker *w, uint64_t seed)
{
	for (size_t i = 0; i < sizeof(w->a); i++) {
		seed = mix(seed, i);
		(&w->a[0][0][0])[i] = (uint8_t)seed;
		(&w->b[0][0][0])[i] = (uint8_t)(seed >> 32);
	}
}

static uint64_t hash_sums(uint64_t hash, const struct worker *w)
{
	for (int i = 0; i < 4 * SIDE * SIDE; i++)
		hash = mix(hash, (&w->sum[0][0][0])[i]);
	return hash;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	long n = steps(argc, argv, 20);
	uint64_t hash = 0;

	have_amx = request_amx();
	printf("in %s\n", have_amx ? "AMX tiles" : "plain C");
	for (long s = 1; s <= n; s++) {
		for (uint64_t t = 0; t < THREADS; t++)
			fill(&workers[t], mix(hash, t));
		in_threads(work, workers, sizeof(workers[0]), THREADS);
		for (int t = 0; t < THREADS; t++)
			hash = hash_sums(hash, &workers[t]);
		progress(s, hash);
	}
	return result(hash);
}
