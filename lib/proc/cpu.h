/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this CPU can do, as far as a user program can see it: recorded at dump, compared at restore.
 * Programs bind to features when they start (libc's ifuncs, BLAS, JITs), so a missing one is fatal.
 */
#ifndef PK_PROC_CPU_H
#define PK_PROC_CPU_H

#include <stddef.h>
#include <stdint.h>

#define PK_CPU_WORDS 8
#define PK_XFEATURES 64

/* In the standard (non-compacted) XSAVE format, CPUID 0xD; x87 and SSE lie in the old 512 bytes. */
struct pk_xcomp {
	uint32_t offset, size;
};

struct pk_cpu {
	char vendor[13];
	char model[49];
	/* 0: 1.ecx 1: 1.edx 2: 7.0.ebx 3: 7.0.ecx 4: 7.0.edx 5: 7.1.eax 6: 0x80000001.ecx 7:
	 * 0x80000001.edx */
	uint32_t word[PK_CPU_WORDS];
	uint64_t xcr0;
	uint32_t xsave_size; /* CPUID 0xD.0.ecx: of all that XCR0 allows */
	struct pk_xcomp xcomp[PK_XFEATURES];
	uint64_t hwcap, hwcap2;
	uint32_t min_sigstksz; /* AT_MINSIGSTKSZ, 0 if the kernel gives none */
};

void pk_cpu_probe(struct pk_cpu *ret);

/*
 * Names of features that `need` has and `have` lacks, separated by spaces, in the spelling of
 * /proc/cpuinfo; "" if none. Bits that a program cannot depend on are left out (hypervisor, x2apic,
 * tsc_deadline, dtes64, monitor, vmx, smx, est, tm2, cid, pdcm, pcid, dca, osxsave, acpi, ht, tm,
 * ...). Bits without a meaning yet count, as "cpuid_7.0.ecx[15]". out is always terminated; names
 * that do not fit are left out.
 */
void pk_cpu_missing(
	const uint32_t need[PK_CPU_WORDS], const uint32_t have[PK_CPU_WORDS], char *out, size_t n);

#endif
