/* SPDX-License-Identifier: Apache-2.0 */
/* Found in the place of lib/stub/arch/: the interpreter runs here, and the test is its kernel. */
#ifndef PK_STUB_SYS_H
#define PK_STUB_SYS_H

#include <stdint.h>

void pk_stub_run(struct pk_prog *p);

int64_t pk_stub_syscall(
	uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
void pk_stub_signal(uint32_t sig);
void pk_stub_tiles(void);

#endif
