/* SPDX-License-Identifier: Apache-2.0 */
/* The op interpreter: see op.h. Freestanding; everything it touches is the program it is given. */
#include "op.h"
#include "sys.h"

#define MAX_ERRNO 4095

static int accepted(const struct pk_op *op)
{
	int error = op->ret < 0 && op->ret >= -MAX_ERRNO;

	switch (op->check) {
	case PK_CHECK_NONE:
		return 1;
	case PK_CHECK_EQUAL:
		return op->ret == op->want;
	case PK_CHECK_IGNORE:
		return !error || op->want == -op->ret;
	default:
		return !error;
	}
}

static uint32_t word_at(const uint8_t *data, uint64_t at)
{
	return *(const volatile uint32_t *)(data + at);
}

static int word_inside(const struct pk_prog *p, uint64_t at)
{
	return at % 4 == 0 && p->data_len >= 4 && at <= p->data_len - 4;
}

static int run_sys(struct pk_prog *p, struct pk_op *op)
{
	uint8_t *data = pk_prog_data(p);
	uint64_t a[6];

	for (int i = 0; i < 6; i++) {
		a[i] = op->a[i];
		if (op->addr >> i & 1) {
			if (a[i] > p->data_len)
				return PK_PROG_MALFORMED;
			a[i] += (uint64_t)data;
		} else if (op->load >> i & 1) {
			if (!word_inside(p, a[i]))
				return PK_PROG_MALFORMED;
			a[i] = word_at(data, a[i]);
		}
	}
	op->ret = pk_stub_syscall(op->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return accepted(op) ? PK_PROG_RUNNING : PK_PROG_FAILED;
}

/* Run the op at p->pc and move on. */
static int step(struct pk_prog *p)
{
	struct pk_op *op = &pk_prog_ops(p)[p->pc];
	int status = PK_PROG_RUNNING;

	switch (op->code) {
	case PK_OP_END:
		return PK_PROG_DONE;
	case PK_OP_SYS:
		status = run_sys(p, op);
		break;
	case PK_OP_JEQ:
		if (!word_inside(p, op->a[0]) || op->a[2] <= p->pc || op->a[2] > p->n_ops)
			return PK_PROG_MALFORMED;
		if (word_at(pk_prog_data(p), op->a[0]) == op->a[1]) {
			p->pc = (uint32_t)op->a[2];
			return PK_PROG_RUNNING;
		}
		break;
	case PK_OP_REPEAT:
		if (op->a[0] > p->pc)
			return PK_PROG_MALFORMED;
		if ((uint64_t)op->ret >= op->a[1])
			return PK_PROG_FAILED;
		op->ret = (int64_t)((uint64_t)op->ret + 1);
		p->pc = (uint32_t)op->a[0];
		return PK_PROG_RUNNING;
	case PK_OP_TILES:
		pk_stub_tiles();
		break;
	default:
		return PK_PROG_MALFORMED;
	}
	if (status == PK_PROG_RUNNING)
		p->pc++;
	return status;
}

void pk_stub_run(struct pk_prog *p)
{
	int status = PK_PROG_RUNNING;

	p->status = PK_PROG_RUNNING;
	while (status == PK_PROG_RUNNING)
		status = p->pc < p->n_ops ? step(p) : PK_PROG_DONE;
	p->status = (uint32_t)status;
	if (p->end_signal)
		pk_stub_signal(p->end_signal);
}
