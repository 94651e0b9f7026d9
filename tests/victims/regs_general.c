/* SPDX-License-Identifier: Apache-2.0 */
/*
 * General registers and flags, held in a loop that makes no system call. The loop tests its end
 * with jrcxz, so that no flag changes; only rcx and rsp hold no pattern.
 */
#include "crew.h"

enum { RAX, RBX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, REGS };

#define CARRY     0x1
#define PARITY    0x4
#define ADJUST    0x10
#define SIGN      0x80
#define DIRECTION 0x400
#define OVERFLOWN 0x800
#define ALIGNMENT 0x40000

static const char *const names[REGS] = {"rax", "rbx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10",
	"r11", "r12", "r13", "r14", "r15", "flags"};

__attribute__((used)) static uint64_t spin_want[REGS], spin_found[REGS];
__attribute__((used)) static uint64_t spin_over;

#define ALL_REGISTERS ".irp r, rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"

void spin_general(void);
asm(".pushsection .text\n"
    ".type spin_general, @function\n"
    ".globl spin_general\n"
    "spin_general:\n"
    "	push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n pushfq\n"
    "	push 14*8 + spin_want(%rip)\n"
    "	.set at, 0\n" ALL_REGISTERS "	mov at + spin_want(%rip), %\\r\n"
    "	.set at, at + 8\n"
    "	.endr\n"
    "	popfq\n"
    "1:	mov spin_over(%rip), %rcx\n"
    "	jrcxz 1b\n"
    "	pushfq\n"
    "	pop 14*8 + spin_found(%rip)\n"
    "	.set at, 0\n" ALL_REGISTERS "	mov %\\r, at + spin_found(%rip)\n"
    "	.set at, at + 8\n"
    "	.endr\n"
    "	popfq\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
    "	ret\n"
    ".popsection\n");

static void body(int i)
{
	if (i == 0) {
		meet();
		__atomic_store_n(&spin_over, 1, __ATOMIC_RELEASE);
		return;
	}
	crew_arrive();
	spin_general();
}

int main(void)
{
	for (int i = 0; i < FLAGS; i++)
		spin_want[i] = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15;
	spin_want[FLAGS] =
		0x202 | CARRY | PARITY | ADJUST | SIGN | DIRECTION | OVERFLOWN | ALIGNMENT;
	crew(2, body);
	for (int i = 0; i < REGS; i++)
		expect((long long)spin_want[i], (long long)spin_found[i], "%s", names[i]);
	return victim_done();
}
