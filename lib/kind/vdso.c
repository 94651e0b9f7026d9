/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO: code of the kernel's in every process, whose address programs keep, and the data pages
 * before it, which only that kernel's code understands.
 *
 * Where the restoring kernel has the same code and layout, its own vDSO is moved to the old place.
 * Otherwise the recorded code comes back as ordinary memory with each function beginning with a
 * jump to the same function of the live vDSO, which stays where it was parked. A function that the
 * live one lacks makes the system call instead.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "kind/mapflags.h"
#include "proc/elf.h"
#include "ptrace/mem.h"

struct vdso {
	struct pk_bytes code;
	uint64_t start;
	struct pk_list vvar; /* struct pk_range, ascending */
};

static bool is_code(const char *path)
{
	return !strcmp(path, "[vdso]");
}

static bool match(const struct pk_view *v)
{
	return is_code(v->map->path) || !strncmp(v->map->path, "[vvar", 5);
}

static int collect(struct pk_view *v, void *obj, struct pk_error *err)
{
	struct vdso *d = obj;

	for (size_t i = 0; i < v->src->maps.n; i++) {
		const struct pk_map *m = &v->src->maps.v[i];
		struct pk_range *s;

		if (is_code(m->path)) {
			d->start = m->start;
			d->code.n = m->end - m->start;
		} else if (!strncmp(m->path, "[vvar", 5)) {
			s = pk_list_add(&d->vvar, &pk_range_type);
			if (!s)
				return pk_fail_errno(err, "vDSO");
			*s = (struct pk_range){m->start, m->end};
		}
	}
	d->code.p = malloc(d->code.n ? d->code.n : 1);
	if (!d->code.p)
		return pk_fail_errno(err, "vDSO");
	return pk_mem_read(v->src->pid, d->start, d->code.p, d->code.n, err);
}

/* Same code, and data pages of the same sizes at the same distances. */
static bool same(const struct vdso *d, const struct pk_vdso_here *h)
{
	const struct pk_range *was = d->vvar.p;

	if (d->code.n != h->vdso.end - h->vdso.start ||
		memcmp(d->code.p, h->code, d->code.n) != 0 || d->vvar.n != h->n_vvar)
		return false;
	for (size_t i = 0; i < h->n_vvar; i++)
		if (h->vvar[i].start - h->vdso.start != was[i].start - d->start ||
			h->vvar[i].end - h->vdso.start != was[i].end - d->start)
			return false;
	return true;
}

static void move(struct pk_plan *p, const struct pk_range *from, uint64_t to)
{
	uint64_t len = from->end - from->start;

	pk_plan_call(p, PK_PH_MAP, 0,
		&(struct pk_call){
			.nr = SYS_mremap,
			.a = {pk_num(from->start), pk_num(len), pk_num(len),
				pk_num(MREMAP_MAYMOVE | MREMAP_FIXED), pk_num(to)},
			.check = PK_CHECK_EQUAL,
			.want = (int64_t)to,
		});
}

/* What programs call, and the system call that does the same. */
static long call_of(const char *name)
{
	static const struct {
		const char *name;
		long nr;
	} calls[] = {
		{"clock_gettime", SYS_clock_gettime},
		{"gettimeofday", SYS_gettimeofday},
		{"time", SYS_time},
		{"getcpu", SYS_getcpu},
		{"clock_getres", SYS_clock_getres},
		{"getrandom", SYS_getrandom},
	};

	if (!strncmp(name, "__vdso_", 7))
		name += 7;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(name, calls[i].name))
			return calls[i].nr;
	return -1;
}

struct find {
	const char *name;
	uint64_t offset;
	bool found;
};

static bool find_one(const char *name, uint64_t offset, void *arg)
{
	struct find *f = arg;

	if (strcmp(name, f->name) != 0)
		return true;
	f->offset = offset;
	f->found = true;
	return false;
}

struct redirect {
	uint8_t *code;
	size_t len;
	const struct pk_vdso_here *here;
};

