/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says of how the program was started: arguments (one written over since), environment,
 * executable, auxiliary vector, and the bounds of code, data, stack, arguments and environment.
 */
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "victim.h"

#define TEXT 65536

static const char *const files[] = {
	"/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv", "/proc/self/comm"};
static char before[ARRAY_SIZE(files)][TEXT], after[TEXT];
static const int stat_fields[] = {26, 27, 28, 45, 46, 47, 48, 49, 50, 51};

/* A field of /proc/self/stat, numbered as in proc(5). */
static unsigned long long stat_field(int n)
{
	char text[1024], *p;

	p = strrchr(read_text("/proc/self/stat", text, sizeof(text)), ')');
	must_true(p);
	for (int i = 2; i < n; i++) {
		p = strchr(p + 1, ' ');
		must_true(p);
	}
	return strtoull(p, NULL, 10);
}

static void expect_auxv(void)
{
	const unsigned long *entry = (unsigned long *)before[2];

	for (; entry[0] != AT_NULL; entry += 2) {
		if (entry[0] != AT_HWCAP && entry[0] != AT_HWCAP2) /* libc has its own idea */
			expect((long long)entry[1], (long long)getauxval(entry[0]),
				"getauxval(%lu)", entry[0]);
	}
}

int main(int argc, char **argv)
{
	unsigned long long fields[ARRAY_SIZE(stat_fields)];
	char exe[512], found[512];

	if (argc == 1) {
		must(setenv("VICTIM_WORD", "an environment of its own", 1));
		must(execl("/proc/self/exe", "name of its own", "one", "", "two words", NULL));
	}
	argv[1][0] = 'O';
	for (size_t i = 0; i < ARRAY_SIZE(stat_fields); i++)
		fields[i] = stat_field(stat_fields[i]);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		read_text(files[i], before[i], TEXT);
	read_link("/proc/self/exe", exe, sizeof(exe));
	victim_ready();
	if (victim_broken())
		argv[1][0] = 'Q';
	for (size_t i = 0; i < ARRAY_SIZE(stat_fields); i++)
		expect((long long)fields[i], (long long)stat_field(stat_fields[i]),
			"field %d of /proc/self/stat", stat_fields[i]);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		memset(after, 0, TEXT);
		expect_bytes(before[i], read_text(files[i], after, TEXT), TEXT, "%s", files[i]);
	}
	expect_auxv();
	expect_text(exe, read_link("/proc/self/exe", found, sizeof(found)), "/proc/self/exe");
	return victim_done();
}
