/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cpu.h"

#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define OSXSAVE (1u << 27)

/* Where each word of struct pk_cpu comes from. */
enum reg { EAX, EBX, ECX, EDX };

static const struct {
	uint32_t leaf, subleaf;
	enum reg reg;
} words[PK_CPU_WORDS] = {
	{1, 0, ECX},
	{1, 0, EDX},
	{7, 0, EBX},
	{7, 0, ECX},
	{7, 0, EDX},
	{7, 1, EAX},
	{0x80000001, 0, ECX},
	{0x80000001, 0, EDX},
};

/* Like cpuid, with zeros from a leaf that this CPU lacks. */
static void leaf(uint32_t number, uint32_t subleaf, uint32_t r[4])
{
	memset(r, 0, 4 * sizeof(r[0]));
	__get_cpuid_count(number, subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]);
}

static void probe_names(struct pk_cpu *cpu)
{
	uint32_t r[4], model[12];
	const char *p = (const char *)model;

	leaf(0, 0, r);
	memcpy(cpu->vendor, (uint32_t[]){r[EBX], r[EDX], r[ECX]}, 12);
	for (uint32_t i = 0; i < 3; i++)
		leaf(0x80000002 + i, 0, model + 4 * i);
	while (p < (const char *)(model + 12) && *p == ' ')
		p++;
	memcpy(cpu->model, p, (size_t)((const char *)(model + 12) - p));
}

static void probe_words(struct pk_cpu *cpu)
{
	for (size_t i = 0; i < PK_CPU_WORDS; i++) {
		uint32_t r[4];

		leaf(words[i].leaf, words[i].subleaf, r);
		cpu->word[i] = r[words[i].reg];
	}
}

static uint64_t xgetbv0(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (uint64_t)high << 32;
}

/* What the kernel has enabled of XSAVE, and where it lies: Intel SDM 1, 13.2. */
static void probe_xsave(struct pk_cpu *cpu)
{
	uint32_t r[4];

	if (!(cpu->word[0] & OSXSAVE))
		return;
	cpu->xcr0 = xgetbv0();
	leaf(0xd, 0, r);
	cpu->xsave_size = r[ECX];
	/* These two have no leaf: they are the two parts of the old FXSAVE area. */
	cpu->xcomp[0] = (struct pk_xcomp){0, 160};
	cpu->xcomp[1] = (struct pk_xcomp){160, 256};
	for (uint32_t i = 2; i < PK_XFEATURES - 1; i++) { /* bit 63 is not a component */
		if (!(cpu->xcr0 >> i & 1))
			continue;
		leaf(0xd, i, r);
		cpu->xcomp[i] = (struct pk_xcomp){r[EBX], r[EAX]};
	}
}

/* As the kernel gave it: getauxval(3) of some libc versions changes AT_HWCAP. */
static void probe_auxv(struct pk_cpu *cpu)
{
	size_t n = 0;
	PK_FREE char *text = pk_read_file(AT_FDCWD, "/proc/self/auxv", 65536, &n);

	for (size_t i = 0; text && i + sizeof(Elf64_auxv_t) <= n; i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t v;

		memcpy(&v, text + i, sizeof(v));
		if (v.a_type == AT_HWCAP)
			cpu->hwcap = v.a_un.a_val;
		else if (v.a_type == AT_HWCAP2)
			cpu->hwcap2 = v.a_un.a_val;
		else if (v.a_type == AT_MINSIGSTKSZ)
			cpu->min_sigstksz = (uint32_t)v.a_un.a_val;
	}
}

void pk_cpu_probe(struct pk_cpu *ret)
{
	memset(ret, 0, sizeof(*ret));
	probe_names(ret);
	probe_words(ret);
	probe_xsave(ret);
	probe_auxv(ret);
}
