/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub's instructions. A program is a struct pk_prog, then n_ops struct pk_op, then data_len
 * bytes of data, all in the memory of the process that runs it. docs/STUB.md tells the whole story.
 *
 * The stub is the only code that pckpt ever puts into another process. It knows no kernel object:
 * it makes system calls, checks what they return, and stops: REPEAT is the only way back, and
 * counts. Programs are written by lib/ptrace/script.
 */
#ifndef PK_STUB_OP_H
#define PK_STUB_OP_H

#include <stdint.h>

enum pk_op_code {
	PK_OP_END,    /* stop here, successfully; the end of the program does the same */
	PK_OP_SYS,    /* ret = nr(a[0] .. a[5]); then check */
	PK_OP_JEQ,    /* go on at op a[2], a later one, if the 32-bit word at data a[0] is a[1] */
	PK_OP_REPEAT, /* go back to op a[0], at most a[1] times in all; then fail. Counts in ret */
	PK_OP_TILES,  /* make the kernel give this thread room for AMX tiles (x86-64) */
};

enum pk_op_check {
	PK_CHECK_NONE,   /* any result is fine */
	PK_CHECK_OK,     /* not an error: outside -4095 .. -1 */
	PK_CHECK_EQUAL,  /* ret == want */
	PK_CHECK_IGNORE, /* OK, or the error -want */
};

struct pk_op {
	uint8_t code;  /* enum pk_op_code */
	uint8_t check; /* enum pk_op_check */
	uint8_t addr;  /* bit i: a[i] is an offset into the data, pass its address */
	uint8_t load;  /* bit i: a[i] is an offset into the data, pass the 32-bit word there;
			  not where addr says otherwise */
	uint32_t nr;
	uint64_t a[6];
	int64_t want;
	int64_t ret;
};

enum pk_prog_status {
	PK_PROG_NEW,
	PK_PROG_RUNNING,
	PK_PROG_DONE,
	PK_PROG_FAILED,    /* op `pc` returned what its check refuses */
	PK_PROG_MALFORMED, /* op `pc` is no op, or points outside the program */
};

struct pk_prog {
	uint32_t n_ops;
	uint32_t data_len;
	uint32_t status; /* enum pk_prog_status */
	uint32_t pc;     /* op being run */
	/*
	 * A signal that the thread sends itself when done, so that its tracer sees it stop, or 0.
	 * With no tracer the signal must be one that does nothing.
	 */
	uint32_t end_signal;
	uint32_t reserved;
	uint64_t frame; /* then return from this signal frame: the thread is its old self again */
};

static inline struct pk_op *pk_prog_ops(struct pk_prog *p)
{
	return (struct pk_op *)(p + 1);
}

static inline uint8_t *pk_prog_data(struct pk_prog *p)
{
	return (uint8_t *)(pk_prog_ops(p) + p->n_ops);
}

#endif
