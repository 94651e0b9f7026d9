/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where the rest of pckpt meets the CPU: registers, how a system call is made and
 * restarted, and the signal frame from which rt_sigreturn(2) restores a thread. Implemented in
 * arch/<cpu>/.
 */
#ifndef PK_PTRACE_ARCH_H
#define PK_PTRACE_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

struct pk_regs {
	struct user_regs_struct r; /* NT_PRSTATUS */
};

/* The instruction that enters the kernel, and the usual code of a signal trampoline. */
#define PK_SYSCALL_INSN     "\x0f\x05"
#define PK_SYSCALL_INSN_LEN 2

uint64_t pk_regs_ip(const struct pk_regs *r);
uint64_t pk_regs_sp(const struct pk_regs *r);
void pk_regs_set_ip(struct pk_regs *r, uint64_t ip);
void pk_regs_set_sp(struct pk_regs *r, uint64_t sp);
int64_t pk_regs_result(const struct pk_regs *r);

/* False for a thread that runs 32-bit code. */
bool pk_regs_native(const struct pk_regs *r);

/* Make the thread execute the syscall instruction at `insn` with these arguments. */
void pk_regs_syscall(struct pk_regs *r, uint64_t insn, uint64_t nr, const uint64_t a[6]);

/* Make it enter the stub: program in the first argument, stack ends at `sp`. */
void pk_regs_call(struct pk_regs *r, uint64_t entry, uint64_t sp, uint64_t prog);

/*
 * How a thread that stopped in a system call will go on, signal(7) "Interruption of system calls".
 * The kernel leaves its own codes (-512 ...) in the result register of a thread that is stopped
 * before it returns to user mode.
 */
enum pk_restart {
	PK_RESTART_NONE,  /* not in a call, or the call is done */
	PK_RESTART_AGAIN, /* ERESTARTSYS, -NOINTR, -NOHAND: the kernel makes the call again by
			     itself */
	PK_RESTART_BLOCK, /* ERESTART_RESTARTBLOCK: goes on by restart_syscall(2) with saved state
			   */
	PK_RESTART_EINTR, /* it returned EINTR: only our stop may have caused it */
};
enum pk_restart pk_regs_restart(const struct pk_regs *r);

/* The number and the arguments of the call that the thread stopped in; -1 if in none. */
int64_t pk_regs_nr(const struct pk_regs *r);
uint64_t pk_regs_arg(const struct pk_regs *r, unsigned i);
void pk_regs_set_arg(struct pk_regs *r, unsigned i, uint64_t v);

/* Go back to before the call was made, so that it is made again in full, as call `nr`. */
void pk_regs_rewind(struct pk_regs *r, uint64_t nr);

/* The call returned `result`, and nothing is to be restarted. */
void pk_regs_finish(struct pk_regs *r, int64_t result);

/* What restart_syscall(2) shows as its number; the real call's is lost then. */
bool pk_nr_is_restart(int64_t nr);

/*
 * The call number that the code before a syscall instruction loads, from the n bytes of code that
 * end with that instruction; -1 if the code does not show it.
 */
int64_t pk_code_nr(const uint8_t *code, size_t n);

/*
 * A signal frame in `buf` as rt_sigreturn expects it at address `at` (aligned to 64): registers,
 * vector state and signal mask of a stopped thread. `xstate` is what PTRACE_GETREGSET gave for
 * NT_X86_XSTATE. A call in progress is made again as `again_nr`, or returns EINTR if that is -1;
 * the alternate signal stack stays as it is. Returns the size, 0 if it does not fit. `*ret_sp` is
 * the stack pointer for rt_sigreturn.
 */
#define PK_FRAME_MAX 16384
size_t pk_sigframe_build(void *buf, size_t max, uint64_t at, const struct pk_regs *regs,
	int64_t again_nr, const void *xstate, size_t xstate_len, uint64_t sigmask,
	uint64_t *ret_sp);

/* Where in the stub its return path begins: it loads the stack pointer and calls rt_sigreturn. */
uint64_t pk_stub_return_offset(void);

/*
 * Gadgets in a piece of executable code: a syscall instruction; one followed by a return; a signal
 * trampoline (rt_sigreturn). Offsets, or -1.
 */
struct pk_gadgets {
	int64_t syscall, syscall_ret, sigreturn;
};
void pk_gadgets_find(const uint8_t *code, size_t n, struct pk_gadgets *ret);

#endif
