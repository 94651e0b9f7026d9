/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count N MILLISECONDS [OPTION...]: prints 1 .. N, a line for each with a pause after it, and a
 *last line with a hash over all of them.
 *
 *	--result FILE	writes the last line to FILE, too
 *	--exit CODE	ends with CODE
 *	--segv		ends by SIGSEGV
 *	--mib M		has M MiB of memory that is hard to compress, and changes it as it goes
 *	--rank		"RANK LINE" on each line, RANK being $SLURM_PROCID
 *	--go FILE	no more pauses as soon as FILE is there
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/resource.h>

struct options {
	long n;
	long milliseconds;
	const char *result;
	int code;
	int segv;
	size_t words;
	const char *rank;
	const char *go;
};

/* One round of splitmix64. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	uint64_t z = (hash ^ value) + 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{"result", required_argument, NULL, 'r'},
		{"exit", required_argument, NULL, 'e'},
		{"segv", no_argument, NULL, 's'},
		{"mib", required_argument, NULL, 'm'},
		{"rank", no_argument, NULL, 'k'},
		{"go", required_argument, NULL, 'g'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == 'r')
			o->result = optarg;
		else if (c == 'e')
			o->code = atoi(optarg);
		else if (c == 's')
			o->segv = 1;
		else if (c == 'm')
			o->words = (size_t)atol(optarg) << 17;
		else if (c == 'k')
			o->rank = getenv("SLURM_PROCID");
		else if (c == 'g')
			o->go = optarg;
		else
			exit(2);
	}
	if (argc - optind != 2)
		exit(2);
	o->n = atol(argv[optind]);
	o->milliseconds = atol(argv[optind + 1]);
}

static void pause_for(long milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0)
		continue;
}

static uint64_t *make_memory(size_t words)
{
	uint64_t *memory = words ? malloc(words * sizeof(*memory)) : NULL;
	uint64_t value = 0;

	if (words && !memory)
		exit(3);
	for (size_t i = 0; i < words; i++)
		memory[i] = value = mix(value, i);
	return memory;
}

static uint64_t run(const struct options *o)
{
	uint64_t *memory = make_memory(o->words);
	uint64_t hash = 0;

	for (long i = 1; i <= o->n; i++) {
		hash = mix(hash, (uint64_t)i);
		if (memory)
			hash = mix(hash, memory[hash % o->words]++);
		if (o->rank)
			printf("%s ", o->rank);
		printf("%ld\n", i);
		if (!o->go || access(o->go, F_OK) != 0)
			pause_for(o->milliseconds);
	}
	free(memory);
	return hash;
}

static int finish(const struct options *o, uint64_t hash)
{
	FILE *file = o->result ? fopen(o->result, "w") : NULL;

	if (o->rank)
		printf("%s ", o->rank);
	printf("result %016" PRIx64 "\n", hash);
	if (o->result &&
		(!file || fprintf(file, "result %016" PRIx64 "\n", hash) < 0 || fclose(file)))
		return 3;
	if (o->segv) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	return o->code;
}

int main(int argc, char **argv)
{
	struct options o = {0};

	parse(argc, argv, &o);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return finish(&o, run(&o));
}
