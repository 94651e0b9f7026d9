/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "ptrace/arch.h"

/* include/linux/errno.h: codes that never reach user space, but do reach a tracer. */
enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516 };

#define USER_CS_64 0x33

uint64_t pk_regs_ip(const struct pk_regs *r)
{
	return r->r.rip;
}

uint64_t pk_regs_sp(const struct pk_regs *r)
{
	return r->r.rsp;
}

void pk_regs_set_ip(struct pk_regs *r, uint64_t ip)
{
	r->r.rip = ip;
}

void pk_regs_set_sp(struct pk_regs *r, uint64_t sp)
{
	r->r.rsp = sp;
}

int64_t pk_regs_result(const struct pk_regs *r)
{
	return (int64_t)r->r.rax;
}

bool pk_regs_native(const struct pk_regs *r)
{
	return r->r.cs == USER_CS_64;
}

static unsigned long long *arg_reg(struct user_regs_struct *r, unsigned i)
{
	unsigned long long *reg[6] = {&r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8, &r->r9};

	return reg[i];
}

void pk_regs_syscall(struct pk_regs *r, uint64_t insn, uint64_t nr, const uint64_t a[6])
{
	r->r.rip = insn;
	r->r.rax = nr;
	r->r.orig_rax = (uint64_t)-1; /* or the kernel would "restart" the job's own call over it */
	for (unsigned i = 0; i < 6; i++)
		*arg_reg(&r->r, i) = a[i];
}

void pk_regs_call(struct pk_regs *r, uint64_t entry, uint64_t sp, uint64_t prog)
{
	r->r.rip = entry;
	r->r.rsp = sp & ~UINT64_C(15); /* the entry code calls: the callee finds 16n + 8 */
	r->r.rdi = prog;
	r->r.orig_rax = (uint64_t)-1;
	r->r.eflags &= ~UINT64_C(0x400); /* direction flag clear: the ABI of C code */
}

enum pk_restart pk_regs_restart(const struct pk_regs *r)
{
	if ((int64_t)r->r.orig_rax < 0)
		return PK_RESTART_NONE;
	switch ((int64_t)r->r.rax) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		return PK_RESTART_AGAIN;
	case -ERESTART_RESTARTBLOCK:
		return PK_RESTART_BLOCK;
	case -EINTR:
		return PK_RESTART_EINTR;
	default:
		return PK_RESTART_NONE;
	}
}

int64_t pk_regs_nr(const struct pk_regs *r)
{
	return (int64_t)r->r.orig_rax;
}

uint64_t pk_regs_arg(const struct pk_regs *r, unsigned i)
{
	struct user_regs_struct copy = r->r;

	return *arg_reg(&copy, i);
}

void pk_regs_set_arg(struct pk_regs *r, unsigned i, uint64_t v)
{
	*arg_reg(&r->r, i) = v;
}

void pk_regs_rewind(struct pk_regs *r, uint64_t nr)
{
	r->r.rip -= PK_SYSCALL_INSN_LEN;
	r->r.rax = nr;
	r->r.orig_rax = (uint64_t)-1;
}

void pk_regs_finish(struct pk_regs *r, int64_t result)
{
	r->r.rax = (uint64_t)result;
	r->r.orig_rax = (uint64_t)-1;
}

bool pk_nr_is_restart(int64_t nr)
{
	return nr == SYS_restart_syscall;
}

int64_t pk_code_nr(const uint8_t *code, size_t n)
{
	enum { MOV_IMM32_EAX = 0xb8, LEN = 5 };

	/* The nearest `mov $nr, %eax` before the instruction; numbers are below 1024. */
	for (size_t i = n; i >= LEN + PK_SYSCALL_INSN_LEN; i--) {
		const uint8_t *at = code + i - LEN - PK_SYSCALL_INSN_LEN;

		if (at[0] == MOV_IMM32_EAX && at[2] < 4 && !at[3] && !at[4])
			return at[1] | at[2] << 8;
	}
	return -1;
}

static int64_t offset_of(const uint8_t *code, size_t n, const char *pattern, size_t len)
{
	const uint8_t *p = memmem(code, n, pattern, len);

	return p ? p - code : -1;
}

void pk_gadgets_find(const uint8_t *code, size_t n, struct pk_gadgets *ret)
{
	/* mov $15, %rax; syscall -- or with %eax, as musl and Go write it */
	static const char sigreturn64[] = "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05";
	static const char sigreturn32[] = "\xb8\x0f\x00\x00\x00\x0f\x05";

	ret->syscall = offset_of(code, n, PK_SYSCALL_INSN, PK_SYSCALL_INSN_LEN);
	ret->syscall_ret = offset_of(code, n, "\x0f\x05\xc3", 3);
	ret->sigreturn = offset_of(code, n, sigreturn64, sizeof(sigreturn64) - 1);
	if (ret->sigreturn < 0)
		ret->sigreturn = offset_of(code, n, sigreturn32, sizeof(sigreturn32) - 1);
}
