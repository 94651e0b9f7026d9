/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs for the stub. The input is one: how much of it is data, its ops, its data, and what the
 * kernel answers. The program lies in memory of just its size, so that AddressSanitizer sees each
 * step beside it; what it asks of the kernel is checked here.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stub/op.h"
#include "sys.h"

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

#define MAX_OPS    64
#define MAX_REPEAT 100
#define MAX_DATA   256
/* Each jump back is one of a REPEAT's, and between two of them all other ops run once at most. */
#define MAX_CALLS ((MAX_OPS * MAX_REPEAT + 1) * MAX_OPS)

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);

static struct pk_prog *prog;
static const uint8_t *answer;
static size_t n_answer, n_calls;
static unsigned n_signals;

/* The argument as the op says it, if that can be told after the interpreter has computed it. */
static void check_arg(const struct pk_op *op, unsigned i, uint64_t v)
{
	uint32_t word;

	if (op->addr >> i & 1) {
		CHECK(op->a[i] <= prog->data_len && v == (uint64_t)pk_prog_data(prog) + op->a[i]);
	} else if (op->load >> i & 1) {
		CHECK(op->a[i] < prog->data_len && prog->data_len - op->a[i] >= sizeof(word));
		memcpy(&word, pk_prog_data(prog) + op->a[i], sizeof(word));
		CHECK(v == word);
	} else {
		CHECK(v == op->a[i]);
	}
}

/* A kernel that writes a byte to where it is pointed, as long as that is in the data. */
static int64_t kernel(const struct pk_op *op)
{
	static const int64_t results[] = {0, 1, -1, -22, -4095, -4096, INT64_MIN, INT64_MAX};
	uint8_t byte;

	if (!n_answer)
		return 0;
	byte = *answer++;
	n_answer--;
	for (unsigned i = 0; i < 6; i++)
		if (op->addr >> i & 1 && op->a[i] < prog->data_len)
			pk_prog_data(prog)[op->a[i]] = byte;
	return byte < 8 ? results[byte] : byte;
}

int64_t pk_stub_syscall(
	uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t a[6] = {a0, a1, a2, a3, a4, a5};
	const struct pk_op *op;

	CHECK(++n_calls <= MAX_CALLS);
	CHECK(prog->status == PK_PROG_RUNNING && prog->pc < prog->n_ops);
	op = &pk_prog_ops(prog)[prog->pc];
	CHECK(op->code == PK_OP_SYS && nr == op->nr);
	for (unsigned i = 0; i < 6; i++)
		check_arg(op, i, a[i]);
	return kernel(op);
}

void pk_stub_signal(uint32_t sig)
{
	CHECK(sig && sig == prog->end_signal && prog->status >= PK_PROG_DONE);
	n_signals++;
}

void pk_stub_tiles(void)
{
	CHECK(pk_prog_ops(prog)[prog->pc].code == PK_OP_TILES);
}

static bool passes(const struct pk_op *op)
{
	bool error = op->ret < 0 && op->ret >= -4095;

	switch (op->check) {
	case PK_CHECK_NONE:
		return true;
	case PK_CHECK_EQUAL:
		return op->ret == op->want;
	case PK_CHECK_IGNORE:
		return !error || op->want == -op->ret;
	default:
		return !error;
	}
}

static void check_end(const struct pk_prog *was)
{
	const struct pk_op *op = &pk_prog_ops(prog)[prog->pc];

	CHECK(prog->n_ops == was->n_ops && prog->data_len == was->data_len);
	CHECK(prog->end_signal == was->end_signal && prog->frame == was->frame);
	CHECK(n_signals == (prog->end_signal != 0));
	switch (prog->status) {
	case PK_PROG_DONE:
		CHECK(prog->pc >= prog->n_ops || op->code == PK_OP_END);
		CHECK(prog->pc <= prog->n_ops || prog->pc == was->pc);
		break;
	case PK_PROG_FAILED:
		CHECK(prog->pc < prog->n_ops);
		CHECK(op->code == PK_OP_SYS ? !passes(op) : op->code == PK_OP_REPEAT);
		break;
	default:
		CHECK(prog->status == PK_PROG_MALFORMED && prog->pc < prog->n_ops);
		CHECK(op->code != PK_OP_END && op->code != PK_OP_TILES);
	}
}

/* Nothing but results and data may change. */
static void check_ops(const struct pk_op *was)
{
	for (uint32_t i = 0; i < prog->n_ops; i++) {
		struct pk_op now = pk_prog_ops(prog)[i];

		now.ret = was[i].ret;
		CHECK(!memcmp(&now, &was[i], sizeof(now)));
	}
}

/* Small numbers are the ones that mean something; large ones stay what they are. */
static void shape(struct pk_op *op)
{
	if (op->code == PK_OP_REPEAT && (uint64_t)op->ret < op->a[1] &&
		op->a[1] - (uint64_t)op->ret > MAX_REPEAT)
		op->a[1] = (uint64_t)op->ret + MAX_REPEAT;
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
	struct pk_prog head = {0};
	struct pk_op op[MAX_OPS];
	size_t n_ops, ops_len;

	if (size < 4)
		return 0;
	head.pc = in[0] < 200 ? 0 : in[0] - 200u;
	head.end_signal = in[1] & 63;
	n_ops = in[2] % (MAX_OPS + 1);
	head.data_len = in[3];
	in += 4;
	size -= 4;
	if (n_ops > size / sizeof(*op))
		n_ops = size / sizeof(*op);
	head.n_ops = (uint32_t)n_ops;
	ops_len = n_ops * sizeof(*op);
	memcpy(op, in, ops_len);
	for (size_t i = 0; i < n_ops; i++)
		shape(&op[i]);
	in += ops_len;
	size -= ops_len;
	if (head.data_len > size)
		head.data_len = (uint32_t)size;
	prog = malloc(sizeof(head) + ops_len + head.data_len);
	CHECK(prog);
	*prog = head;
	memcpy(pk_prog_ops(prog), op, ops_len);
	memcpy(pk_prog_data(prog), in, head.data_len);
	answer = in + head.data_len;
	n_answer = size - head.data_len;
	n_calls = n_signals = 0;
	pk_stub_run(prog);
	check_end(&head);
	check_ops(op);
	free(prog);
	return 0;
}
