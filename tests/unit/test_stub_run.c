/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The op interpreter, against op.h. Programs lie in memory of just their size, so that a build with
 * AddressSanitizer sees a step beside them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/op.h"
#include "sys.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* The kernel: notes each call, and answers with result[i], or 0. */
static struct {
	struct {
		uint64_t nr, a[6];
	} call[64];
	size_t n;
	int64_t result[64];
	void (*act)(size_t i, const uint64_t *a);
	uint32_t signal;
	unsigned signals, tiles;
	uint32_t status_at_signal;
	struct pk_prog *prog;
} fake;

int64_t pk_stub_syscall(
	uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	const uint64_t a[6] = {a0, a1, a2, a3, a4, a5};
	size_t i = fake.n++;

	cr_assert_lt(i, COUNT(fake.call));
	cr_expect_eq(fake.prog->status, PK_PROG_RUNNING);
	fake.call[i].nr = nr;
	memcpy(fake.call[i].a, a, sizeof(a));
	if (fake.act)
		fake.act(i, a);
	return fake.result[i];
}

void pk_stub_signal(uint32_t sig)
{
	fake.signal = sig;
	fake.signals++;
	fake.status_at_signal = fake.prog->status;
}

void pk_stub_tiles(void)
{
	fake.tiles++;
}

static struct pk_prog *make(const struct pk_op *op, size_t n, const void *data, size_t len)
{
	struct pk_prog *p = malloc(sizeof(*p) + n * sizeof(*op) + len);

	cr_assert(p);
	*p = (struct pk_prog){.n_ops = (uint32_t)n, .data_len = (uint32_t)len};
	if (n)
		memcpy(pk_prog_ops(p), op, n * sizeof(*op));
	if (len)
		memcpy(pk_prog_data(p), data, len);
	fake.prog = p;
	return p;
}

static struct pk_prog *run(const struct pk_op *op, size_t n, const void *data, size_t len)
{
	struct pk_prog *p = make(op, n, data, len);

	pk_stub_run(p);
	return p;
}

#define RUN(ops)             run(ops, COUNT(ops), NULL, 0)
#define RUN_WITH(ops, words) run(ops, COUNT(ops), words, sizeof(words))

static void expect_end(const struct pk_prog *p, uint32_t status, uint32_t pc)
{
	cr_expect_eq(p->status, status, "status %u, not %u", p->status, status);
	cr_expect_eq(p->pc, pc, "stopped at op %u, not %u", p->pc, pc);
}

#define SYS(...)                                                                                   \
	{                                                                                          \
		.code = PK_OP_SYS, __VA_ARGS__                                                     \
	}
#define JEQ(...)                                                                                   \
	{                                                                                          \
		.code = PK_OP_JEQ, .a = { __VA_ARGS__ }                                            \
	}
#define REPEAT(...)                                                                                \
	{                                                                                          \
		.code = PK_OP_REPEAT, .a = { __VA_ARGS__ }                                         \
	}

Test(stub_run, nothing_to_do)
{
	struct pk_prog *p = run(NULL, 0, NULL, 0);

	expect_end(p, PK_PROG_DONE, 0);
	cr_expect_eq(fake.n + fake.signals, 0);
	free(p);
}

Test(stub_run, the_end_of_the_program_and_the_op)
{
	const struct pk_op runs_out[] = {SYS(.nr = 1), SYS(.nr = 2)};
	const struct pk_op ends[] = {SYS(.nr = 1), {.code = PK_OP_END}, SYS(.nr = 2)};
	struct pk_prog *p = RUN(runs_out);

	expect_end(p, PK_PROG_DONE, 2);
	cr_expect_eq(fake.n, 2);
	free(p);
	p = RUN(ends);
	expect_end(p, PK_PROG_DONE, 1);
	cr_expect(fake.n == 3 && fake.call[2].nr == 1);
	free(p);
}

