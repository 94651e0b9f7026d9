/* SPDX-License-Identifier: Apache-2.0 */
/* Waits of a stopped thread: its registers are made up, its memory is this process's. */
#include <criterion/criterion.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "dump/waits.h"

#define NOW           (1000 * PK_NSEC)
#define RESTART_BLOCK (-516)

static struct pk_tracee stopped(
	int64_t nr, int64_t result, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return (struct pk_tracee){
		.pid = getpid(),
		.tid = getpid(),
		.state = PK_T_STOPPED,
		.regs.r = {.orig_rax = (uint64_t)nr,
			.rax = (uint64_t)result,
			.rdi = a,
			.rsi = b,
			.rdx = c,
			.r10 = d},
	};
}

static void expect_wait(const struct pk_tracee *t, int32_t nr, int64_t end)
{
	const struct pk_waits none = {0};
	struct pk_thread th = {.wait_nr = 7, .wait_end = 7};

	pk_waits_record(&none, t, NOW, &th);
	cr_expect_eq(th.wait_nr, nr, "%d", th.wait_nr);
	cr_expect_eq(th.wait_end, end, "%ld", (long)th.wait_end);
}

#define WAIT(nr, ...) stopped(nr, RESTART_BLOCK, __VA_ARGS__)

Test(dump_waits, none)
{
	struct pk_tracee t = stopped(SYS_nanosleep, 0, 0, 0, 0, 0);

	expect_wait(&t, -1, -1);
	t = stopped(SYS_read, -512, 0, 0, 0, 0); /* made again as it is */
	expect_wait(&t, -1, -1);
	t = stopped(-1, RESTART_BLOCK, 0, 0, 0, 0);
	expect_wait(&t, -1, -1);
}

/* The kernel has written what is left; else the whole of it counts again: never too short. */
Test(dump_waits, sleep)
{
	const struct timespec all = {10, 5}, left = {3, 4};
	struct pk_tracee t = WAIT(SYS_nanosleep, (uint64_t)&all, (uint64_t)&left, 0, 0);

	expect_wait(&t, SYS_nanosleep, NOW + 3 * PK_NSEC + 4);
	t = WAIT(SYS_nanosleep, (uint64_t)&all, 0, 0, 0);
	expect_wait(&t, SYS_nanosleep, NOW + 10 * PK_NSEC + 5);
	t = WAIT(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (uint64_t)&all, (uint64_t)&left);
	expect_wait(&t, SYS_clock_nanosleep, NOW + 3 * PK_NSEC + 4);
	t = WAIT(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, (uint64_t)&all, 0);
	expect_wait(&t, SYS_clock_nanosleep, -1);
}

Test(dump_waits, poll)
{
	struct pk_tracee t = WAIT(SYS_poll, 0, 0, 1500, 0);

	expect_wait(&t, SYS_poll, NOW + 1500 * PK_MSEC);
	t = WAIT(SYS_poll, 0, 0, (uint32_t)-1, 0); /* the upper half is not the argument's */
	expect_wait(&t, SYS_poll, -1);
	t = WAIT(SYS_poll, 0, 0, UINT64_C(0xffffffff00000000) | 20, 0);
	expect_wait(&t, SYS_poll, NOW + 20 * PK_MSEC);
	t = WAIT(SYS_poll, 0, 0, INT32_MAX, 0);
	expect_wait(&t, SYS_poll, NOW + INT32_MAX * PK_MSEC);
}

Test(dump_waits, futex)
{
	const struct timespec all = {2, 0};
	struct pk_tracee t = WAIT(SYS_futex, 0, FUTEX_WAIT_PRIVATE, 0, (uint64_t)&all);

	expect_wait(&t, SYS_futex, NOW + 2 * PK_NSEC);
	t = WAIT(SYS_futex, 0, FUTEX_WAIT_BITSET_PRIVATE, 0, (uint64_t)&all);
	expect_wait(&t, SYS_futex, -1); /* its timeout is a moment */
	t = WAIT(SYS_futex, 0, FUTEX_WAIT_PRIVATE, 0, 0);
	expect_wait(&t, SYS_futex, -1); /* it has none */
}

/* Whatever lies where the timeout was. */
Test(dump_waits, timeouts_that_are_none)
{
	static const struct timespec bad[] = {
		{-1, 0}, {INT64_MIN, 0}, {INT64_MAX, 0}, {1, -1}, {1, PK_NSEC}, {1, INT64_MAX}};
	const struct timespec all = {10, 0};
	struct pk_tracee t = WAIT(SYS_nanosleep, 8, 0, 0, 0); /* not mapped */

	expect_wait(&t, SYS_nanosleep, -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		t = WAIT(SYS_nanosleep, (uint64_t)&bad[i], 0, 0, 0);
		expect_wait(&t, SYS_nanosleep, -1);
		t = WAIT(SYS_nanosleep, (uint64_t)&all, (uint64_t)&bad[i], 0, 0);
		expect_wait(&t, SYS_nanosleep, NOW + 10 * PK_NSEC);
	}
}

/* About 292 years: no overflow, as in the kernel. */
Test(dump_waits, forever)
{
	const struct timespec all = {INT64_MAX / PK_NSEC - 1, 0};
	struct pk_tracee t = WAIT(SYS_nanosleep, (uint64_t)&all, 0, 0, 0);

	expect_wait(&t, SYS_nanosleep, INT64_MAX);
	t = WAIT(SYS_nanosleep, (uint64_t)&all, (uint64_t)&all, 0, 0);
	expect_wait(&t, SYS_nanosleep, INT64_MAX);
}

/* After restart_syscall(2): the number is in the code, if it is one that can be restarted. */
Test(dump_waits, restarted)
{
	static const uint8_t code[64] = {[57] = 0xb8, SYS_nanosleep, 0, 0, 0, 0x0f, 0x05};
	static const uint8_t other[64] = {[57] = 0xb8, SYS_read, 0, 0, 0, 0x0f, 0x05};
	const struct timespec all = {10, 0}, left = {3, 0};
	struct pk_tracee t = WAIT(SYS_restart_syscall, (uint64_t)&all, (uint64_t)&left, 0, 0);

	t.regs.r.rip = (uint64_t)code + sizeof(code);
	expect_wait(&t, SYS_nanosleep, NOW + 3 * PK_NSEC);
	t.regs.r.rip = (uint64_t)other + sizeof(other);
	expect_wait(&t, -1, -1);
	t.regs.r.rip = 100;
	expect_wait(&t, -1, -1);
}
