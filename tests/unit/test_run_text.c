/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <signal.h>

#include "run/run_internal.h"

static void expect_size(uint64_t bytes, const char *want)
{
	char text[32];

	pk_size_text(bytes, text, sizeof(text));
	cr_expect_str_eq(text, want);
}

Test(run_text, sizes)
{
	expect_size(0, "0.0 KiB");
	expect_size(1536, "1.5 KiB");
	expect_size(512 << 10, "512 KiB");
	expect_size(1000 << 10, "1.0 MiB");
	expect_size(UINT64_C(1288490189), "1.2 GiB");
	expect_size(UINT64_C(5000) << 40, "5000 TiB");
}

static void expect_command(char *const *argv, size_t n, const char *want)
{
	char text[64];

	pk_command_text(argv, text, n);
	cr_expect_str_eq(text, want);
}

Test(run_text, commands_are_one_line_that_a_shell_reads_back)
{
	char *plain[] = {"./prog", "--n=3", "a,b", NULL};
	char *odd[] = {"a b", "", "it's", "x\ny", "\\", "\x01", NULL};

	expect_command(plain, 64, "./prog --n=3 a,b");
	expect_command(odd, 64, "$'a b' $'' $'it\\'s' $'x\\ny' $'\\\\' $'\\x01'");
	expect_command(plain, 12, "./prog -...");
}

Test(run_text, names_of_signals)
{
	cr_expect_eq(pckpt_signal_number("USR1"), SIGUSR1);
	cr_expect_eq(pckpt_signal_number("SIGTERM"), SIGTERM);
	cr_expect_eq(pckpt_signal_number("usr2"), SIGUSR2);
	cr_expect_eq(pckpt_signal_number("63"), 63);
	cr_expect_eq(pckpt_signal_number("65"), 0);
	cr_expect_eq(pckpt_signal_number("0"), 0);
	cr_expect_eq(pckpt_signal_number("-1"), 0);
	cr_expect_eq(pckpt_signal_number("USR"), 0);
	cr_expect_eq(pckpt_signal_number("10x"), 0);
	cr_expect_eq(pckpt_signal_number(""), 0);
	cr_expect_str_eq(pckpt_signal_name(SIGSEGV), "SIGSEGV");
	cr_expect_str_eq(pckpt_signal_name(40), "a real-time signal");
}

Test(run_text, time_between_dumps)
{
	const int64_t minute = 60 * PK_NSEC;

	cr_expect_eq(pk_auto_period(0), 10 * minute, "nothing is known yet");
	cr_expect_eq(pk_auto_period(PK_MSEC), 5 * minute, "not more often");
	cr_expect_eq(pk_auto_period(4 * 60 * minute), 4 * 60 * minute, "not less often");
	/* sqrt(2 * 10 s * 86400 s) */
	cr_expect_eq(pk_auto_period(10 * PK_NSEC) / PK_NSEC, 1314);
}
