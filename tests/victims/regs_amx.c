/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMX: the permission to use tiles, the tile configuration and all eight tiles, held in a loop that
 * makes no system call.
 */
#include <asm/prctl.h>
#include <cpuid.h>

#include "crew.h"

#ifndef ARCH_REQ_XCOMP_PERM
#define ARCH_GET_XCOMP_PERM 0x1022
#define ARCH_REQ_XCOMP_PERM 0x1023
#endif
#define XTILEDATA 18
#define TILES     8
#define ROWS      16
#define ROW       64

struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
} __attribute__((aligned(64)));

struct tiles {
	struct tile_config config;
	uint8_t tile[TILES][ROWS][ROW];
};

static struct tiles want, found;

void spin_tiles(const struct tiles *from, struct tiles *to, int *over, long row);
asm(".pushsection .text\n"
    ".type spin_tiles, @function\n"
    ".globl spin_tiles\n"
    "spin_tiles:\n"
    "	ldtilecfg (%rdi)\n"
    "	.irp i, 0,1,2,3,4,5,6,7\n"
    "	lea 64+1024*\\i(%rdi), %rax\n"
    "	tileloadd (%rax,%rcx), %tmm\\i\n"
    "	.endr\n"
    "1:	pause\n"
    "	cmpl $0, (%rdx)\n"
    "	je 1b\n"
    "	sttilecfg (%rsi)\n"
    "	.irp i, 0,1,2,3,4,5,6,7\n"
    "	lea 64+1024*\\i(%rsi), %rax\n"
    "	tilestored %tmm\\i, (%rax,%rcx)\n"
    "	.endr\n"
    "	tilerelease\n"
    "	ret\n"
    ".popsection\n");

static void ask_permission(void)
{
	unsigned a, b, c, d = 0;

	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1))
		victim_skip("the CPU has no AMX tiles");
	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) < 0)
		victim_skip("no permission for AMX tiles: %s", strerror(errno));
}

static void body(int i)
{
	if (i == 0) {
		meet();
		return;
	}
	crew_arrive();
	spin_tiles(&want, &found, &crew_over, ROW);
}

int main(void)
{
	uint8_t *bytes = &want.tile[0][0][0];
	uint64_t permitted = 0;

	ask_permission();
	want.config.palette = 1;
	for (int i = 0; i < TILES; i++) {
		want.config.row_bytes[i] = ROW;
		want.config.rows[i] = ROWS;
	}
	for (size_t i = 0; i < sizeof(want.tile); i++)
		bytes[i] = (uint8_t)(i * 41 + i / 64 + 1);
	crew(2, body);
	expect_bytes(&want.config, &found.config, sizeof(want.config), "tile configuration");
	for (int i = 0; i < TILES; i++)
		expect_bytes(want.tile[i], found.tile[i], sizeof(want.tile[i]), "tile %d", i);
	must(syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &permitted));
	expect(1, permitted >> XTILEDATA & 1, "permission for tiles");
	return victim_done();
}
