/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads that keep all 32 AVX-512 registers and seven mask registers busy without pause, for a
 * whole step at a time. A CPU without AVX-512 computes the same with AVX2 or less.
 *
 * The state is 32 words for each of eight lanes, word i of all lanes in zmm<i>. In a
 * round the last word mixes with all others in turn, then with seven of them where the masks that
 * the round before left say so.
 */
#include "program.h"

enum { WORDS = 32, LANES = 8, THREADS = 2, ROUNDS = 800000 };

/* Half of a word's lanes: what an AVX2 register holds. */
typedef uint64_t half __attribute__((vector_size(32)));

struct state {
	_Alignas(64) half word[WORDS][2];
};

#define ALL_BUT_ONE                                                                                \
	"0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, "   \
	"24, 25, 26, 27, 28, 29, 30"
#define ALL   ALL_BUT_ONE ", 31"
#define SEVEN "1, 2, 3, 4, 5, 6, 7"

__attribute__((target("avx512f"))) static void run_avx512(struct state *s, long rounds)
{
	__asm__ volatile(".irp i, " ALL "\n\t"
			 "vmovdqa64 \\i * 64(%[state]), %%zmm\\i\n\t"
			 ".endr\n\t"
			 ".irp k, " SEVEN "\n\t"
			 "kxorw %%k\\k, %%k\\k, %%k\\k\n\t"
			 ".endr\n\t"
			 "1:\n\t"
			 ".irp i, " ALL_BUT_ONE "\n\t"
			 "vprolq $13, %%zmm\\i, %%zmm\\i\n\t"
			 "vpaddq %%zmm31, %%zmm\\i, %%zmm\\i\n\t"
			 "vpxorq %%zmm\\i, %%zmm31, %%zmm31\n\t"
			 ".endr\n\t"
			 ".irp k, " SEVEN "\n\t"
			 "vpaddq %%zmm\\k, %%zmm31, %%zmm31%{%%k\\k%}\n\t"
			 "vpcmpltuq %%zmm31, %%zmm\\k, %%k\\k\n\t"
			 ".endr\n\t"
			 "dec %[rounds]\n\t"
			 "jnz 1b\n\t"
			 ".irp i, " ALL "\n\t"
			 "vmovdqa64 %%zmm\\i, \\i * 64(%[state])\n\t"
			 ".endr\n\t"
			 "vzeroupper"
			 : [rounds] "+r"(rounds)
			 : [state] "r"(s)
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			 "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			 "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
			 "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",
			 "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7");
}

/* The same for one half of the lanes. */
__attribute__((target_clones("avx2", "default"))) static void run_half(half *word, long rounds)
{
	half mask[8] = {0}, last = word[WORDS - 1];

	while (rounds--) {
		for (int i = 0; i < WORDS - 1; i++) {
			word[i] = (word[i] << 13 | word[i] >> 51) + last;
			last ^= word[i];
		}
		for (int k = 1; k < 8; k++) {
			last += word[k] & mask[k];
			mask[k] = (half)(word[k] < last);
		}
	}
	word[WORDS - 1] = last;
}

static void run_plain(struct state *s, long rounds)
{
	half word[WORDS];

	for (int h = 0; h < 2; h++) {
		for (int i = 0; i < WORDS; i++)
			word[i] = s->word[i][h];
		run_half(word, rounds);
		for (int i = 0; i < WORDS; i++)
			s->word[i][h] = word[i];
	}
}

static void *work(void *arg)
{
	if (__builtin_cpu_supports("avx512f"))
		run_avx512(arg, ROUNDS);
	else
		run_plain(arg, ROUNDS);
	return NULL;
}

static uint64_t hash_state(uint64_t hash, const struct state *s)
{
	for (int i = 0; i < WORDS * LANES; i++)
		hash = mix(hash, s->word[i / 8][i / 4 % 2][i % 4]);
	return hash;
}

int main(int argc, char **argv)
{
	static struct state states[THREADS];
	long n = steps(argc, argv, 20);
	uint64_t hash = 0;

	printf("with %s\n", __builtin_cpu_supports("avx512f") ? "AVX-512" : "AVX2 or less");
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < WORDS * LANES; i++)
			states[t].word[i / 8][i / 4 % 2][i % 4] = mix((uint64_t)t, (uint64_t)i);
	for (long s = 1; s <= n; s++) {
		in_threads(work, states, sizeof(states[0]), THREADS);
		for (int t = 0; t < THREADS; t++)
			hash = hash_state(hash, &states[t]);
		progress(s, hash);
	}
	return result(hash);
}
