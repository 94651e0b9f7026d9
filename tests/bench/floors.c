/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floors MIB TMPFS DISK: how fast this machine does what a dump and a restore consist of, each step
 * on its own and all of them in a row, with one thread and with two. Prints a JSON object: seconds
 * per GiB of memory, {"step": [one thread, two threads], ...}.
 */
#include <fcntl.h>
#include <lz4.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mix.h"

enum { PIECE = 256 << 10, PACKED = LZ4_COMPRESSBOUND(PIECE), PAGE = 4096, MAX_THREADS = 2 };

/* A thread's buffers: they stay in its cache. */
struct buffers {
	char raw[PIECE], packed[PACKED];
};

typedef void piece_fn(size_t i, struct buffers *b);

static char *memory, *fresh, *packed;
static int *packed_size;
static off_t *packed_at;
static size_t pieces;
static const char *separator = "{";
static char path[4096];
static pid_t child;
static int file = -1;

static _Atomic size_t next_piece;
static piece_fn *todo;

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void copy(size_t i, struct buffers *b)
{
	(void)b;
	memcpy(fresh + i * PIECE, memory + i * PIECE, PIECE);
}

static void read_child(size_t i, struct buffers *b)
{
	struct iovec to = {b->raw, PIECE}, from = {memory + i * PIECE, PIECE};

	if (process_vm_readv(child, &to, 1, &from, 1, 0) != PIECE)
		die("process_vm_readv");
}

static int compress_to(const char *raw, char *to)
{
	return LZ4_compress_default(raw, to, PIECE, PACKED);
}

static void compress(size_t i, struct buffers *b)
{
	compress_to(memory + i * PIECE, b->packed);
}

static void decompress_to(size_t i, const char *from, char *to)
{
	if (LZ4_decompress_safe(from, to, packed_size[i], PIECE) != PIECE)
		die("LZ4_decompress_safe");
}

static void decompress(size_t i, struct buffers *b)
{
	decompress_to(i, packed + i * PACKED, b->raw);
}

static void touch(size_t i, struct buffers *b)
{
	(void)b;
	for (size_t at = 0; at < PIECE; at += PAGE)
		((volatile char *)fresh)[i * PIECE + at] = 1;
}

static void write_piece(size_t i, const char *from)
{
	if (pwrite(file, from, (size_t)packed_size[i], packed_at[i]) != packed_size[i])
		die("pwrite");
}

static void write_packed(size_t i, struct buffers *b)
{
	(void)b;
	write_piece(i, packed + i * PACKED);
}

static void dump(size_t i, struct buffers *b)
{
	read_child(i, b);
	compress_to(b->raw, b->packed);
	write_piece(i, b->packed);
}

static void restore(size_t i, struct buffers *b)
{
	if (pread(file, b->packed, (size_t)packed_size[i], packed_at[i]) != packed_size[i])
		die("pread");
	decompress_to(i, b->packed, fresh + i * PIECE);
}

static void *work(void *arg)
{
	struct buffers *b = arg;

	for (size_t i; (i = atomic_fetch_add(&next_piece, 1)) < pieces;)
		todo(i, b);
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds per GiB that some threads take for all pieces. */
static double run(piece_fn *step, int threads)
{
	static struct buffers buffers[MAX_THREADS];
	pthread_t thread[MAX_THREADS];
	double start = seconds();

	todo = step;
	next_piece = 0;
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, work, &buffers[i]);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	if (file >= 0)
		fdatasync(file);
	return (seconds() - start) * (1 << 30) / ((double)pieces * PIECE);
}

/* The better of two times with each number of threads: in a virtual machine the host may have to
 * find the memory first. */
static void measure(const char *name, double time_step(piece_fn *, int), piece_fn *step)
{
	printf("%s\"%s\": [", separator, name);
	for (int threads = 1; threads <= MAX_THREADS; threads++) {
		double first = time_step(step, threads), second = time_step(step, threads);

		printf("%s%.4f", threads > 1 ? ", " : "", first < second ? first : second);
	}
	printf("]");
	separator = ",\n ";
}

/* With untouched memory to write to. */
static double run_fresh(piece_fn *step, int threads)
{
	double result;

	fresh = new_memory(pieces * PIECE);
	if (!fresh)
		die("mmap");
	if (step == copy)
		run(touch, MAX_THREADS);
	result = run(step, threads);
	munmap(fresh, pieces * PIECE);
	return result;
}

/* With a new file, until it is on the medium. */
static double run_file(piece_fn *step, int threads)
{
	close(file);
	unlink(path);
	file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (file < 0)
		die(path);
	return run(step, threads);
}

static void fill(void)
{
	for (size_t i = 0; i < pieces * (PIECE / RUN); i++)
		fill_run((uint64_t *)(memory + i * RUN), i);
}

/* To be read: a process with pages of its own. Shared ones process_vm_readv would copy first. */
static void start_child(void)
{
	int status;

	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill();
		raise(SIGSTOP);
		_exit(EXIT_SUCCESS);
	}
	if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
		die("waitpid");
}

static void prepare(size_t mib)
{
	pieces = mib * ((1 << 20) / PIECE);
	memory = new_memory(pieces * PIECE);
	packed = new_memory(pieces * PACKED);
	packed_size = calloc(pieces, sizeof(packed_size[0]));
	packed_at = calloc(pieces + 1, sizeof(packed_at[0]));
	if (!memory || !packed || !packed_size || !packed_at)
		die("memory");
	start_child();
	fill();
	for (size_t i = 0; i < pieces; i++) {
		packed_size[i] = compress_to(memory + i * PIECE, packed + i * PACKED);
		packed_at[i + 1] = packed_at[i] + packed_size[i];
	}
}

static void measure_medium(const char *medium, const char *folder)
{
	char name[64];

	snprintf(path, sizeof(path), "%s/floors.data", folder);
	snprintf(name, sizeof(name), "write to %s", medium);
	measure(name, run_file, write_packed);
	snprintf(name, sizeof(name), "read + LZ4 + write to %s", medium);
	measure(name, run_file, dump);
	/* What that left is what a restore reads. */
	snprintf(name, sizeof(name), "LZ4 decode from %s + page faults", medium);
	measure(name, run_fresh, restore);
	close(file);
	file = -1;
	unlink(path);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: floors MIB TMPFS DISK\n");
		return 2;
	}
	prepare(strtoul(argv[1], NULL, 10));
	measure("memcpy", run_fresh, copy);
	measure("read (process_vm_readv)", run, read_child);
	measure("LZ4 compress", run, compress);
	measure("LZ4 decompress", run, decompress);
	measure("page faults (first touch)", run_fresh, touch);
	measure_medium("tmpfs", argv[2]);
	measure_medium("disk", argv[3]);
	printf("}\n");
	kill(child, SIGKILL);
	return EXIT_SUCCESS;
}
