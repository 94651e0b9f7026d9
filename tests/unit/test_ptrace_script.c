/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptrace/script.h"

Test(ptrace_script, how_arguments_are_given)
{
	struct pk_script s = {0};
	size_t first = pk_script_call(&s, &(struct pk_call){.nr = 5});
	size_t i = pk_script_call(&s, &(struct pk_call){
					      .nr = 7,
					      .a = {pk_num(UINT64_MAX), pk_addr(8), pk_word(12),
						      pk_num(1), pk_addr(0), pk_word(4)},
					      .check = PK_CHECK_IGNORE,
					      .want = EEXIST,
				      });
	const struct pk_op want = {
		.code = PK_OP_SYS,
		.check = PK_CHECK_IGNORE,
		.addr = 1 << 1 | 1 << 4,
		.load = 1 << 2 | 1 << 5,
		.nr = 7,
		.a = {UINT64_MAX, 8, 12, 1, 0, 4},
		.want = EEXIST,
	};

	cr_assert(s.n == 2 && first == 0 && i == 1);
	cr_expect_eq(s.op[0].check, PK_CHECK_NONE);
	cr_expect_eq(memcmp(&s.op[1], &want, sizeof(want)), 0);
	pk_script_free(&s);
}

Test(ptrace_script, data_is_aligned_and_stays)
{
	struct pk_script s = {0};
	size_t a = pk_script_str(&s, "abc");
	size_t b = pk_script_data(&s, NULL, 12);
	size_t c = pk_script_str(&s, "");
	size_t last = 0;

	cr_expect(a == 0 && b == 8 && c == 24);
	for (int i = 0; i < 10000; i++)
		last = pk_script_str(&s, "xyz");
	cr_expect_str_eq(pk_script_at(&s, a), "abc");
	cr_expect_str_eq(pk_script_at(&s, c), "");
	cr_expect_str_eq(pk_script_at(&s, last), "xyz");
	cr_expect_eq(last % 8, 0);
	cr_expect_not(s.failed || s.data.failed);
	pk_script_free(&s);
}

Test(ptrace_script, size_and_results)
{
	struct pk_script s = {0};

	cr_expect_eq(pk_script_size(&s), sizeof(struct pk_prog));
	cr_expect_eq(pk_script_ret(&s, 0), -ENOSYS, "no such op");
	for (int i = 0; i < 1000; i++)
		pk_script_call(&s, &(struct pk_call){.nr = 1});
	pk_script_str(&s, "abc");
	cr_expect_eq(pk_script_size(&s), sizeof(struct pk_prog) + 1000 * sizeof(struct pk_op) + 8);
	s.op[999].ret = -3;
	cr_expect_eq(pk_script_ret(&s, 999), -3);
	cr_expect_eq(pk_script_ret(&s, 1000), -ENOSYS);
	pk_script_clear(&s);
	cr_expect_eq(pk_script_size(&s), sizeof(struct pk_prog));
	cr_expect_eq(pk_script_ret(&s, 999), -ENOSYS);
	pk_script_free(&s);
}

static char *name_of(uint32_t nr)
{
	return nr == 9 ? strdup("mmap") : NULL;
}

static void expect_line(const struct pk_op *op, size_t index, const char *want)
{
	char line[300];

	pk_op_print(op, index, name_of, line, sizeof(line));
	cr_expect_str_eq(line, want);
}

Test(ptrace_script, printing)
{
	expect_line(&(struct pk_op){.code = PK_OP_END}, 0, "   0 end");
	expect_line(&(struct pk_op){.code = PK_OP_SYS,
			    .nr = 9,
			    .addr = 1,
			    .load = 2,
			    .a = {8, 12, 9999, 10000, UINT64_MAX},
			    .ret = -12},
		12, "  12 mmap(&data+8, *data+12, 9999, 0x2710, 0xffffffffffffffff, 0) = -12");
	expect_line(&(struct pk_op){.code = PK_OP_SYS, .nr = 500, .ret = 1}, 12345,
		"12345 syscall_500(0, 0, 0, 0, 0, 0) = 1");
	expect_line(&(struct pk_op){.code = PK_OP_JEQ, .a = {8, 7, 6}}, 5,
		"   5 if *data+8 == 7 go to 6");
	expect_line(&(struct pk_op){.code = PK_OP_REPEAT, .a = {2, 100}, .ret = 3}, 5,
		"   5 go to 2 at most 100 times: 3");
	expect_line(&(struct pk_op){.code = PK_OP_TILES}, 5, "   5 touch tiles");
	expect_line(&(struct pk_op){.code = 99}, 5, "   5 ?");
}

/* In as much room as there is: an end, and not a byte more. */
Test(ptrace_script, printing_into_little_room)
{
	static const struct pk_op ops[] = {
		{.code = PK_OP_SYS,
			.nr = UINT32_MAX,
			.addr = 0x3f,
			.a = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX},
			.ret = INT64_MIN},
		{.code = PK_OP_JEQ, .a = {UINT64_MAX, UINT64_MAX, UINT64_MAX}},
		{.code = PK_OP_REPEAT},
		{.code = 200},
	};

	for (size_t n = 1; n < 300; n++)
		for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
			char *line = malloc(n + 1);

			line[n] = 'x';
			pk_op_print(&ops[i], SIZE_MAX, NULL, line, n);
			cr_expect_lt(strlen(line), n);
			cr_expect_eq(line[n], 'x');
			free(line);
		}
}
