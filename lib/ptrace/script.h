/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing programs for the stub: a list of ops and a piece of data, built here, run in another
 * process by remote.h, and read back with their results.
 */
#ifndef PK_PTRACE_SCRIPT_H
#define PK_PTRACE_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "stub/op.h"

struct pk_script {
	struct pk_op *op;
	size_t n, cap;
	struct pk_buf data;
	bool failed; /* an allocation failed; pk_remote_run reports it */
};

void pk_script_free(struct pk_script *s);
void pk_script_clear(struct pk_script *s); /* empty, memory kept */

/* One argument of a call: a number, the address of data, or the 32-bit word in data. */
struct pk_arg {
	uint64_t v;
	enum { PK_ARG_NUM, PK_ARG_ADDR, PK_ARG_WORD } how;
};
static inline struct pk_arg pk_num(uint64_t v)
{
	return (struct pk_arg){v, PK_ARG_NUM};
}
static inline struct pk_arg pk_addr(size_t data)
{
	return (struct pk_arg){data, PK_ARG_ADDR};
}
static inline struct pk_arg pk_word(size_t data)
{
	return (struct pk_arg){data, PK_ARG_WORD};
}

struct pk_call {
	uint32_t nr;
	struct pk_arg a[6];
	enum pk_op_check check; /* PK_CHECK_NONE if left out */
	int64_t want;
};

/* Append a system call; returns its index, for pk_script_ret. */
size_t pk_script_call(struct pk_script *s, const struct pk_call *c);

/* Append any other op. */
size_t pk_script_op(struct pk_script *s, const struct pk_op *op);

/* Append n bytes of data (zeros if p is NULL), aligned to 8; returns their offset. */
size_t pk_script_data(struct pk_script *s, const void *p, size_t n);
size_t pk_script_str(struct pk_script *s, const char *str);

/* After the run: what op i returned, and the data at an offset. */
int64_t pk_script_ret(const struct pk_script *s, size_t i);
const void *pk_script_at(const struct pk_script *s, size_t data);

/* Bytes that the program needs in the process. */
size_t pk_script_size(const struct pk_script *s);

/* Human-readable: "mmap(0x7f.., 4096, ...) = 0". Names calls by libseccomp's tables if `name` is
 * set. */
typedef char *(*pk_syscall_namer)(uint32_t nr); /* allocated string or NULL */
void pk_op_print(const struct pk_op *op, size_t index, pk_syscall_namer name, char *out, size_t n);

#endif
