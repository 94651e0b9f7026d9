/* SPDX-License-Identifier: Apache-2.0 */
#include "kind/mapflags.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define HUGE_SHIFT 26 /* MAP_HUGE_SHIFT */

uint32_t pk_map_prot(const struct pk_vma *vma)
{
	if (!vma->stored || vma->shared)
		return vma->prot;
	return vma->prot | PROT_READ | PROT_WRITE;
}

static uint32_t flags_of(const struct pk_vma *vma)
{
	uint32_t flags = MAP_FIXED_NOREPLACE;

	if (vma->flags & PK_VM(nr))
		flags |= MAP_NORESERVE;
	if (vma->flags & PK_VM(gd))
		flags |= MAP_GROWSDOWN;
	if (vma->flags & PK_VM(ht))
		flags |= MAP_HUGETLB | (uint32_t)__builtin_ctz(vma->page_size) << HUGE_SHIFT;
	return flags;
}

void pk_map_call(
	struct pk_plan *p, const struct pk_vma *vma, uint32_t flags, int fd, uint64_t offset)
{
	/* The page size of a hugetlb file is the file's: MAP_HUGETLB is for anonymous memory only.
	 */
	uint32_t own = flags_of(vma) & (fd < 0 ? ~0u : (1u << HUGE_SHIFT) - 1 - MAP_HUGETLB);

	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mmap,
			.a = {pk_num(vma->start), pk_num(vma->end - vma->start),
				pk_num(pk_map_prot(vma)), pk_num(flags | own),
				pk_num((uint64_t)(int64_t)fd), pk_num(offset)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)vma->start,
		});
}

void pk_map_path(struct pk_plan *p, const struct pk_vma *vma, const char *path)
{
	struct pk_script *s = pk_plan_script(p, PK_PH_MAP, 0);
	/* A shared mapping that may be made writable needs a file open for writing. */
	int mode = vma->shared && vma->flags & PK_VM(mw) ? O_RDWR : O_RDONLY;
	struct pk_arg name = pk_addr(pk_script_str(s, path));

	pk_script_call(s, &(struct pk_call){.nr = SYS_openat,
				  .a = {pk_num((uint64_t)AT_FDCWD), name, pk_num((uint64_t)mode)},
				  .check = PK_CHECK_EQUAL});
	pk_map_call(p, vma, vma->shared ? MAP_SHARED : MAP_PRIVATE, 0, vma->offset);
	pk_script_call(
		s, &(struct pk_call){.nr = SYS_close, .a = {pk_num(0)}, .check = PK_CHECK_OK});
}
