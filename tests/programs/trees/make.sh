#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make -j 3 of a small project in C, which prints what it computes.
# shellcheck disable=SC2028
set -e
modules=$((12 * ${SCALE:-1}))

module() {
	echo '#include <stdio.h>'
	echo '#include <stdlib.h>'
	echo '#include <string.h>'
	for f in $(seq 1 20); do
		echo "int f${1}_$f(const char *s) { char b[64]; int n = $f;"
		echo "	snprintf(b, sizeof(b), \"%s %d\", s, n);"
		echo "	for (char *c = b; *c; c++) n = n * 31 + *c + $1; return abs(n % 9973); }"
	done
}

mkdir -p src
for i in $(seq 1 $modules); do
	module "$i" >"src/m$i.c"
done
{
	echo '#include <stdio.h>'
	for i in $(seq 1 $modules); do echo "int f${i}_7(const char *s);"; done
	echo 'int main(void) {'
	for i in $(seq 1 $modules); do echo "printf(\"result $i %d\\n\", f${i}_7(\"pckpt\"));"; done
	echo 'return 0; }'
} >src/main.c
cat >Makefile <<'END'
objects := $(patsubst src/%.c,%.o,$(wildcard src/*.c))
program: $(objects)
	gcc -o $@ $^
%.o: src/%.c
	gcc -O2 -c -o $@ $<
END
make -s -j 3
./program
sha256sum ./*.o | sort -k 2
