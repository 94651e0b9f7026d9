/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of ELF that pckpt reads (elf(5), 64-bit little endian): build ids of program files,
 * and the functions of a vDSO. Input is untrusted; everything is bounds-checked.
 */
#ifndef PK_PROC_ELF_H
#define PK_PROC_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PK_BUILD_ID_MAX 64

/* The build id of an open file; returns its length, 0 if it has none or is no ELF file. */
size_t pk_elf_build_id(int fd, uint8_t id[PK_BUILD_ID_MAX]);

/*
 * Call fn for each function that an ELF image in memory (as mapped: a vDSO) exports: its name and
 * its offset from the image's start. Stops when fn returns false. Returns false if the image makes
 * no sense.
 */
bool pk_elf_functions(const void *image, size_t n,
	bool (*fn)(const char *name, uint64_t offset, void *arg), void *arg);

#endif
