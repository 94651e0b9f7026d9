/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of x86-64: which call a thread stopped in, and how it goes on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/syscall.h>

#include "ptrace/arch.h"

static enum pk_restart restart(int64_t nr, int64_t result)
{
	const struct pk_regs r = {.r = {.orig_rax = (uint64_t)nr, .rax = (uint64_t)result}};

	return pk_regs_restart(&r);
}

Test(ptrace_regs, how_a_call_goes_on)
{
	cr_expect_eq(restart(0, -512), PK_RESTART_AGAIN);
	cr_expect_eq(restart(0, -513), PK_RESTART_AGAIN);
	cr_expect_eq(restart(0, -514), PK_RESTART_AGAIN);
	cr_expect_eq(restart(0, -515), PK_RESTART_NONE);
	cr_expect_eq(restart(0, -516), PK_RESTART_BLOCK);
	cr_expect_eq(restart(0, -EINTR), PK_RESTART_EINTR);
	cr_expect_eq(restart(0, 0), PK_RESTART_NONE);
	cr_expect_eq(restart(0, INT64_MIN), PK_RESTART_NONE);
	cr_expect_eq(restart(-1, -512), PK_RESTART_NONE, "in no call");
}

Test(ptrace_regs, arguments)
{
	static const uint64_t a[6] = {1, 2, 3, 4, 5, 6};
	struct pk_regs r = {.r = {.rip = 0x1002, .orig_rax = SYS_poll}};

	pk_regs_syscall(&r, 0x2000, SYS_mmap, a);
	for (unsigned i = 0; i < 6; i++)
		cr_expect_eq(pk_regs_arg(&r, i), i + 1);
	cr_expect_eq(r.r.rdi, 1);
	cr_expect_eq(r.r.r10, 4);
	cr_expect_eq(pk_regs_nr(&r), -1, "no call is to be restarted");
	pk_regs_set_arg(&r, 3, 44);
	cr_expect_eq(r.r.r10, 44);
	pk_regs_rewind(&r, SYS_poll);
	cr_expect_eq(pk_regs_ip(&r), 0x2000 - PK_SYSCALL_INSN_LEN);
	cr_expect_eq(pk_regs_result(&r), SYS_poll);
}

Test(ptrace_regs, number_of_a_call_from_its_code)
{
	static const uint8_t plain[] = {0xb8, 0xe6, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t apart[] = {0xb8, 1, 1, 0, 0, 0x31, 0xd2, 0x0f, 0x05};
	static const uint8_t two[] = {0xb8, 7, 0, 0, 0, 0xb8, 35, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t large[] = {0xb8, 0, 4, 0, 0, 0x0f, 0x05};
	static const uint8_t none[] = {0x89, 0xd0, 0x90, 0x90, 0x90, 0x90, 0x0f, 0x05};

	cr_expect_eq(pk_code_nr(plain, sizeof(plain)), 230);
	cr_expect_eq(pk_code_nr(apart, sizeof(apart)), 257);
	cr_expect_eq(pk_code_nr(two, sizeof(two)), 35, "the nearest");
	cr_expect_eq(pk_code_nr(large, sizeof(large)), -1);
	cr_expect_eq(pk_code_nr(none, sizeof(none)), -1);
	cr_expect_eq(pk_code_nr(plain + 1, sizeof(plain) - 1), -1, "cut off");
	cr_expect_eq(pk_code_nr(plain, 0), -1);
}

Test(ptrace_regs, gadgets)
{
	static const uint8_t code[] = {0x90, 0x0f, 0x05, 0x90, 0x0f, 0x05, 0xc3, 0xb8, 0x0f, 0, 0,
		0, 0x0f, 0x05, 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	struct pk_gadgets g;

	pk_gadgets_find(code, sizeof(code), &g);
	cr_expect(g.syscall == 1 && g.syscall_ret == 4 && g.sigreturn == 14);
	pk_gadgets_find(code, 14, &g);
	cr_expect_eq(g.sigreturn, 7, "the short form");
	pk_gadgets_find(code, 2, &g);
	cr_expect(g.syscall == -1 && g.syscall_ret == -1 && g.sigreturn == -1);
	pk_gadgets_find(code, 0, &g);
	cr_expect(g.syscall == -1 && g.syscall_ret == -1 && g.sigreturn == -1);
}
