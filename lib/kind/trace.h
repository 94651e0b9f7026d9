/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PK_KIND_TRACE_H
#define PK_KIND_TRACE_H

#include <stdint.h>

/* The name of a system call, allocated; a pk_syscall_namer. */
char *pk_trace_name(uint32_t nr);

#endif
