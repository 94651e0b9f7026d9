/* SPDX-License-Identifier: Apache-2.0 */
/* How this CPU enters the kernel. The only file of the stub, with entry.S, that knows the CPU. */
#ifndef PK_STUB_SYS_H
#define PK_STUB_SYS_H

#include <stdint.h>

void pk_stub_run(struct pk_prog *p);

/* syscall(2): number in rax; rdi, rsi, rdx, r10, r8, r9; clobbers rcx and r11. */
static inline int64_t pk_stub_syscall(
	uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	register uint64_t r10 __asm__("r10") = a3;
	register uint64_t r8 __asm__("r8") = a4;
	register uint64_t r9 __asm__("r9") = a5;
	int64_t ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* tgkill(getpid(), gettid(), sig): the numbers are those of the process's own namespace. */
static inline void pk_stub_signal(uint32_t sig)
{
	enum { GETPID = 39, GETTID = 186, TGKILL = 234 };
	uint64_t pid = (uint64_t)pk_stub_syscall(GETPID, 0, 0, 0, 0, 0, 0);
	uint64_t tid = (uint64_t)pk_stub_syscall(GETTID, 0, 0, 0, 0, 0, 0);

	pk_stub_syscall(TGKILL, pid, tid, sig, 0, 0, 0);
}

/*
 * Use a tile once. The kernel enlarges a thread's register save area at its first AMX instruction;
 * before that it refuses tile state from a debugger (PTRACE_SETREGSET gives EINVAL). Tile 0 gets
 * one row of 64 bytes, is zeroed, and all is released again. Only ever run when the image has
 * tiles.
 */
static inline void pk_stub_tiles(void)
{
	uint64_t config[8] = {1, 0, 64, 0, 0, 0, 1, 0}; /* palette 1; colsb[0] = 64; rows[0] = 1 */

	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00\n\t" /* ldtilecfg (%rax) */
			 ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0\n\t" /* tilezero %tmm0 */
			 ".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0\n\t" /* tilerelease */
			 :
			 : "a"(config)
			 : "memory");
}

#endif
