#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Usage: mpi.sh openmpi|mpich RANKS shm|tcp
# Messages of many sizes round a ring, and reductions; the result is a running hash of them all.
set -e
steps=$((900 * ${SCALE:-1}))
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
case $1-$3 in
# Ranks that look for each other before and after a restore find themselves in other user namespaces.
openmpi-shm) options=(--oversubscribe --mca btl "self,vader" --mca btl_vader_single_copy_mechanism none) ;;
# All that are started at the same time look for ports from 1024 on: one would take another's.
openmpi-tcp) options=(--oversubscribe --mca pml ob1 --mca btl "self,tcp" --mca btl_tcp_if_include lo
	--mca btl_tcp_port_min_v4 $((10000 + $$ % 20000)) --mca btl_tcp_port_range_v4 100) ;;
mpich-shm) options=() ;;
mpich-tcp) options=(-genv UCX_TLS "tcp,self" -genv MPIR_CVAR_NOLOCAL 1) ;;
esac
# Its ranks wait for each other without a pause, also where there are fewer CPUs.
[ "$1-$2" != mpich-4 ] || steps=$((steps / 9))

cat >ring.c <<'END'
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 1 << 17 };

static uint64_t mix(uint64_t h, const unsigned char *p, int n)
{
	for (int i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h;
}

static void fill(unsigned char *p, int n, uint64_t seed)
{
	for (int i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = (unsigned char)(seed >> 56);
	}
}

int main(int argc, char **argv)
{
	static unsigned char out[MOST], in[MOST];
	int steps = atoi(argv[1]), rank, size;
	uint64_t hash = 0xcbf29ce484222325ULL, *all;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	all = calloc((size_t)size, sizeof(*all));
	for (int step = 0; step < steps; step++) {
		int n = (step * 7919 + 1) % MOST;
		MPI_Request r[2];
		uint64_t sum;

		fill(out, n, hash + (uint64_t)rank);
		MPI_Irecv(in, n, MPI_BYTE, (rank + size - 1) % size, step, MPI_COMM_WORLD, &r[0]);
		MPI_Isend(out, n, MPI_BYTE, (rank + 1) % size, step, MPI_COMM_WORLD, &r[1]);
		MPI_Waitall(2, r, MPI_STATUSES_IGNORE);
		hash = mix(hash, in, n);
		MPI_Allreduce(&hash, &sum, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
		hash ^= sum;
		if (step % 90 == 0) {
			MPI_Gather(&hash, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
			if (rank == 0) {
				for (int i = 0; i < size; i++)
					printf("step %d rank %d %016llx\n", step, i, (unsigned long long)all[i]);
				fflush(stdout);
			}
		}
	}
	MPI_Gather(&hash, 1, MPI_UINT64_T, all, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
	for (int i = 0; rank == 0 && i < size; i++)
		printf("result %d %016llx\n", i, (unsigned long long)all[i]);
	fflush(stdout);
	MPI_Barrier(MPI_COMM_WORLD);
	while (argc > 2)
		pause();
	MPI_Finalize();
	return 0;
}
END
"mpicc.$1" -O2 -w -o ring ring.c
run=("mpirun.$1" "${options[@]}" -n "$2" ./ring "$steps")
[ "$1-$3" = mpich-tcp ] || exec "${run[@]}"

# Not through MPI_Finalize: over TCP a rank that is through with it waits without hearing the others,
# which wait for its answer. Where there are fewer CPUs than ranks that happens every other time.
: >out
"${run[@]}" stay >>out 2>err &
until [ "$(grep -sc '^result' out)" = "$2" ]; do
	sleep 0.05
	kill -0 $! || break
done
grep '^step\|^result' out
cat err >&2
kill $!
wait || true