/* movabs $to, %rax; jmp *%rax */
static void put_jump(uint8_t *at, uint64_t to)
{
	memcpy(at, "\x48\xb8", 2);
	memcpy(at + 2, &to, sizeof(to));
	memcpy(at + 10, "\xff\xe0", 2);
}

/* mov $nr, %eax; syscall; ret */
static void put_call(uint8_t *at, uint32_t nr)
{
	at[0] = 0xb8;
	memcpy(at + 1, &nr, sizeof(nr));
	memcpy(at + 5, "\x0f\x05\xc3", 3);
}

static bool redirect_one(const char *name, uint64_t offset, void *arg)
{
	enum { JUMP_LEN = 12 };
	struct redirect *r = arg;
	struct find f = {.name = name};

	if (offset > r->len || r->len - offset < JUMP_LEN)
		return true;
	pk_elf_functions(r->here->code, r->here->vdso.end - r->here->vdso.start, find_one, &f);
	/* getrandom's state, in the program's memory, has a form that only its own kernel knows. */
	if (f.found && !strstr(name, "getrandom"))
		put_jump(r->code + offset, r->here->vdso.start + f.offset);
	else if (call_of(name) >= 0)
		put_call(r->code + offset, (uint32_t)call_of(name));
	return true;
}

static int map_redirected(
	struct pk_plan *p, const struct pk_vma *vma, const struct vdso *d, struct pk_error *err)
{
	PK_FREE uint8_t *code = malloc(d->code.n);
	struct redirect r = {.code = code, .len = d->code.n, .here = &p->target->vdso};

	if (!code)
		return pk_fail_errno(err, "vDSO");
	memcpy(code, d->code.p, d->code.n);
	if (!pk_elf_functions(d->code.p, d->code.n, redirect_one, &r)) {
		pk_fail(err, PK_E_IMAGE, "the recorded vDSO");
		return pk_why(err, "its symbols cannot be read");
	}
	pk_map_call(p,
		&(struct pk_vma){
			.start = vma->start, .end = vma->end, .prot = PROT_READ | PROT_WRITE},
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pk_plan_patch(p, vma->start, code, d->code.n);
	pk_plan_call(p, PK_PH_PROTECT, 0,
		&(struct pk_call){
			.nr = SYS_mprotect,
			.a = {pk_num(vma->start), pk_num(vma->end - vma->start),
				pk_num(PROT_READ | PROT_EXEC)},
			.check = PK_CHECK_OK,
		});
	return 0;
}

static int map(
	struct pk_plan *p, const struct pk_vma *vma, const struct pk_obj *o, struct pk_error *err)
{
	const struct vdso *d = o->data;
	struct pk_vdso_here *h = &p->target->vdso;
	const struct pk_range *was = d->vvar.p;

	if (!p->target->redirect_vdso && same(d, h)) {
		if (vma->start == d->start)
			move(p, &h->vdso, vma->start);
		for (size_t i = 0; i < h->n_vvar; i++)
			if (was[i].start == vma->start)
				move(p, &h->vvar[i], vma->start);
		return 0;
	}
	return vma->start == d->start ? map_redirected(p, vma, d, err) : 0;
}

#define D struct vdso
static const struct pk_type type = {
	.name = "vdso",
	.id = 21,
	.size = sizeof(D),
	.fields =
		(const struct pk_field[]){
			PK_FIELD(D, 1, PK_F_BYTES, code, "the ELF image that the kernel maps"),
			PK_FIELD(D, 2, PK_F_U64, start, "its address"),
			PK_FIELD_LIST(D, 3, vvar, &pk_range_type, "the data pages, ascending"),
			PK_FIELD_END,
		},
};

const struct pk_kind pk_kind_vdso = {
	.type = &type,
	.level = PK_LV_MAPPING,
	.summary = "the vDSO, also when the restoring kernel's is another",
	.match = match,
	.collect = collect,
	.map = map,
};
