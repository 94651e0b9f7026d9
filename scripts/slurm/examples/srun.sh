#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Several tasks on several nodes, started by srun. They are saved at the same time, each into its own
# store below the job's; a checkpoint counts when those of all tasks are complete. The tasks must not be
# connected with each other (MPI). The job's directory must be the same on all nodes.
#
#     sbatch srun.sh
#     COMMAND='./my_program input.$SLURM_PROCID' sbatch --nodes=4 --ntasks=64 --time=24:00:00 srun.sh
#
#SBATCH --job-name=srun --time=00:05:00 --nodes=2 --ntasks=4
#SBATCH --signal=B:URG@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"
examples=$(dirname "$(pckpt slurm-lib)")/examples

pckpt_job --every "${EVERY:-30m}" --srun --srun-args "${SRUN_ARGS:---label}" -- \
	bash -c "${COMMAND:-exec $examples/count.sh}"
