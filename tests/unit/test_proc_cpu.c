/* SPDX-License-Identifier: Apache-2.0 */
/* What the CPU is said to have against what the kernel and the compiler say. */
#include <stdbool.h>
#include <stdio.h>

#include "proc/cpu.h"
#include "proc_fixture.h"

static const uint32_t none[PK_CPU_WORDS];
static const uint32_t all[PK_CPU_WORDS] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
	UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};

/* Whether a word is in a list that is separated by spaces. */
static bool has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n) {
		if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0' || p[n] == '\n'))
			return true;
	}
	return false;
}

static char *cpuinfo_flags(void)
{
	char *text = pk_read_file(AT_FDCWD, "/proc/cpuinfo", 64 << 20, NULL);
	char *flags = strstr(text, "\nflags"), *end;

	cr_assert_not_null(flags);
	flags = strchr(flags, ':') + 2;
	end = strchr(flags, '\n');
	memmove(text, flags, (size_t)(end - flags));
	text[end - flags] = '\0';
	return text;
}

/* A flag that the kernel shows, and that is one of CPUID's, is one of the words. */
Test(proc_cpu, agrees_with_cpuinfo)
{
	PK_FREE char *flags = cpuinfo_flags();
	char known[8192], mine[8192];
	struct pk_cpu cpu;
	char *save, *word;
	int shared = 0;

	pk_cpu_probe(&cpu);
	pk_cpu_missing(all, none, known, sizeof(known));
	pk_cpu_missing(cpu.word, none, mine, sizeof(mine));
	for (word = strtok_r(flags, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!has(known, word))
			continue;
		cr_expect(has(mine, word), "%s", word);
		shared++;
	}
	cr_expect_geq(shared, 10);
	cr_expect(has(mine, "sse2") && has(mine, "fxsr") && has(mine, "lm"));
}

Test(proc_cpu, names)
{
	PK_FREE char *text = pk_read_file(AT_FDCWD, "/proc/cpuinfo", 64 << 20, NULL);
	struct pk_cpu cpu;

	pk_cpu_probe(&cpu);
	cr_expect_not_null(strstr(text, cpu.vendor));
	cr_expect_eq(strlen(cpu.vendor), 12);
	cr_expect_lt(strlen(cpu.model), sizeof(cpu.model));
}

Test(proc_cpu, auxv)
{
	struct pk_cpu cpu;

	pk_cpu_probe(&cpu);
	/* On x86 AT_HWCAP is CPUID 1.edx, less what the kernel turned off. */
	cr_expect_neq(cpu.hwcap, 0);
	cr_expect_eq(cpu.hwcap & ~(uint64_t)cpu.word[1], 0);
	if (cpu.min_sigstksz)
		cr_expect_gt(cpu.min_sigstksz, cpu.xsave_size);
}

/* The parts of the XSAVE area lie in it, behind the header, and apart from each other. */
Test(proc_cpu, xsave_layout)
{
	struct pk_cpu cpu;
	int i, j;

	pk_cpu_probe(&cpu);
	if (!cpu.xcr0)
		cr_skip_test("no XSAVE");
	cr_expect_eq(cpu.xcr0 & 3, 3);
	cr_expect(cpu.xcomp[0].size == 160 && cpu.xcomp[1].offset == 160);
	for (i = 0; i < PK_XFEATURES; i++) {
		struct pk_xcomp *a = &cpu.xcomp[i];

		cr_expect_eq(a->size > 0, cpu.xcr0 >> i & 1, "%d", i);
		cr_expect_leq(a->offset + a->size, cpu.xsave_size, "%d", i);
		cr_expect(i < 2 || !a->size || a->offset >= 576, "%d", i);
		for (j = 0; j < i; j++) {
			struct pk_xcomp *b = &cpu.xcomp[j];

			cr_expect(!a->size || !b->size || a->offset >= b->offset + b->size ||
					  b->offset >= a->offset + a->size,
				"%d %d", i, j);
		}
	}
	if (cpu.xcr0 >> 2 & 1) /* AVX: the upper halves of 16 registers */
		cr_expect(cpu.xcomp[2].offset == 576 && cpu.xcomp[2].size == 256);
}

Test(proc_cpu, itself_lacks_nothing)
{
	struct pk_cpu cpu;
	char out[64];

	pk_cpu_probe(&cpu);
	pk_cpu_missing(cpu.word, cpu.word, out, sizeof(out));
	cr_expect_str_empty(out);
	pk_cpu_missing(cpu.word, all, out, sizeof(out));
	cr_expect_str_empty(out);
}

Test(proc_cpu, missing)
{
	uint32_t need[PK_CPU_WORDS] = {0};
	char out[256];

	need[0] = 1u << 28 | 1u << 31 | 1u << 5; /* avx; hypervisor, vmx */
	need[2] = 1u << 16 | 1u << 9;            /* avx512f; erms */
	need[4] = 1u << 24 | 1u << 26;           /* amx_tile; spec_ctrl */
	need[7] = 1u << 23 | 1u << 24;           /* AMD's copies of mmx and fxsr */
	pk_cpu_missing(need, none, out, sizeof(out));
	cr_expect_str_eq(out, "avx avx512f amx_tile");
	need[3] = 1u << 15;
	pk_cpu_missing(need, none, out, sizeof(out));
	cr_expect_str_eq(out, "avx avx512f cpuid_7.0.ecx[15] amx_tile");
}

/* Names that do not fit are left out whole. */
Test(proc_cpu, room)
{
	uint32_t need[PK_CPU_WORDS] = {1u << 28, 1u << 26}; /* avx sse2 */
	static const char *const want[] = {
		"", "", "", "avx", "avx", "avx", "avx", "avx", "avx sse2"};

	for (size_t n = 1; n <= 9; n++) {
		char out[16];

		memset(out, '?', sizeof(out));
		pk_cpu_missing(need, none, out, n);
		cr_expect_str_eq(out, want[n - 1], "%zu: %s", n, out);
		cr_expect_eq(out[n], '?');
	}
}
