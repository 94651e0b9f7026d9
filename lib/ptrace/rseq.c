/* SPDX-License-Identifier: Apache-2.0 */
#include "ptrace/rseq.h"

#include <errno.h>
#include <linux/rseq.h>
#include <sys/ptrace.h>

#include "ptrace/mem.h"

#define GET_RSEQ_CONFIGURATION 0x420f /* linux/ptrace.h */

struct configuration {
	uint64_t address;
	uint32_t size, signature, flags, pad;
};

int pk_rseq_get(const struct pk_tracee *t, struct pk_rseq *ret, struct pk_error *err)
{
	struct configuration c = {0};

	*ret = (struct pk_rseq){0};
	if (ptrace(GET_RSEQ_CONFIGURATION, t->tid, sizeof(c), &c) < 0) {
		if (errno == EIO || errno == EINVAL)
			return 0;
		return pk_fail_errno(err, "thread %d: rseq", t->tid);
	}
	*ret = (struct pk_rseq){c.address, c.size, c.signature, c.flags};
	return 0;
}

int pk_rseq_abort(struct pk_tracee *t, const struct pk_rseq *rs, struct pk_error *err)
{
	uint64_t section;
	struct rseq_cs cs;
	int r;

	if (!rs->address)
		return 0;
	r = pk_mem_read(t->pid, rs->address + offsetof(struct rseq, rseq_cs), &section,
		sizeof(section), err);
	if (r < 0 || !section)
		return r;
	r = pk_mem_read(t->pid, section, &cs, sizeof(cs), err);
	if (r < 0)
		return r;
	if (pk_regs_ip(&t->regs) - cs.start_ip >= cs.post_commit_offset)
		return 0;
	pk_regs_set_ip(&t->regs, cs.abort_ip);
	return pk_tracee_write_regs(t, err);
}
