#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: count.sh [N [SECONDS]]
#
# The program of these examples: prints 1 to N, one line every so many seconds, and knows nothing of
# checkpoints. Every number must come once, in order, however often its job is interrupted.
for ((i = 1; i <= ${1:-600}; i++)); do
	echo "$i"
	sleep "${2:-1}"
done
