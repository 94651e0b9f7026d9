#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tmux: a server in the foreground (-D), two panes with shells, typed to by send-keys.
set -e
steps=$((30 * ${SCALE:-1}))
export TERM=screen SHELL=/bin/sh PS1='$ ' ENV=
tmux() { command tmux -S "$PWD/socket" -f /dev/null "$@"; }

command tmux -S "$PWD/socket" -f /dev/null -D &
until [ -S socket ]; do sleep 0.01; done
tmux new-session -d -s work -x 90 -y 40
tmux split-window -d -h -t work
tmux set-option -t work remain-on-exit on >/dev/null
cat >loop.sh <<'EOF'
name=$1 n=0
while [ $n -lt "$2" ]; do
	read -r word
	n=$((n + 1))
	echo "$name $n $word $(echo "$name $n $word" | sha256sum | cut -c 1-16)"
done | tee "$name.log"
stty size >"$name.size"
EOF
tmux send-keys -t work.0 "sh loop.sh left $steps" Enter
tmux send-keys -t work.1 "sh loop.sh right $steps" Enter
for n in $(seq $steps); do
	for pane in 0 1; do
		tmux send-keys -t work.$pane "word$((n * 7 + pane))" Enter
	done
	sleep 0.03
	echo "typed $n"
done
until [ -e left.size ] && [ -e right.size ]; do sleep 0.02; done
cat left.log left.size right.log right.size
tmux kill-server
wait
echo "result $(cat ./*.log | sha256sum)"
