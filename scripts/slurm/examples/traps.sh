#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Traps written by hand, with the parts of the library: for scripts that do something of their own when the
# warning comes.
#
#     sbatch traps.sh
#     COMMAND=./my_program sbatch --time=24:00:00 traps.sh
#
#SBATCH --job-name=traps --time=00:05:00 --ntasks=1
#SBATCH --signal=B:USR1@60 --requeue --open-mode=append

source "$(pckpt slurm-lib)"

# Traps first: with a long lead the warning comes in the first second. A trap only takes a note, and
# pckpt_wait calls save.
save() {
	echo "warned, $(pckpt_time_left) s are left"
	pckpt_dump --kill || return # the program runs on
	pckpt_requeue || echo "saved; to go on: sbatch again, with the same STORE"
}
trap 'pckpt_on_signal USR1 save' USR1
trap 'pckpt_on_signal TERM' TERM # finds out why, and does what fits

examples=$(dirname "$(pckpt slurm-lib)")/examples

pckpt_start_or_restore --store "${STORE:-$SLURM_SUBMIT_DIR/pckpt-$SLURM_JOB_ID}" --every "${EVERY:-30m}" -- \
	bash -c "${COMMAND:-exec $examples/count.sh}"
pckpt_wait # in a loop inside, until the program has really ended
code=$?

echo "the program ended with $code"
exit $code
