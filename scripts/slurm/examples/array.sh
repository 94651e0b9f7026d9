#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# An array: each task has a store of its own, pckpt-ARRAY_TASK, and is saved and queued again by itself.
#
#     sbatch array.sh
#     COMMAND='./my_program input.$SLURM_ARRAY_TASK_ID' sbatch --array=1-100 --time=24:00:00 array.sh
#
#SBATCH --job-name=array --time=00:05:00 --ntasks=1 --array=1-4
#SBATCH --signal=B:URG@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"
examples=$(dirname "$(pckpt slurm-lib)")/examples

pckpt_job --every "${EVERY:-30m}" --clean -- bash -c "${COMMAND:-exec $examples/count.sh}"
