/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry: rdi points to the program, rsp to the end of a stack. Runs the program, then gives the
 * thread back to itself: rt_sigreturn(2) on the frame that the tracer prepared. A tracer that is
 * alive stops the thread before that; when it has died, this is how the job goes on.
 */
#define PROG_FRAME 24
#define NR_RT_SIGRETURN 15

	.section .text.entry, "ax", @progbits
	.globl pk_stub_entry
pk_stub_entry:
	mov	%rdi, %rbx
	call	pk_stub_run
	mov	PROG_FRAME(%rbx), %rsp
	mov	$NR_RT_SIGRETURN, %eax
	syscall
	ud2
	.section .note.GNU-stack, "", @progbits