Test(stub_run, a_call_gets_its_number_and_arguments)
{
	const struct pk_op ops[] = {
		SYS(.nr = UINT32_MAX, .a = {1, UINT64_MAX, 3, UINT64_C(1) << 63, 5, 6}),
	};
	struct pk_prog *p;

	fake.result[0] = -7;
	p = RUN(ops);
	expect_end(p, PK_PROG_DONE, 1);
	cr_expect_eq(fake.call[0].nr, UINT32_MAX);
	cr_expect_eq(memcmp(fake.call[0].a, ops[0].a, sizeof(ops[0].a)), 0);
	cr_expect_eq(pk_prog_ops(p)[0].ret, -7);
	free(p);
}

Test(stub_run, only_results_change)
{
	const struct pk_op ops[] = {
		SYS(.nr = 1, .addr = 1, .load = 2, .a = {0, 4}), SYS(.nr = 2, .want = 9)};
	const uint32_t data[] = {7, 8};
	struct pk_prog *p;

	fake.result[0] = 5;
	p = RUN_WITH(ops, data);
	cr_expect_eq(pk_prog_ops(p)[0].ret, 5);
	pk_prog_ops(p)[0].ret = 0;
	cr_expect_eq(memcmp(pk_prog_ops(p), ops, sizeof(ops)), 0);
	cr_expect_eq(memcmp(pk_prog_data(p), data, sizeof(data)), 0);
	cr_expect(p->n_ops == 2 && p->data_len == sizeof(data));
	free(p);
}

/* One call with this check and want: whether the program goes on after this result. */
static void expect_check(enum pk_op_check check, int64_t want, int64_t result, bool goes_on)
{
	const struct pk_op ops[] = {SYS(.check = PK_CHECK_OK),
		SYS(.check = (uint8_t)check, .want = want), SYS(.check = PK_CHECK_OK)};
	struct pk_prog *p;

	fake.n = 0;
	fake.result[1] = result;
	p = RUN(ops);
	expect_end(p, goes_on ? PK_PROG_DONE : PK_PROG_FAILED, goes_on ? 3 : 1);
	cr_expect_eq(fake.n, goes_on ? 3 : 2, "check %d, want %ld, result %ld", check, (long)want,
		(long)result);
	cr_expect_eq(pk_prog_ops(p)[1].ret, result);
	free(p);
}

Test(stub_run, no_check)
{
	static const int64_t any[] = {0, 1, -1, -4095, -4096, INT64_MIN, INT64_MAX};

	for (size_t i = 0; i < COUNT(any); i++)
		expect_check(PK_CHECK_NONE, 3, any[i], true);
}

Test(stub_run, check_for_an_error)
{
	expect_check(PK_CHECK_OK, 0, 0, true);
	expect_check(PK_CHECK_OK, 0, INT64_MAX, true);
	expect_check(PK_CHECK_OK, 0, -1, false);
	expect_check(PK_CHECK_OK, 0, -4095, false);
	expect_check(PK_CHECK_OK, 0, -4096, true); /* an address */
	expect_check(PK_CHECK_OK, 0, INT64_MIN, true);
	expect_check(PK_CHECK_OK, -22, -22, false); /* want is for others */
}

Test(stub_run, check_for_a_value)
{
	expect_check(PK_CHECK_EQUAL, 7, 7, true);
	expect_check(PK_CHECK_EQUAL, 7, 8, false);
	expect_check(PK_CHECK_EQUAL, 0, -1, false);
	expect_check(PK_CHECK_EQUAL, -22, -22, true);
	expect_check(PK_CHECK_EQUAL, INT64_MIN, INT64_MIN, true);
	expect_check(PK_CHECK_EQUAL, 1, INT64_C(1) << 32 | 1, false); /* all 64 bits */
}

