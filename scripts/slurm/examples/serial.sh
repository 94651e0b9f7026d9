#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A program of one process.
#
#     sbatch serial.sh
#     COMMAND='./my_program input.txt' EVERY=1h sbatch --time=24:00:00 serial.sh
#
#SBATCH --job-name=serial --time=00:05:00 --ntasks=1
#SBATCH --signal=B:URG@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"
examples=$(dirname "$(pckpt slurm-lib)")/examples

pckpt_job --every "${EVERY:-30m}" -- bash -c "${COMMAND:-exec $examples/count.sh}"
