#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sqlite3 inside a transaction, fed by a pipe; another one reads when it is done.
steps=$((40 * ${SCALE:-1}))

statements() {
	echo 'PRAGMA cache_size = 40; CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT);'
	echo 'BEGIN;'
	for n in $(seq $steps); do
		echo "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1500)
			INSERT INTO t (x) SELECT hex(i * $n * 7919 % 1000003) FROM c;"
		[ $((n % 10)) -ne 0 ] || echo 'COMMIT; BEGIN;'
		echo "SELECT $n, count(*), sum(length(x)) FROM t;"
		sleep 0.01
	done
	echo 'COMMIT; CREATE INDEX ix ON t (x);'
}

statements | sqlite3 -batch base.db
sqlite3 base.db 'PRAGMA integrity_check; SELECT count(*), max(x) FROM t;'
echo "result $(sqlite3 base.db .dump | sha256sum)"
