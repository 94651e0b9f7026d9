#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis and redis-benchmark: pipelined clients over TCP and a Unix socket, an append-only file, a
# background save. What the server counted and holds is compared.
set -e
requests=$((6000 * ${SCALE:-1}))
port=$((21000 + $$ % 10000))

redis-server --bind 127.0.0.1 --port $port --unixsocket "$PWD/socket" --save '' --appendonly yes --appendfsync everysec \
	--loglevel warning --daemonize no --dir "$PWD" >server.log &
until [ -S socket ]; do sleep 0.01; done
cli() { redis-cli -s "$PWD/socket" "$@"; }

for round in 1 2 3; do
	redis-benchmark -s "$PWD/socket" -q -c 8 -n "$requests" -t incr,lpush,sadd,hset,mset >/dev/null
	redis-benchmark -p $port -q -c 8 -P 16 -n "$requests" -t set,get,rpush >/dev/null
	cli bgsave >/dev/null
	echo "round $round $(cli dbsize) $(cli get counter:__rand_int__) $(cli llen mylist) $(cli scard myset)"
done
until [ "$(cli info persistence | tr -d '\r' | sed -n 's/rdb_bgsave_in_progress://p')" = 0 ]; do sleep 0.02; done
echo "ping $(cli ping)"
cli shutdown nosave
wait
redis-check-aof appendonlydir/*.manifest | grep -c valid
redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
