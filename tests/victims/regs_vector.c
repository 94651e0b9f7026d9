/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vector registers held in a loop that makes no system call: all zmm and mask registers and mxcsr
 * where the CPU has AVX-512, else ymm, else xmm.
 */
#include "crew.h"

#define MXCSR_WANT    0xff3b /* round to zero, flush to zero, all masked, some flags raised */
#define MXCSR_DEFAULT 0x1f80

struct vectors {
	uint8_t reg[32][64];
	uint64_t mask[8];
	uint32_t mxcsr;
} __attribute__((aligned(64)));

static struct vectors want, found;
static const uint32_t mxcsr_default = MXCSR_DEFAULT;

void spin_zmm(const struct vectors *from, struct vectors *to, int *over, const uint32_t *mxcsr);
void spin_ymm(const struct vectors *from, struct vectors *to, int *over, const uint32_t *mxcsr);
void spin_xmm(const struct vectors *from, struct vectors *to, int *over, const uint32_t *mxcsr);

#define LOW_16 "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
#define ALL_32 LOW_16 ",16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define MASKS  "0,1,2,3,4,5,6,7"
#define EACH(list, line)                                                                           \
	".irp i, " list "\n" line "\n"                                                             \
	".endr\n"
#define SPIN(name, load, store)                                                                    \
	asm(".pushsection .text\n"                                                                 \
	    ".type " name ", @function\n"                                                          \
	    ".globl " name "\n" name ":\n"                                                         \
	    "	ldmxcsr 2112(%rdi)\n" load "1:	pause\n"                                            \
	    "	cmpl $0, (%rdx)\n"                                                                   \
	    "	je 1b\n" store "	stmxcsr 2112(%rsi)\n"                                             \
	    "	ldmxcsr (%rcx)\n"                                                                    \
	    "	ret\n"                                                                               \
	    ".popsection\n")

SPIN("spin_zmm",
	EACH(ALL_32, "vmovdqu64 64*\\i(%rdi), %zmm\\i")
		EACH(MASKS, "kmovq 2048+8*\\i(%rdi), %k\\i"),
	EACH(ALL_32, "vmovdqu64 %zmm\\i, 64*\\i(%rsi)")
		EACH(MASKS, "kmovq %k\\i, 2048+8*\\i(%rsi)") "	vzeroupper\n");
SPIN("spin_ymm", EACH(LOW_16, "vmovdqu 64*\\i(%rdi), %ymm\\i"),
	EACH(LOW_16, "vmovdqu %ymm\\i, 64*\\i(%rsi)") "	vzeroupper\n");
SPIN("spin_xmm", EACH(LOW_16, "movdqu 64*\\i(%rdi), %xmm\\i"),
	EACH(LOW_16, "movdqu %xmm\\i, 64*\\i(%rsi)"));

static int registers, width;
static void (*spin)(const struct vectors *, struct vectors *, int *, const uint32_t *);

static void choose(void)
{
	bool zmm = __builtin_cpu_supports("avx512bw"), ymm = __builtin_cpu_supports("avx");

	registers = zmm ? 32 : 16;
	width = zmm ? 64 : ymm ? 32 : 16;
	spin = zmm ? spin_zmm : ymm ? spin_ymm : spin_xmm;
}

static void body(int i)
{
	if (i == 0) {
		meet();
		return;
	}
	crew_arrive();
	spin(&want, &found, &crew_over, &mxcsr_default);
}

int main(void)
{
	uint8_t *bytes = (uint8_t *)&want;

	choose();
	for (size_t i = 0; i < sizeof(want); i++)
		bytes[i] = (uint8_t)(i * 37 + i / 64 + 1);
	want.mxcsr = MXCSR_WANT;
	crew(2, body);
	for (int i = 0; i < registers; i++)
		expect_bytes(want.reg[i], found.reg[i], (size_t)width, "vector register %d", i);
	for (int i = 0; i < 8 && width == 64; i++)
		expect((long long)want.mask[i], (long long)found.mask[i], "k%d", i);
	expect(want.mxcsr, found.mxcsr, "mxcsr");
	return victim_done();
}
