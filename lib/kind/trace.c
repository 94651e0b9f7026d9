/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/trace.h"

#include <seccomp.h>

char *pk_trace_name(uint32_t nr)
{
	return seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
}
