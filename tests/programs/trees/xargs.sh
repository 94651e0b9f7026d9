#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# xargs -P: four at a time, hundreds of short processes.
# shellcheck disable=SC2012,SC2016
set -e
mkdir parts
seq $((300 * ${SCALE:-1})) | xargs -P 4 -n 2 sh -c '
	sleep 0.01
	for n; do seq "$n" "$((n + 500))" | cksum >parts/"$n"; done' sh
for n in $(ls parts | sort -n); do
	echo "part $n $(cat parts/"$n")"
done
echo "result $(cat parts/* | sha256sum)"
