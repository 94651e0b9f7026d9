#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gcc compiles one large file, through its driver: cc1, as and ld, with temporary files.
# shellcheck disable=SC2028
set -e
{
	echo '#include <stdio.h>'
	echo '#include <stdlib.h>'
	for f in $(seq $((220 * ${SCALE:-1}))); do
		echo "static int f$f(int n, int *v) { int s = 0; for (int i = 0; i < n; i++) {"
		echo "	v[i] = (v[i] * $f + i) % 1009; if (v[i] & 1) s += v[i] / ($f + 1); else s ^= i;"
		echo "	switch (s % 5) { case 0: s += 3; break; case 1: s -= $f; break; default: s++; } } return s; }"
	done
	echo 'int main(void) { int v[64] = {0}; long s = 0;'
	for f in $(seq $((220 * ${SCALE:-1}))); do echo "s = s * 31 + f$f(64, v);"; done
	echo 'printf("result %ld\n", s); return 0; }'
} >large.c
gcc -O2 -o large large.c
./large
sha256sum large
