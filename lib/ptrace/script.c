/* SPDX-License-Identifier: Apache-2.0 */
#include "ptrace/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void pk_script_free(struct pk_script *s)
{
	free(s->op);
	pk_buf_free(&s->data);
	memset(s, 0, sizeof(*s));
}

void pk_script_clear(struct pk_script *s)
{
	s->n = 0;
	s->data.len = 0;
	s->failed = s->data.failed = false;
}

size_t pk_script_op(struct pk_script *s, const struct pk_op *op)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		void *p = reallocarray(s->op, cap, sizeof(*s->op));

		if (!p) {
			s->failed = true;
			return 0;
		}
		s->op = p;
		s->cap = cap;
	}
	s->op[s->n] = *op;
	return s->n++;
}

size_t pk_script_call(struct pk_script *s, const struct pk_call *c)
{
	struct pk_op op = {
		.code = PK_OP_SYS, .check = (uint8_t)c->check, .nr = c->nr, .want = c->want};

	for (unsigned i = 0; i < 6; i++) {
		op.a[i] = c->a[i].v;
		if (c->a[i].how == PK_ARG_ADDR)
			op.addr |= (uint8_t)(1u << i);
		if (c->a[i].how == PK_ARG_WORD)
			op.load |= (uint8_t)(1u << i);
	}
	return pk_script_op(s, &op);
}

size_t pk_script_data(struct pk_script *s, const void *p, size_t n)
{
	pk_buf_align(&s->data, 8);
	return pk_buf_put(&s->data, p, n);
}

size_t pk_script_str(struct pk_script *s, const char *str)
{
	return pk_script_data(s, str, strlen(str) + 1);
}

int64_t pk_script_ret(const struct pk_script *s, size_t i)
{
	return i < s->n ? s->op[i].ret : -ENOSYS;
}

const void *pk_script_at(const struct pk_script *s, size_t data)
{
	return s->data.p + data;
}

size_t pk_script_size(const struct pk_script *s)
{
	return sizeof(struct pk_prog) + s->n * sizeof(struct pk_op) + ((s->data.len + 7) & ~7ul);
}

static int print_args(const struct pk_op *op, char *out, size_t n)
{
	int at = 0;

	for (unsigned i = 0; i < 6; i++) {
		const char *how = op->addr >> i & 1 ? "&data+" : op->load >> i & 1 ? "*data+" : "";
		const char *fmt = op->a[i] > 9999 ? "%s%s0x%" PRIx64 : "%s%s%" PRId64;

		if (at < (int)n)
			at += snprintf(out + at, n - (size_t)at, fmt, i ? ", " : "", how, op->a[i]);
	}
	return at;
}

static void print_call(const struct pk_op *op, pk_syscall_namer namer, char *out, size_t n)
{
	PK_FREE char *name = namer ? namer(op->nr) : NULL;
	char args[200];

	print_args(op, args, sizeof(args));
	if (name)
		snprintf(out, n, "%s(%s) = %" PRId64, name, args, op->ret);
	else
		snprintf(out, n, "syscall_%u(%s) = %" PRId64, op->nr, args, op->ret);
}

void pk_op_print(const struct pk_op *op, size_t index, pk_syscall_namer name, char *out, size_t n)
{
	int at = snprintf(out, n, "%4zu ", index);

	if (at < 0 || (size_t)at >= n)
		return;
	out += at;
	n -= (size_t)at;
	switch (op->code) {
	case PK_OP_END:
		snprintf(out, n, "end");
		break;
	case PK_OP_SYS:
		print_call(op, name, out, n);
		break;
	case PK_OP_JEQ:
		snprintf(out, n, "if *data+%" PRIu64 " == %" PRIu64 " go to %" PRIu64, op->a[0],
			op->a[1], op->a[2]);
		break;
	case PK_OP_REPEAT:
		snprintf(out, n, "go to %" PRIu64 " at most %" PRIu64 " times: %" PRId64, op->a[0],
			op->a[1], op->ret);
		break;
	case PK_OP_TILES:
		snprintf(out, n, "touch tiles");
		break;
	default:
		snprintf(out, n, "?");
	}
}
