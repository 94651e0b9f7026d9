/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x87: control and status word, tags and the register stack, held in a loop that makes no
 * system call. The addresses of the last instruction are left out: some CPUs save them only
 * on an exception.
 */
#include "crew.h"

#define CONTROL_WANT 0x0665 /* double precision, round down, overflow and precision unmasked */

struct x87 {
	uint16_t control, pad0, status, pad1, tags, pad2;
	uint32_t last[4];
	uint8_t stack[80];
};

static struct x87 want, found;

void spin_x87(uint16_t *control, struct x87 *before, struct x87 *after, int *over);
asm(".pushsection .text\n"
    ".type spin_x87, @function\n"
    ".globl spin_x87\n"
    "spin_x87:\n"
    "	fninit\n"
    "	fldcw (%rdi)\n"
    "	fldpi\n fldl2e\n fldlg2\n fldln2\n fldz\n"
    "	fcom %st(1)\n" /* raises condition bits in the status word */
    "	fnsave (%rsi)\n"
    "	frstor (%rsi)\n"
    "1:	pause\n"
    "	cmpl $0, (%rcx)\n"
    "	je 1b\n"
    "	fnsave (%rdx)\n"
    "	ret\n"
    ".popsection\n");

static void body(int i)
{
	uint16_t control = CONTROL_WANT;

	if (i == 0) {
		meet();
		return;
	}
	crew_arrive();
	spin_x87(&control, &want, &found, &crew_over);
}

int main(void)
{
	crew(2, body);
	expect(want.control, found.control, "x87 control word");
	expect(want.status, found.status, "x87 status word");
	expect(want.tags, found.tags, "x87 tag word");
	expect_bytes(want.stack, found.stack, sizeof(want.stack), "x87 register stack");
	return victim_done();
}
