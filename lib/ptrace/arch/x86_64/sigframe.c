/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of sigreturn(2) on x86-64, arch/x86/include/asm/sigframe.h: return address, ucontext,
 * siginfo, and the floating point state in standard XSAVE format, to which the ucontext points.
 */
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ucontext.h>

#include "ptrace/arch.h"
#include "stub/blob.h"

/* uc_flags: extended state is there; ss is saved and is to be restored as it is. */
enum { UC_FP_XSTATE = 1, UC_SIGCONTEXT_SS = 2, UC_STRICT_RESTORE_SS = 4 };

/* Offsets in the XSAVE area: what the kernel calls struct _fpx_sw_bytes, and the XSAVE header. */
enum { SW_RESERVED = 464, XSTATE_BV = 512, XSAVE_LEGACY = 576 };

/* The components that need arch_prctl(2) permission first: AMX tile configuration and data. */
#define XFEATURE_DYNAMIC (UINT64_C(3) << 17)

/* The kernel's ucontext: glibc's ends differently (its signal mask is 1024 bits long). */
struct kernel_ucontext {
	uint64_t flags, link;
	uint64_t stack_sp;
	uint32_t stack_flags, pad;
	uint64_t stack_size;
	uint64_t gregs[23];
	uint64_t fpstate;
	uint64_t reserved[8];
	uint64_t sigmask;
};

struct frame {
	uint64_t pretcode;
	struct kernel_ucontext uc;
	siginfo_t info;
};

static void fill_gregs(uint64_t *g, const struct user_regs_struct *r)
{
	g[REG_R8] = r->r8;
	g[REG_R9] = r->r9;
	g[REG_R10] = r->r10;
	g[REG_R11] = r->r11;
	g[REG_R12] = r->r12;
	g[REG_R13] = r->r13;
	g[REG_R14] = r->r14;
	g[REG_R15] = r->r15;
	g[REG_RDI] = r->rdi;
	g[REG_RSI] = r->rsi;
	g[REG_RBP] = r->rbp;
	g[REG_RBX] = r->rbx;
	g[REG_RDX] = r->rdx;
	g[REG_RAX] = r->rax;
	g[REG_RCX] = r->rcx;
	g[REG_RSP] = r->rsp;
	g[REG_RIP] = r->rip;
	g[REG_EFL] = r->eflags;
	/* four 16-bit selectors: cs, gs, fs, ss */
	g[REG_CSGSFS] = (r->cs & 0xffff) | (r->gs & 0xffff) << 16 | (r->fs & 0xffff) << 32 |
			(r->ss & 0xffff) << 48;
}

/*
 * How much of the XSAVE area the kernel takes: exactly the components that this thread may have.
 * With a larger size it falls back to the legacy 512 bytes without a word. Tiles count only when
 * they are in use, for only then the thread is sure to have room for them.
 */
static size_t xstate_used(const uint8_t *xstate, size_t len, uint64_t *xfeatures)
{
	size_t used = XSAVE_LEGACY;
	uint64_t bv;

	memcpy(&bv, xstate + XSTATE_BV, sizeof(bv));
	memcpy(xfeatures, xstate + SW_RESERVED, sizeof(*xfeatures)); /* from the kernel: XCR0 */
	if (!(bv & XFEATURE_DYNAMIC))
		*xfeatures &= ~XFEATURE_DYNAMIC;
	for (unsigned i = 2; i < 63; i++) {
		unsigned size, offset, ecx, edx;

		if (!(*xfeatures >> i & 1))
			continue;
		__cpuid_count(0xd, i, size, offset, ecx, edx);
		if (offset + size > used)
			used = offset + size;
	}
	return used < len ? used : len;
}

static size_t fill_fpstate(uint8_t *to, size_t max, const uint8_t *xstate, size_t len)
{
	struct _fpx_sw_bytes sw = {.magic1 = FP_XSTATE_MAGIC1};
	const uint32_t magic2 = FP_XSTATE_MAGIC2;
	uint64_t xfeatures;
	size_t used;

	if (len < XSAVE_LEGACY)
		return 0;
	used = xstate_used(xstate, len, &xfeatures);
	if (used + sizeof(magic2) > max)
		return 0;
	sw.xstate_bv = xfeatures;
	sw.xstate_size = (uint32_t)used;
	sw.extended_size = (uint32_t)(used + sizeof(magic2));
	memcpy(to, xstate, used);
	memcpy(to + SW_RESERVED, &sw, sizeof(sw));
	memcpy(to + used, &magic2, sizeof(magic2));
	return used + sizeof(magic2);
}

size_t pk_sigframe_build(void *buf, size_t max, uint64_t at, const struct pk_regs *regs,
	int64_t again_nr, const void *xstate, size_t xstate_len, uint64_t sigmask, uint64_t *ret_sp)
{
	const size_t fp_at = (sizeof(struct frame) + 63) & ~(size_t)63;
	struct frame *f = buf;
	struct pk_regs now = *regs;
	size_t fp_len;

	if (at % 64 || fp_at > max)
		return 0;
	/*
	 * rt_sigreturn cancels a pending restart_syscall(2), so whatever call is in progress is
	 * made again from its beginning. That may wait longer, never shorter.
	 */
	if (pk_regs_restart(regs) != PK_RESTART_NONE && again_nr >= 0)
		pk_regs_rewind(&now, (uint64_t)again_nr);
	else if (pk_regs_restart(regs) != PK_RESTART_NONE)
		pk_regs_finish(&now, -EINTR);
	memset(f, 0, fp_at);
	f->uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f->uc.stack_flags = 0x7fff; /* no such flags: sigaltstack refuses, and stays as it is */
	f->uc.sigmask = sigmask;
	f->uc.fpstate = at + fp_at;
	fill_gregs(f->uc.gregs, &now.r);
	fp_len = fill_fpstate((uint8_t *)buf + fp_at, max - fp_at, xstate, xstate_len);
	if (!fp_len)
		return 0;
	*ret_sp = at + offsetof(struct frame, uc);
	return fp_at + fp_len;
}

uint64_t pk_stub_return_offset(void)
{
	/* entry.S: mov %rdi,%rbx (3 bytes), call (5 bytes), then the return path */
	return 8;
}