Test(stub_run, check_that_ignores_an_error)
{
	expect_check(PK_CHECK_IGNORE, 22, -22, true);
	expect_check(PK_CHECK_IGNORE, 22, -21, false);
	expect_check(PK_CHECK_IGNORE, 22, -4095, false);
	expect_check(PK_CHECK_IGNORE, 22, 22, true); /* no error */
	expect_check(PK_CHECK_IGNORE, 22, 0, true);
	expect_check(PK_CHECK_IGNORE, 0, -1, false);
	expect_check(PK_CHECK_IGNORE, INT64_MIN, -1, false);
	expect_check(PK_CHECK_IGNORE, INT64_MIN, 0, true);
}

Test(stub_run, stops_at_the_first_failure)
{
	const struct pk_op ops[] = {SYS(.nr = 1, .check = PK_CHECK_NONE),
		SYS(.nr = 2, .check = PK_CHECK_OK), SYS(.nr = 3, .check = PK_CHECK_OK)};
	struct pk_prog *p;

	fake.result[0] = -1;
	fake.result[1] = -2;
	p = RUN(ops);
	expect_end(p, PK_PROG_FAILED, 1);
	cr_expect_eq(fake.n, 2);
	cr_expect_eq(pk_prog_ops(p)[1].ret, -2);
	cr_expect_eq(pk_prog_ops(p)[2].ret, 0);
	free(p);
}

Test(stub_run, addresses_and_words_of_data)
{
	/* Bits beyond the six arguments mean nothing. */
	const struct pk_op ops[] = {
		SYS(.addr = 1 << 0 | 1 << 5 | 1 << 6, .load = 1, .a = {0, 1, 2, 3, 4, 12}),
		SYS(.load = 1 << 1 | 1 << 4 | 1 << 7, .a = {0, 4, 4, 3, 8, 5}),
	};
	const uint32_t data[] = {10, UINT32_MAX, 30};
	struct pk_prog *p = RUN_WITH(ops, data);
	uint64_t at = (uint64_t)pk_prog_data(p);
	const uint64_t want[2][6] = {
		{at, 1, 2, 3, 4, at + 12}, /* the end of the data, too */
		{0, UINT32_MAX, 4, 3, 30, 5},
	};

	expect_end(p, PK_PROG_DONE, 2);
	cr_expect_eq(memcmp(fake.call[0].a, want[0], sizeof(want[0])), 0);
	cr_expect_eq(memcmp(fake.call[1].a, want[1], sizeof(want[1])), 0);
	free(p);
}

static void write_to_first(size_t i, const uint64_t *a)
{
	const uint32_t fd[2] = {31, 32};

	if (i == 0)
		memcpy((void *)a[0], fd, sizeof(fd));
}

/* pipe2(2) writes two descriptors, which the next calls use. */
Test(stub_run, what_a_call_wrote_is_loaded_by_the_next)
{
	const struct pk_op ops[] = {SYS(.nr = 1, .addr = 1, .a = {8}),
		SYS(.nr = 2, .load = 1, .a = {8}), SYS(.nr = 3, .load = 1, .a = {12})};
	const uint32_t data[4] = {0};
	struct pk_prog *p;

	fake.act = write_to_first;
	p = RUN_WITH(ops, data);
	cr_expect_eq(fake.call[1].a[0], 31);
	cr_expect_eq(fake.call[2].a[0], 32);
	free(p);
}

/* This op after another one, with 8 bytes of data: it is refused before anything is done. */
static void expect_malformed(const struct pk_op *op)
{
	const struct pk_op ops[] = {SYS(.nr = 1), *op, SYS(.nr = 3)};
	const uint32_t data[2] = {1, 2};
	struct pk_prog *p;

	fake.n = 0;
	p = RUN_WITH(ops, data);
	expect_end(p, PK_PROG_MALFORMED, 1);
	cr_expect_eq(fake.n, 1);
	cr_expect_eq(memcmp(pk_prog_ops(p), ops, sizeof(ops)), 0);
	free(p);
}

