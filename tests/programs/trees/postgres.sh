#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL in a cluster of its own, pgbench over a Unix socket; what the bank has is consistent.
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
export PATH=$bin:$PATH LC_ALL=C.UTF-8 TZ=UTC
if [ "$(id -u)" = 0 ]; then # it does not run as root
	chown postgres .
	exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
initdb -D "$PWD/base" -U bench -A trust --no-sync >initdb.log
cat >>base/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$PWD'
shared_buffers = 16MB
huge_pages = off
max_parallel_workers_per_gather = 2
log_min_messages = warning
END
postgres -D "$PWD/base" >server.log 2>&1 &
psql() { command psql -h "$PWD" -U bench -XAtq -d postgres "$@"; }
until psql -c 'select 1' >/dev/null 2>&1; do sleep 0.05; done
pgbench -h "$PWD" -U bench -i -q -s 1 postgres >init.log 2>&1
for round in 1 2 3; do
	pgbench -h "$PWD" -U bench -n -c 4 -j 2 -t $((100 * ${SCALE:-1})) postgres >"bench$round.log" 2>&1
	echo "round $round $(psql -c 'select count(*) from pgbench_history')"
done
psql -c 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history),
	(select sum(tbalance) from pgbench_tellers) = (select sum(bbalance) from pgbench_branches)'
psql -c 'create index on pgbench_history (aid)'
psql -c 'vacuum analyze'
psql -c checkpoint
psql -c "select md5(string_agg(aid::text, ',' order by aid)), count(*) from pgbench_accounts"
kill -INT %1
wait %1 || echo "postgres $?"
pg_controldata base | grep -F 'cluster state'
