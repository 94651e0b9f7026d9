/* SPDX-License-Identifier: Apache-2.0 */
/* Build ids and vDSO functions: real ones, cut ones, and ones that lie. */
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "proc/elf.h"
#include "proc_fixture.h"

/* The vDSO of this process; two pages are enough of any. */
static struct text vdso(void)
{
	const void *p = (const void *)getauxval(AT_SYSINFO_EHDR);

	if (!p)
		cr_skip_test("no vDSO");
	return text_of(p, 4096);
}

struct found {
	uint64_t clock_gettime;
	unsigned n, stop_after;
};

static bool note(const char *name, uint64_t offset, void *arg)
{
	struct found *f = arg;

	f->n++;
	if (!strcmp(name, "__vdso_clock_gettime"))
		f->clock_gettime = offset;
	return f->n != f->stop_after;
}

Test(proc_elf, vdso_functions)
{
	TEXT t = vdso();
	struct found all = {0}, one = {.stop_after = 1};

	cr_assert(pk_elf_functions(t.p, t.n, note, &all));
	cr_expect_geq(all.n, 4);
	cr_expect(all.clock_gettime > sizeof(Elf64_Ehdr));
	cr_assert(pk_elf_functions(t.p, t.n, note, &one));
	cr_expect_eq(one.n, 1);
}

/* Cut anywhere, an image is refused or gives fewer names; the sanitizer sees the rest. */
Test(proc_elf, cut_vdso)
{
	TEXT t = vdso();

	for (size_t n = 0; n < t.n; n += 3) {
		TEXT cut = text_of(t.p, n);
		struct found f = {0};

		cr_expect(!pk_elf_functions(cut.p, cut.n, note, &f) || f.n > 0, "%zu", n);
	}
}

/* Every byte of the headers and tables wrong, one at a time. */
Test(proc_elf, lying_vdso)
{
	TEXT t = vdso();

	for (size_t i = 0; i < 2048; i++) {
		char old = t.p[i];
		struct found f = {0};

		t.p[i] = (char)~old;
		pk_elf_functions(t.p, t.n, note, &f);
		t.p[i] = old;
	}
}

/* The note that the linker put into a loaded library, as its own headers have it. */
static int loaded_id(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct text *id = arg;

	(void)size;
	if (!strstr(info->dlpi_name, "libc.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const char *p = (const char *)info->dlpi_addr + ph->p_vaddr;
		const ElfW(Nhdr) *nh = (const void *)p;

		if (ph->p_type == PT_NOTE && nh->n_type == NT_GNU_BUILD_ID)
			*id = text_of(p + sizeof(*nh) + 4, nh->n_descsz);
	}
	PK_CLOSE int fd = open(info->dlpi_name, O_RDONLY);
	uint8_t got[PK_BUILD_ID_MAX];

	cr_assert_eq(pk_elf_build_id(fd, got), id->n);
	cr_expect_arr_eq(got, id->p, id->n);
	return 1;
}

Test(proc_elf, build_id)
{
	TEXT id = {0};

	cr_assert_eq(dl_iterate_phdr(loaded_id, &id), 1);
	cr_expect_gt(id.n, 0);
}

Test(proc_elf, without_build_id)
{
	PK_CLOSE int text = open("/proc/self/status", O_RDONLY);
	PK_CLOSE int empty = open("/dev/null", O_RDONLY);
	uint8_t id[PK_BUILD_ID_MAX];

	cr_expect_eq(pk_elf_build_id(text, id), 0);
	cr_expect_eq(pk_elf_build_id(empty, id), 0);
	cr_expect_eq(pk_elf_build_id(-1, id), 0);
}
