/* SPDX-License-Identifier: Apache-2.0 */
/* Look a function up in the vDSO, as libraries do that keep the pointer. */
#ifndef VDSO_H
#define VDSO_H

#include <elf.h>
#include <sys/auxv.h>

#include "victim.h"

/* The symbol's place, from the dynamic section and its DT_HASH; NULL if the vDSO has none such. */
static inline void *vdso_symbol(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR), *strings = NULL;
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + head->e_phoff);
	const Elf64_Sym *symbols = NULL;
	const Elf64_Dyn *dyn = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < head->e_phnum; i++)
		if (segment[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + segment[i].p_offset);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_STRTAB)
			strings = base + dyn->d_un.d_ptr;
		else if (dyn->d_tag == DT_SYMTAB)
			symbols = (const Elf64_Sym *)(base + dyn->d_un.d_ptr);
		else if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(base + dyn->d_un.d_ptr);
	}
	for (uint32_t i = 0; hash && strings && symbols && i < hash[1]; i++)
		if (!strcmp(strings + symbols[i].st_name, name))
			return (void *)(base + symbols[i].st_value);
	return NULL;
}

#endif
