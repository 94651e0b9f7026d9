#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A program with threads. It may be continued on other CPUs; their number stays what it was.
#
#     sbatch openmp.sh
#     COMMAND=./my_program sbatch --cpus-per-task=16 --time=24:00:00 openmp.sh
#
#SBATCH --job-name=openmp --time=00:05:00 --ntasks=1 --cpus-per-task=2
#SBATCH --signal=B:URG@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"
examples=$(dirname "$(pckpt slurm-lib)")/examples

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
if [ -z "${COMMAND:-}" ]; then
	[ -x ./pi ] || cc -O2 -fopenmp -o pi "$examples/pi.c" || exit
	COMMAND="exec ./pi ${STEPS:-400}"
fi
pckpt_job --every "${EVERY:-30m}" -- bash -c "$COMMAND"
