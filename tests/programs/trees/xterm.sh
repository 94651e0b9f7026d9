#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Xvfb with xterm and a shell in it, which is talked to through a fifo: what it shows is compared.
steps=$((12 * ${SCALE:-1}))
mkfifo ask answer
cat >inside.sh <<'END'
stty -echo
while read -r line; do
	printf '\033[3%dm%s\033[0m\n' $((${#line} % 7)) "$line"
	printf '\033[6n' # xterm answers when it has come to this
	read -rsd R position </dev/tty
	echo "${position#*[}" >&3
done <ask 3>answer
stty size >size
END
Xvfb -displayfd 3 -screen 0 320x240x24 -nolisten tcp -noreset 3>display 2>log &
until [ -s display ]; do sleep 0.02; done
DISPLAY=:$(cat display)
export DISPLAY LC_ALL=C
xterm -geometry 40x12+10+10 -fn fixed -e bash inside.sh 2>>log &
exec 4>ask 5<answer
until xwininfo -root -tree | grep -q xterm; do sleep 0.05; done

picture() {
	xwd -root -silent | tail -c 307200 | sha256sum
}

for i in $(seq $steps); do
	echo "line $((i * 7919)) $(printf '%*s' $((i % 9)) '' | tr ' ' x)" >&4
	read -r position <&5
	before=$(picture)
	until sleep 0.03 && now=$(picture) && [ "$now" = "$before" ]; do before=$now; done
	echo "step $i $position $now"
done
exec 4>&-
wait %2
cat size
kill %1
wait
echo "result $steps"
