/* SPDX-License-Identifier: Apache-2.0 */
/* Another process's memory. Addresses in it are uint64_t, never pointers. */
#ifndef PK_PTRACE_MEM_H
#define PK_PTRACE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/error.h"

/*
 * Read or write n bytes by process_vm_readv(2)/writev(2). These respect the pages' protection, and
 * reading a hole of a shared object allocates it: ask the page map first. All or nothing.
 */
int pk_mem_read(pid_t pid, uint64_t at, void *p, size_t n, struct pk_error *err);
int pk_mem_write(pid_t pid, uint64_t at, const void *p, size_t n, struct pk_error *err);

/*
 * Read several ranges into one buffer. A range that process_vm_readv refuses (PROT_NONE ...) is
 * read through memfd, an open /proc/PID/mem, which a tracer may read regardless of protection.
 *
 * process_vm_readv pins pages, and pinning one that two processes share copy-on-write makes a copy
 * of it for the one that is read (FAULT_FLAG_UNSHARE, 5.19): the job would need more memory after a
 * dump than before. `gently` reads all through memfd, which does not, and takes twice as long.
 */
int pk_mem_gather(pid_t pid, int memfd, bool gently, const struct iovec *remote, size_t n_remote,
	void *p, struct pk_error *err);

/*
 * Write by PTRACE_POKEDATA, which needs no write permission of the page: for code pages. `at` and n
 * are multiples of 8.
 */
int pk_mem_poke(pid_t tid, uint64_t at, const void *p, size_t n, struct pk_error *err);

#endif
