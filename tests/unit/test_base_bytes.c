/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/bytes.h"

Test(base_bytes, little_endian)
{
	static const uint8_t want[] = {
		1, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 8, 7, 6, 5, 4, 3, 2, 1, 'x', 0, 0};
	PK_CLEAN_BUF struct pk_buf b = {0};
	struct pk_cur c;

	pk_buf_u8(&b, 1);
	pk_buf_u16(&b, 0x1234);
	pk_buf_u32(&b, 0x12345678);
	pk_buf_u64(&b, 0x0102030405060708);
	pk_buf_put(&b, "x", 1);
	pk_buf_put(&b, NULL, 2);
	cr_assert_eq(b.len, sizeof(want));
	cr_expect_eq(memcmp(b.p, want, sizeof(want)), 0);
	c = pk_cur_of(b.p, b.len);
	cr_expect_eq(pk_cur_u8(&c), 1);
	cr_expect_eq(pk_cur_u16(&c), 0x1234);
	cr_expect_eq(pk_cur_u32(&c), 0x12345678);
	cr_expect_eq(pk_cur_u64(&c), 0x0102030405060708);
	cr_expect_eq(pk_cur_left(&c), 3);
	cr_expect_eq(memcmp(pk_cur_take(&c, 3), "x\0", 3), 0);
	cr_expect(pk_cur_ok(&c) && pk_cur_left(&c) == 0);
}

Test(base_bytes, a_cursor_stops_at_the_end)
{
	struct pk_cur c = pk_cur_of("\xff\xff\xff", 3);

	cr_expect_eq(pk_cur_u32(&c), 0, "no part of it");
	cr_expect_not(pk_cur_ok(&c));
	cr_expect_eq(pk_cur_u8(&c), 0, "and nothing afterwards");
	cr_expect_null(pk_cur_take(&c, 0));
	c = pk_cur_of("\xff", 1);
	cr_expect_null(pk_cur_take(&c, SIZE_MAX));
	cr_expect_not(pk_cur_ok(&c));
}

Test(base_bytes, grows_and_keeps_what_it_has)
{
	PK_CLEAN_BUF struct pk_buf b = {0};

	for (uint32_t i = 0; i < 100000; i++)
		pk_buf_u32(&b, i);
	cr_assert(!b.failed && b.len == 400000);
	for (uint32_t i = 0; i < 100000; i++) {
		struct pk_cur c = pk_cur_of(b.p + 4 * i, 4);

		cr_expect_eq(pk_cur_u32(&c), i);
	}
}

Test(base_bytes, align)
{
	PK_CLEAN_BUF struct pk_buf b = {0};

	pk_buf_align(&b, 8);
	cr_expect_eq(b.len, 0);
	pk_buf_u8(&b, 0xff);
	pk_buf_align(&b, 8);
	cr_expect_eq(b.len, 8);
	pk_buf_align(&b, 8);
	cr_expect_eq(b.len, 8);
	cr_expect_eq(memcmp(b.p, "\xff\0\0\0\0\0\0", 8), 0);
}

Test(base_bytes, set_stays_within)
{
	PK_CLEAN_BUF struct pk_buf b = {0};

	pk_buf_put(&b, NULL, 10);
	pk_buf_set_u64(&b, 2, UINT64_MAX);
	pk_buf_set_u64(&b, 3, 0);
	pk_buf_set_u32(&b, 7, 0);
	pk_buf_set_u32(&b, SIZE_MAX, 0);
	cr_expect_eq(memcmp(b.p, "\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 10), 0);
	pk_buf_set_u32(&b, 6, 0x01020304);
	cr_expect_eq(memcmp(b.p + 6, "\4\3\2\1", 4), 0);
}

Test(base_bytes, without_memory)
{
	PK_CLEAN_BUF struct pk_buf b = {0};

	pk_buf_u32(&b, 1);
	cr_expect_eq(pk_buf_put(&b, NULL, SIZE_MAX / 2), SIZE_MAX);
	cr_expect(b.failed);
	cr_expect_eq(pk_buf_put(&b, "x", 1), SIZE_MAX);
	pk_buf_set_u32(&b, 0, 2);
	cr_expect(b.len == 4 && b.p[0] == 1);
	pk_buf_free(&b);
	cr_expect_eq(pk_buf_put(&b, "x", 1), 0, "as new");
}
