/* SPDX-License-Identifier: Apache-2.0 */
/* The finished blob as bytes of pckpt: pk_stub_blob .. pk_stub_blob_end. Never executed in place. */
	.section .rodata
	.globl pk_stub_blob
	.globl pk_stub_blob_end
	.balign 64
pk_stub_blob:
	.incbin PK_STUB_BIN
pk_stub_blob_end:
	.section .note.GNU-stack, "", @progbits
