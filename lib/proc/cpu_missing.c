/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proc/cpu.h"

/*
 * The words of struct pk_cpu and their bits, from bit 0, in the spelling of /proc/cpuinfo. With '-'
 * before it: nothing a program can depend on, because it is for the kernel only (vmx, smep,
 * spec_ctrl), or about the machine (ht, hypervisor), or a hint that others ignore (cldemote), or a
 * promise of speed (erms), or out of use (mpx, not since 5.6), or told better by something else:
 * osxsave by xcr0, pku by ospke, shstk by x86_Thread_features, mmxext by sse. The last word repeats
 * "1.edx" on AMD's CPUs. NULL: no meaning yet; such a bit counts.
 */
static const char *const features[PK_CPU_WORDS][32] = {
	/* 1.ecx */
	{"pni", "pclmulqdq", "-dtes64", "-monitor", "-ds_cpl", "-vmx", "-smx", "-est", "-tm2",
		"ssse3", "-cid", "-sdbg", "fma", "cx16", "-xtpr", "-pdcm", NULL, "-pcid", "-dca",
		"sse4_1", "sse4_2", "-x2apic", "movbe", "popcnt", "-tsc_deadline_timer", "aes",
		"xsave", "-osxsave", "avx", "f16c", "rdrand", "-hypervisor"},
	/* 1.edx */
	{"fpu", "-vme", "-de", "-pse", "tsc", "-msr", "-pae", "-mce", "cx8", "-apic", NULL, "-sep",
		"-mtrr", "-pge", "-mca", "cmov", "-pat", "-pse36", "-pn", "clflush", NULL, "-dts",
		"-acpi", "mmx", "fxsr", "sse", "sse2", "-ss", "-ht", "-tm", "-ia64", "-pbe"},
	/* 7.0.ebx */
	{"fsgsbase", "-tsc_adjust", "-sgx", "bmi1", "hle", "avx2", "-fdp_excptn_only", "-smep",
		"bmi2", "-erms", "-invpcid", "rtm", "-cqm", "-zero_fcs_fds", "-mpx", "-rdt_a",
		"avx512f", "avx512dq", "rdseed", "adx", "-smap", "avx512ifma", "-pcommit",
		"clflushopt", "clwb", "-intel_pt", "avx512pf", "avx512er", "avx512cd", "sha_ni",
		"avx512bw", "avx512vl"},
	/* 7.0.ecx */
	{"-prefetchwt1", "avx512vbmi", "-umip", "-pku", "ospke", "waitpkg", "avx512_vbmi2",
		"-shstk", "gfni", "vaes", "vpclmulqdq", "avx512_vnni", "avx512_bitalg", "-tme",
		"avx512_vpopcntdq", NULL, "-la57", "-mawau", "-mawau", "-mawau", "-mawau", "-mawau",
		"rdpid", "-keylocker", "-bus_lock_detect", "-cldemote", NULL, "movdiri",
		"movdir64b", "enqcmd", "-sgx_lc", "-pks"},
	/* 7.0.edx */
	{NULL, "-sgx_keys", "avx512_4vnniw", "avx512_4fmaps", "-fsrm", "-uintr", NULL, NULL,
		"avx512_vp2intersect", "-srbds_ctrl", "-md_clear", "-rtm_always_abort", NULL,
		"-tsx_force_abort", "serialize", "-hybrid_cpu", "tsxldtrk", NULL, "-pconfig",
		"-arch_lbr", "-ibt", NULL, "amx_bf16", "avx512_fp16", "amx_tile", "amx_int8",
		"-spec_ctrl", "-intel_stibp", "-flush_l1d", "-arch_capabilities",
		"-core_capabilities", "-spec_ctrl_ssbd"},
	/* 7.1.eax */
	{"sha512", "sm3", "sm4", "rao_int", "avx_vnni", "avx512_bf16", "-lass", "cmpccxadd",
		"-arch_perfmon_ext", NULL, "-fzrm", "-fsrs", "-fsrc", NULL, NULL, NULL, NULL,
		"-fred", "-lkgs", "-wrmsrns", "-nmi_src", "amx_fp16", "-hreset", "avx_ifma", NULL,
		NULL, "lam", "-msrlist", NULL, NULL, "-invd_disable", "movrs"},
	/* 80000001.ecx */
	{"lahf_lm", "-cmp_legacy", "-svm", "-extapic", "-cr8_legacy", "abm", "sse4a", "misalignsse",
		"3dnowprefetch", "-osvw", "-ibs", "xop", "-skinit", "-wdt", NULL, "lwp", "fma4",
		"-tce", NULL, "-nodeid_msr", NULL, "tbm", "-topoext", "-perfctr_core",
		"-perfctr_nb", NULL, "-bpext", "-ptsc", "-perfctr_llc", "mwaitx", "-addr_mask_ext",
		NULL},
	/* 80000001.edx */
	{"-fpu", "-vme", "-de", "-pse", "-tsc", "-msr", "-pae", "-mce", "-cx8", "-apic", NULL,
		"syscall", "-mtrr", "-pge", "-mca", "-cmov", "-pat", "-pse36", NULL, "-mp", "-nx",
		NULL, "-mmxext", "-mmx", "-fxsr", "-fxsr_opt", "-pdpe1gb", "rdtscp", NULL, "lm",
		"3dnowext", "3dnow"},
};

static const char *const leaves[PK_CPU_WORDS] = {"1.ecx", "1.edx", "7.0.ebx", "7.0.ecx", "7.0.edx",
	"7.1.eax", "80000001.ecx", "80000001.edx"};

/* The name of a bit, in room for 32 bytes. False if no program can depend on it. */
static bool feature_name(size_t word, unsigned bit, char *out)
{
	const char *name = features[word][bit];

	if (name)
		snprintf(out, 32, "%s", name);
	else
		snprintf(out, 32, "cpuid_%s[%u]", leaves[word], bit);
	return out[0] != '-';
}

void pk_cpu_missing(
	const uint32_t need[PK_CPU_WORDS], const uint32_t have[PK_CPU_WORDS], char *out, size_t n)
{
	char name[32];
	size_t len = 0;

	if (n)
		out[0] = '\0';
	for (unsigned i = 0; i < 32 * PK_CPU_WORDS; i++) {
		unsigned word = i / 32, bit = i % 32;

		if (!((need[word] & ~have[word]) >> bit & 1) || !feature_name(word, bit, name))
			continue;
		/* A name that does not fit is left out. */
		if (len + (len > 0) + strlen(name) < n)
			len += (size_t)snprintf(out + len, n - len, "%s%s", len ? " " : "", name);
	}
}
