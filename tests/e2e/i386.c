/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 32-bit program, without a libc: makes a file `ready` in its directory, waits for a file `go`,
 * and ends with 0.
 */
enum { EXIT = 1, ACCESS = 33, MKNOD = 14, NANOSLEEP = 162 };

void _start(void);

static long call(long nr, const void *a, long b)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(0) : "memory");
	return ret;
}

void _start(void)
{
	const struct {
		long s, ns;
	} pause = {0, 5000000};

	call(MKNOD, "ready", 0100666);
	while (call(ACCESS, "go", 0) < 0)
		call(NANOSLEEP, &pause, 0);
	call(EXIT, 0, 0);
}
