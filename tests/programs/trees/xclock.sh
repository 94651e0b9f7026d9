#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Xvfb with xclock: pictures of the screen are the same before and after.
steps=$((12 * ${SCALE:-1}))
# Without -noreset it may lose the signal that is to end it.
mkdir frame
Xvfb -displayfd 3 -screen 0 320x240x24 -fbdir frame -nolisten tcp -noreset 3>display 2>log &
until [ -s display ]; do sleep 0.02; done
DISPLAY=:$(cat display)
export DISPLAY
# It draws itself every second; what it shows is always the same.
xclock -digital -update 1 -strftime pckpt -geometry 200x60+10+10 2>>log &
until xwininfo -name xclock >/dev/null 2>&1; do sleep 0.05; done
sleep 0.2
for i in $(seq $steps); do
	echo "step $i $(xwd -root -silent | tail -c 307200 | sha256sum)"
	sleep 0.05
done
kill %2
kill %1
wait
echo "result $steps"
