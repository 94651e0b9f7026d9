/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds whose objects lib/dump and lib/restore handle themselves: lib/model/job.h. */
#include "kind/kind.h"

const struct pk_kind pk_kind_task = {
	.type = &pk_task_type,
	.level = PK_LV_CORE,
	.summary = "pid, parent, group and session numbers, stopped state, program file",
};

const struct pk_kind pk_kind_thread = {
	.type = &pk_thread_type,
	.level = PK_LV_CORE,
	.summary = "registers, vector state (AVX-512, AMX), signal mask, name, timed waits",
};

const struct pk_kind pk_kind_vma = {
	.type = &pk_vma_type,
	.level = PK_LV_CORE,
	.summary = "mappings: protection, advice, locks, NUMA policy, guard pages",
};

const struct pk_kind pk_kind_fds = {
	.type = &pk_fds_type,
	.level = PK_LV_CORE,
	.summary = "descriptor table: numbers, close-on-exec, which ones share a file",
};
