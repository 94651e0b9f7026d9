#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The first of two small scripts, without the library: submit.sh starts a program, resume.sh continues
# it. Nothing is queued again by itself.
#
#     first=$(sbatch --parsable submit.sh)
#     sbatch --dependency=afternotok:$first resume.sh
#
# pckpt run takes the place of the script's shell, so Slurm's warning comes to it. It saves the program,
# ends it, and ends with 75: the job is FAILED, which starts resume.sh. A program that ends by itself ends
# the job with its own exit code.
#
#SBATCH --job-name=submit --time=00:05:00 --ntasks=1 --signal=B:USR1@60

examples=$(dirname "$(pckpt slurm-lib)")/examples

exec pckpt run --store "${STORE:-checkpoint}" --every "${EVERY:-30m}" --on USR1:kill -- \
	bash -c "${COMMAND:-exec $examples/count.sh}"
