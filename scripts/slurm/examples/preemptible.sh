#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A queue whose jobs are preempted without warning and without grace time, as on spot instances. What
# counts are the checkpoints that are made every so often: no more than that time is lost. Slurm starts
# the job again by itself. With --every auto pckpt finds a time that fits what a checkpoint costs.
#
#     sbatch --partition=preempt preemptible.sh
#     COMMAND=./my_program EVERY=10m sbatch --partition=preempt --time=24:00:00 preemptible.sh
#
#SBATCH --job-name=preemptible --time=00:05:00 --ntasks=1
#SBATCH --signal=B:URG@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"
examples=$(dirname "$(pckpt slurm-lib)")/examples

pckpt_job --every "${EVERY:-auto}" -- bash -c "${COMMAND:-exec $examples/count.sh}"
