/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fs and gs base of each thread; gs set by a system call, or by the instruction where allowed.
 */
#include <asm/prctl.h>
#include <sys/auxv.h>

#include "crew.h"

#define THREADS         4
#define HWCAP2_WRGSBASE 2

static uint64_t blocks[THREADS];

static void set_gs(int i)
{
	if (i % 2 && getauxval(AT_HWCAP2) & HWCAP2_WRGSBASE)
		asm volatile("wrgsbase %0" : : "r"(&blocks[i]));
	else
		must(syscall(SYS_arch_prctl, ARCH_SET_GS, &blocks[i]));
}

static void body(int i)
{
	uint64_t fs_before, fs, gs, through;

	blocks[i] = 0x1000 + (uint64_t)i;
	set_gs(i);
	must(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_before));
	meet();
	must(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	must(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	asm volatile("mov %%gs:0, %0" : "=r"(through));
	expect((long long)fs_before, (long long)fs, "fs base of thread %d", i);
	expect((intptr_t)&blocks[i], (long long)gs, "gs base of thread %d", i);
	expect(0x1000 + i, (long long)through, "word at %%gs:0 of thread %d", i);
}

int main(void)
{
	crew(THREADS, body);
	return victim_done();
}
