/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where remote execution finds its first instruction, and how the process survives our death in
 * that moment: see ptrace/remote.h. Libraries are searched while the process still runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "dump/dump_internal.h"
#include "ptrace/mem.h"

#define SEARCH_MAX   (8u << 20) /* bytes of one mapping that are searched */
#define STACK_MARGIN 65536u     /* that much of the stack below its pointer is left alone */

static bool same_code(const struct pk_searched_one *one, const struct pk_map *m)
{
	return one->ino == m->ino && one->dev_major == m->dev_major &&
	       one->dev_minor == m->dev_minor && one->offset == m->offset &&
	       one->len == m->end - m->start;
}

/* A library is searched once, however many processes have it; the vDSO is the same in all. */
static struct pk_gadgets search(struct pk_proc *proc, const struct pk_map *m, uint8_t *buf)
{
	struct pk_searched *all = &proc->d->searched;
	size_t n = m->end - m->start < SEARCH_MAX ? m->end - m->start : SEARCH_MAX;
	struct pk_gadgets g = {-1, -1, -1};
	void *v;

	for (size_t i = 0; i < all->n; i++)
		if (same_code(&all->v[i], m))
			return all->v[i].found;
	if (pk_mem_read(proc->src.pid, m->start, buf, n, NULL) < 0)
		return g;
	pk_gadgets_find(buf, n, &g);
	v = m->ino || !strcmp(m->path, "[vdso]") ? pk_array_more(all->v, all->n, sizeof(*all->v))
						 : NULL;
	if (!v)
		return g;
	all->v = v;
	all->v[all->n++] = (struct pk_searched_one){
		m->ino, m->offset, m->end - m->start, m->dev_major, m->dev_minor, g};
	return g;
}

static void use(struct pk_foothold *f, const struct pk_map *m, const struct pk_gadgets *g)
{
	if (!f->syscall && g->syscall >= 0)
		f->syscall = m->start + (uint64_t)g->syscall;
	if (!f->syscall_ret && g->syscall_ret >= 0)
		f->syscall_ret = m->start + (uint64_t)g->syscall_ret;
	if (!f->sigreturn && g->sigreturn >= 0)
		f->sigreturn = m->start + (uint64_t)g->sigreturn;
}

void pk_foothold_find(struct pk_proc *proc)
{
	struct pk_foothold *f = &proc->foothold;
	PK_FREE uint8_t *buf = malloc(SEARCH_MAX);
	struct pk_maps maps;

	if (!buf || pk_maps_read(proc->src.procfd, false, &maps, NULL) < 0)
		return;
	/* From the top: the vDSO first, which always has a system call, then libc. */
	for (size_t i = maps.n; i-- > 0;) {
		const struct pk_map *m = &maps.v[i];
		struct pk_gadgets g;

		if (f->syscall && f->syscall_ret && f->sigreturn)
			break;
		if (!(m->prot & PROT_EXEC) || !strcmp(m->path, "[vsyscall]"))
			continue;
		g = search(proc, m, buf);
		use(f, m, &g);
	}
	pk_maps_free(&maps);
}

static bool still_there(struct pk_proc *proc, uint64_t at, const char *code, size_t n)
{
	uint8_t now[16];

	return at && pk_mem_read(proc->src.pid, at, now, n, NULL) == 0 && !memcmp(now, code, n);
}

/* All zeros; or the frame of a dump that was killed: it begins with the trampoline's address. */
static bool never_used(const struct pk_foothold *f, const uint8_t bytes[PK_FRAME_MAX])
{
	if (!memcmp(bytes, &f->sigreturn, sizeof(f->sigreturn)))
		return true;
	for (size_t k = 0; k < PK_FRAME_MAX; k++)
		if (bytes[k])
			return false;
	return true;
}

static bool still_sigreturn(struct pk_proc *proc)
{
	uint8_t now[16];
	struct pk_gadgets g = {.sigreturn = -1};

	if (pk_mem_read(proc->src.pid, proc->foothold.sigreturn, now, sizeof(now), NULL) == 0)
		pk_gadgets_find(now, sizeof(now), &g);
	return g.sigreturn == 0;
}

/*
 * The lower end of the main stack is mapped early and used late, if ever: while it is all zeros, no
 * frame has been there, and what is written there disturbs nothing.
 */
static uint64_t dead_stack(struct pk_proc *proc)
{
	uint8_t bytes[PK_FRAME_MAX];
	uint64_t sp = pk_regs_sp(&proc->freeze.v[0]->regs);

	for (size_t i = 0; i < proc->src.maps.n; i++) {
		const struct pk_map *m = &proc->src.maps.v[i];

		if (strcmp(m->path, "[stack]") != 0)
			continue;
		if (m->end - m->start < PK_FRAME_MAX + STACK_MARGIN)
			return 0;
		if (sp >= m->start && sp < m->end && sp - m->start < PK_FRAME_MAX + STACK_MARGIN)
			return 0;
		if (pk_mem_read(proc->src.pid, m->start, bytes, sizeof(bytes), NULL) < 0)
			return 0;
		return never_used(&proc->foothold, bytes) ? m->start : 0;
	}
	return 0;
}

int pk_foothold_clean(struct pk_proc *proc, bool *ret_found, struct pk_error *err)
{
	int r = 0;

	*ret_found = false;
	for (size_t i = 0; i < proc->src.maps.n && r == 0; i++) {
		const struct pk_map *m = &proc->src.maps.v[i];
		size_t len;

		if (m->shared || m->path[0] || m->prot != (PROT_READ | PROT_EXEC))
			continue;
		len = pk_remote_leftover(proc->src.pid, m->start);
		if (!len)
			continue;
		const uint64_t a[6] = {m->start, len};
		int64_t ret;

		*ret_found = true;
		r = pk_remote_call(&proc->remote, proc->freeze.v[0], SYS_munmap, a, &ret, err);
	}
	return r;
}

static bool settled(struct pk_proc *proc)
{
	const struct pk_foothold *f = &proc->foothold;

	return still_there(proc, f->syscall, PK_SYSCALL_INSN, PK_SYSCALL_INSN_LEN) &&
	       (!f->sigreturn || still_sigreturn(proc));
}

int pk_foothold_settle(struct pk_proc *proc, struct pk_error *err)
{
	struct pk_foothold *f = &proc->foothold;

	/* It may have run execve(2) since, or have been too young to have anything. */
	if (!settled(proc)) {
		*f = (struct pk_foothold){0};
		pk_foothold_find(proc);
	}
	if (!still_there(proc, f->syscall, PK_SYSCALL_INSN, PK_SYSCALL_INSN_LEN)) {
		pk_fail(err, PK_E_TEMPFAIL, "pid %d: no system call instruction found in it",
			proc->src.pid);
		pk_why(err, "it was just starting, or has unmapped the vDSO and all libraries");
		return pk_try(err, "dump again in a moment");
	}
	if (!still_there(proc, f->syscall_ret, PK_SYSCALL_INSN, PK_SYSCALL_INSN_LEN))
		f->syscall_ret = 0;
	f->frame_at = f->syscall_ret && f->sigreturn ? dead_stack(proc) : 0;
	proc->remote.foothold = *f;
	return 0;
}
