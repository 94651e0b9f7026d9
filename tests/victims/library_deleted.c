/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that runs from a deleted shared object, as after a package update: also functions that were
 * never called before the dump, so that pages of it come in and symbols are bound only afterwards.
 */
#include <dlfcn.h>
#include <link.h>
#include <math.h>

#include "memory.h"

static void copy_file(const char *from, const char *to)
{
	int in = must(open(from, O_RDONLY)), out = must(open(to, O_WRONLY | O_CREAT, 0755));
	char buf[65536];
	ssize_t n;

	while ((n = must(read(in, buf, sizeof(buf)))) > 0)
		must_true(write(out, buf, (size_t)n) == n);
	close(in);
	close(out);
}

static void *load_deleted_copy(void)
{
	void *original = dlopen("libm.so.6", RTLD_LAZY | RTLD_LOCAL), *copy;
	struct link_map *map;

	if (!original || dlinfo(original, RTLD_DI_LINKMAP, &map) < 0)
		victim_skip("no libm.so.6 to copy");
	copy_file(map->l_name, victim_path("libcopy.so").s);
	copy = dlopen(victim_path("libcopy.so").s, RTLD_LAZY | RTLD_LOCAL);
	must_true(copy);
	must(unlink(victim_path("libcopy.so").s));
	return copy;
}

static double call(void *library, const char *name, double x)
{
	double (*f)(double) = dlsym(library, name);

	must_true(f);
	return f(x);
}

int main(void)
{
	static const char *const later[] = {"sin", "tgamma", "erf", "cbrt", "j0", "log1p", "asinh"};
	void *copy = load_deleted_copy(), *original = dlopen("libm.so.6", RTLD_LAZY);
	double (*f)(double) = dlsym(copy, "cos"), early = f(0.5);
	struct mapping before = mapping_of((void *)(uintptr_t)f), after;

	victim_ready();
	after = mapping_of((void *)(uintptr_t)f);
	expect_text(before.perms, after.perms, "protection of the code");
	expect_deleted(after.path, "code");
	expect(1, f(0.5) == early, "cos(0.5) as before");
	for (size_t i = 0; i < ARRAY_SIZE(later); i++)
		expect(1, call(copy, later[i], 0.7) == call(original, later[i], 0.7),
			"%s as of the library on disk", later[i]);
	expect(0, dlclose(copy), "dlclose");
	return victim_done();
}
