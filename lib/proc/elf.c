/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/elf.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

static bool header_ok(const Elf64_Ehdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == ELFDATA2LSB && h->e_phentsize == sizeof(Elf64_Phdr);
}

/* The build id in a segment of notes: name size, descriptor size, type, name, descriptor. */
static size_t id_in_notes(const uint8_t *notes, size_t n, uint8_t id[PK_BUILD_ID_MAX])
{
	struct pk_cur c = pk_cur_of(notes, n);

	while (pk_cur_left(&c) >= sizeof(Elf64_Nhdr)) {
		uint32_t name_len = pk_cur_u32(&c), desc_len = pk_cur_u32(&c),
			 type = pk_cur_u32(&c);
		const char *name = pk_cur_take(&c, ((size_t)name_len + 3) & ~(size_t)3);
		const void *desc = pk_cur_take(&c, ((size_t)desc_len + 3) & ~(size_t)3);

		if (!desc || !name)
			return 0;
		if (type != NT_GNU_BUILD_ID || name_len != 4 || memcmp(name, "GNU", 4) != 0)
			continue;
		if (desc_len > PK_BUILD_ID_MAX)
			return 0;
		memcpy(id, desc, desc_len);
		return desc_len;
	}
	return 0;
}

size_t pk_elf_build_id(int fd, uint8_t id[PK_BUILD_ID_MAX])
{
	uint8_t notes[4096];
	Elf64_Ehdr h;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || !header_ok(&h))
		return 0;
	for (unsigned i = 0; i < h.e_phnum && i < 256; i++) {
		Elf64_Phdr ph;
		off_t at = (off_t)(h.e_phoff + i * sizeof(ph));
		ssize_t n;
		size_t found;

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			return 0;
		if (ph.p_type != PT_NOTE || ph.p_filesz > sizeof(notes))
			continue;
		n = pread(fd, notes, ph.p_filesz, (off_t)ph.p_offset);
		found = n > 0 ? id_in_notes(notes, (size_t)n, id) : 0;
		if (found)
			return found;
	}
	return 0;
}

/* An image in memory, by addresses that its program headers promise. */
struct image {
	const uint8_t *p;
	size_t n;
	uint64_t bias; /* address of p in the headers' terms */
};

static const void *at(const struct image *im, uint64_t addr, uint64_t len)
{
	uint64_t off = addr - im->bias;

	return off <= im->n && len <= im->n - off ? im->p + off : NULL;
}

struct dynamic {
	uint64_t symtab, strtab, strsz, hash;
};

static bool read_headers(struct image *im, struct dynamic *d)
{
	const Elf64_Ehdr *h = (const void *)im->p;
	const Elf64_Phdr *dyn = NULL, *load = NULL;

	if (im->n < sizeof(*h) || !header_ok(h) || h->e_phoff > im->n || h->e_phoff % 8 ||
		h->e_phnum > (im->n - h->e_phoff) / sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < h->e_phnum; i++) {
		const Elf64_Phdr *ph = (const Elf64_Phdr *)(im->p + h->e_phoff) + i;

		if (ph->p_type == PT_DYNAMIC)
			dyn = ph;
		if (ph->p_type == PT_LOAD && !load)
			load = ph;
	}
	if (!dyn || !load)
		return false;
	im->bias = load->p_vaddr - load->p_offset;
	for (uint64_t i = 0; i + sizeof(Elf64_Dyn) <= dyn->p_memsz; i += sizeof(Elf64_Dyn)) {
		const Elf64_Dyn *e = at(im, dyn->p_vaddr + i, sizeof(*e));

		if (!e || (uintptr_t)e % 8)
			return false;
		if (e->d_tag == DT_NULL)
			break;
		if (e->d_tag == DT_SYMTAB)
			d->symtab = e->d_un.d_ptr;
		if (e->d_tag == DT_STRTAB)
			d->strtab = e->d_un.d_ptr;
		if (e->d_tag == DT_STRSZ)
			d->strsz = e->d_un.d_val;
		if (e->d_tag == DT_HASH)
			d->hash = e->d_un.d_ptr;
	}
	return d->symtab && d->strtab;
}

/*
 * How many symbols: DT_HASH says (nchain). A vDSO without one has its string table right behind the
 * symbols, as linkers lay them out.
 */
static uint64_t count_symbols(const struct image *im, const struct dynamic *d)
{
	const uint32_t *hash = d->hash ? at(im, d->hash, 8) : NULL;

	if (hash && (uintptr_t)hash % 4 == 0)
		return hash[1];
	return d->strtab > d->symtab ? (d->strtab - d->symtab) / sizeof(Elf64_Sym) : 0;
}

bool pk_elf_functions(const void *image, size_t n,
	bool (*fn)(const char *name, uint64_t offset, void *arg), void *arg)
{
	struct image im = {.p = image, .n = n};
	struct dynamic d = {0};
	const char *strings;
	uint64_t count;

	if (!read_headers(&im, &d))
		return false;
	strings = at(&im, d.strtab, d.strsz);
	count = count_symbols(&im, &d);
	if (!strings || count > n / sizeof(Elf64_Sym))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		const Elf64_Sym *s = at(&im, d.symtab + i * sizeof(*s), sizeof(*s));

		if (!s || (uintptr_t)s % 8)
			return false;
		if (s->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s->st_info) != STT_FUNC ||
			s->st_name >= d.strsz ||
			!memchr(strings + s->st_name, '\0', d.strsz - s->st_name))
			continue;
		if (!fn(strings + s->st_name, s->st_value - im.bias, arg))
			break;
	}
	return true;
}
