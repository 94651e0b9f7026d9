#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The second of two small scripts: continues what submit.sh has started and saved, or fails when there is
# nothing. See submit.sh. Output goes to this job's own file.
#
#SBATCH --job-name=resume --time=00:05:00 --ntasks=1 --signal=B:USR1@60

store=${STORE:-checkpoint}
examples=$(dirname "$(pckpt slurm-lib)")/examples

pckpt verify "$store" || exit
exec pckpt run --store "$store" --every "${EVERY:-30m}" --on USR1:kill -- \
	bash -c "${COMMAND:-exec $examples/count.sh}"