Test(stub_run, arguments_outside_the_data)
{
	static const uint64_t outside[] = {9, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
	static const uint64_t no_word[] = {1, 5, 6, 8, UINT32_MAX - 3, UINT64_MAX - 3};

	for (unsigned arg = 0; arg < 6; arg++) {
		struct pk_op op = SYS(.nr = 2);

		op.addr = (uint8_t)(1 << arg);
		for (size_t i = 0; i < COUNT(outside); i++) {
			op.a[arg] = outside[i];
			expect_malformed(&op);
		}
		op.addr = 0;
		op.load = (uint8_t)(1 << arg);
		for (size_t i = 0; i < COUNT(no_word); i++) {
			op.a[arg] = no_word[i];
			expect_malformed(&op);
		}
	}
}

Test(stub_run, jumps_outside)
{
	static const struct pk_op ops[] = {
		JEQ(8, 1, 2), /* no such word */
		JEQ(2, 1, 2),
		JEQ(0, 1, 4),           /* one beyond the end */
		JEQ(0, 99, UINT64_MAX), /* also when it would not be taken */
		JEQ(0, 1, 1),
		JEQ(0, 1, 0), /* back: it might never end */
		REPEAT(2, 5), /* not back */
		REPEAT(UINT64_MAX, 5),
	};

	for (size_t i = 0; i < COUNT(ops); i++)
		expect_malformed(&ops[i]);
}

Test(stub_run, no_op)
{
	for (unsigned code = PK_OP_TILES + 1; code < 256; code++) {
		struct pk_op op = {.code = (uint8_t)code};

		expect_malformed(&op);
	}
}

Test(stub_run, data_too_short_for_a_word)
{
	const struct pk_op load[] = {SYS(.load = 1)};
	const struct pk_op jump[] = {JEQ(0, 0, 1)};
	const uint8_t data[3] = {0};

	for (size_t len = 0; len <= sizeof(data); len++) {
		struct pk_prog *p = run(load, 1, data, len);

		expect_end(p, PK_PROG_MALFORMED, 0);
		free(p);
		p = run(jump, 1, data, len);
		expect_end(p, PK_PROG_MALFORMED, 0);
		free(p);
	}
	cr_expect_eq(fake.n, 0);
}

Test(stub_run, jump_if_equal)
{
	const struct pk_op ops[] = {
		JEQ(4, 8, 2),                     /* not so: go on */
		SYS(.nr = 1),                     /* made */
		JEQ(4, UINT64_C(1) << 32 | 7, 5), /* a word has 32 bits: never */
		JEQ(4, 7, 5),                     /* so it is */
		SYS(.nr = 2),                     /* jumped over */
		JEQ(0, UINT32_MAX, 7),            /* to the end */
		SYS(.nr = 3),
	};
	const uint32_t data[] = {UINT32_MAX, 7};
	struct pk_prog *p = RUN_WITH(ops, data);

	expect_end(p, PK_PROG_DONE, 7);
	cr_expect(fake.n == 1 && fake.call[0].nr == 1);
	free(p);
}

static void count_up(size_t i, const uint64_t *a)
{
	*(uint32_t *)a[0] = (uint32_t)i;
}

/* As POSIX timers are made: again and again, until the kernel gives the wanted number. */
Test(stub_run, repeat_until)
{
	const struct pk_op ops[] = {SYS(.nr = 1, .addr = 1), JEQ(0, 3, 3), REPEAT(0, 100)};
	const uint32_t data[1] = {0};
	struct pk_prog *p;

	fake.act = count_up;
	p = RUN_WITH(ops, data);
	expect_end(p, PK_PROG_DONE, 3);
	cr_expect_eq(fake.n, 4);
	cr_expect_eq(pk_prog_ops(p)[2].ret, 3, "repeated 3 times");
	free(p);
}

Test(stub_run, repeat_gives_up)
{
	const struct pk_op ops[] = {SYS(.nr = 1), REPEAT(0, 3), SYS(.nr = 2)};
	const struct pk_op never[] = {REPEAT(0, 0)};
	const struct pk_op itself[] = {REPEAT(0, 1000)};
	struct pk_prog *p = RUN(ops);

	expect_end(p, PK_PROG_FAILED, 1);
	cr_expect_eq(fake.n, 4, "once, and 3 times more");
	cr_expect_eq(pk_prog_ops(p)[1].ret, 3);
	free(p);
	p = RUN(never);
	expect_end(p, PK_PROG_FAILED, 0);
	free(p);
	p = RUN(itself);
	expect_end(p, PK_PROG_FAILED, 0);
	cr_expect_eq(pk_prog_ops(p)[0].ret, 1000);
	free(p);
}

/* The count is of the whole run, so that no program runs forever. */
Test(stub_run, loops_in_loops)
{
	const struct pk_op ops[] = {SYS(.nr = 1), JEQ(0, 5, 4), REPEAT(0, 2), SYS(.nr = 2)};
	const struct pk_op nested[] = {SYS(.nr = 1), REPEAT(0, 2), REPEAT(0, 2)};
	const uint32_t data[1] = {0};
	struct pk_prog *p = RUN_WITH(ops, data);

	expect_end(p, PK_PROG_FAILED, 2);
	free(p);
	fake.n = 0;
	p = RUN(nested);
	expect_end(p, PK_PROG_FAILED, 1);
	cr_expect_eq(fake.n, 3);
	free(p);
}

Test(stub_run, counts_that_are_no_counts)
{
	const struct pk_op ops[] = {
		{.code = PK_OP_REPEAT, .a = {0, UINT64_MAX}, .ret = -3},
		{.code = PK_OP_REPEAT, .a = {1, (uint64_t)INT64_MAX + 2}, .ret = INT64_MAX},
	};
	struct pk_prog *p = run(&ops[0], 1, NULL, 0);

	expect_end(p, PK_PROG_FAILED, 0);
	cr_expect_eq(pk_prog_ops(p)[0].ret, -1);
	free(p);
	p = make(ops, 2, NULL, 0);
	p->pc = 1;
	pk_stub_run(p);
	expect_end(p, PK_PROG_FAILED, 1);
	free(p);
}

Test(stub_run, tiles)
{
	const struct pk_op ops[] = {{.code = PK_OP_TILES}, SYS(.nr = 1)};
	struct pk_prog *p = RUN(ops);

	expect_end(p, PK_PROG_DONE, 2);
	cr_expect(fake.tiles == 1 && fake.n == 1);
	free(p);
}

static void expect_signal(const struct pk_op *op, uint32_t status)
{
	struct pk_prog *p = make(op, 1, NULL, 0);

	fake.n = fake.signals = 0;
	p->end_signal = 23;
	pk_stub_run(p);
	cr_expect_eq(p->status, status);
	cr_expect_eq(fake.signals, 1);
	cr_expect_eq(fake.signal, 23);
	cr_expect_eq(fake.status_at_signal, status, "the tracer finds the result");
	free(p);
}

Test(stub_run, a_signal_however_it_ends)
{
	static const struct pk_op done = {.code = PK_OP_END}, fails = REPEAT(0, 0),
				  malformed = {.code = 200};

	expect_signal(&done, PK_PROG_DONE);
	expect_signal(&fails, PK_PROG_FAILED);
	expect_signal(&malformed, PK_PROG_MALFORMED);
}

Test(stub_run, begins_where_it_is_told)
{
	const struct pk_op ops[] = {SYS(.nr = 1), SYS(.nr = 2)};
	struct pk_prog *p = make(ops, 2, NULL, 0);

	p->pc = 1;
	pk_stub_run(p);
	expect_end(p, PK_PROG_DONE, 2);
	cr_expect(fake.n == 1 && fake.call[0].nr == 2);
	p->pc = 9;
	pk_stub_run(p);
	cr_expect_eq(p->status, PK_PROG_DONE);
	cr_expect_eq(fake.n, 1);
	free(p);
}

/* entry.S and lib/ptrace know these places. */
Test(stub_run, layout)
{
	cr_expect_eq(sizeof(struct pk_prog), 32);
	cr_expect_eq(offsetof(struct pk_prog, frame), 24);
	cr_expect_eq(sizeof(struct pk_op), 72);
}
