#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pipeline of loops: each line passes four processes, and each makes more for every line.
steps=$((20 * ${SCALE:-1}))

number() {
	local n=0
	while sleep 0.04; do
		n=$((n + 1))
		echo "step $n"
		[ $n -lt $steps ] || break
	done
}

hash() {
	while read -r line; do
		echo "$line $(printf '%s' "$line" | sha256sum | cut -c 1-16)"
	done
}

number | hash | tee copy | awk '{ print; fflush() }'
echo "status ${PIPESTATUS[*]}"
echo "result $(sha256sum <copy)"
