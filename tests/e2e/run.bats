# SPDX-License-Identifier: Apache-2.0
# pckpt run: a program under checkpoints, from its first start to its end, over several runs.
# shellcheck disable=SC2030,SC2031,SC2089,SC2090,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

# supervise [option...] [-- COMMAND...]: pckpt run in the background, with the output of all runs in
# job.out, as a batch job has it; until the program runs. $JOB and $OWNER are set.
supervise() {
	local args=(--store "$S" --report "$W/end" --events "$W/events" --pidfile "$W/pid")
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	[ $# -gt 0 ] || set -- -- "$E2E_PROGRAMS/job"
	rm -f "$W/pid" "$W/end"
	"$PCKPT" run "${args[@]}" "$@" </dev/null >>"$W/job.out" 2>>"$W/run.err" 3>&- 4>&- &
	OWNER=$!
	started+=("$OWNER")
	await "${until:-exists_or_ended}" "$W/pid" "$OWNER"
	[ ! -e "$W/pid" ] || JOB=$(<"$W/pid")
}

runs() {
	[ -e "$W/pid" ] || { echo "it does not run"; return 1; }
	await grown "$W/job.out" "$(stat -c %s "$W/job.out")"
}

# over CODE REPORT: the end of the run, as the shell and the report tell it.
over() {
	local code=0
	await ended "$OWNER" || return 1
	wait "$OWNER" || code=$?
	[ "$code" -eq "$1" ] || { echo "exit code $code, expected $1"; return 1; }
	[ "$(<"$W/end")" = "$2" ] || { echo "report: $(<"$W/end"), expected $2"; return 1; }
	[ ! -e "$W/report" ]
	nothing_left
}

# save: ends the program with a checkpoint, $n.
save() {
	n=$((${n:-0} + 1))
	kill -USR1 "$OWNER"
	over 75 "saved $n"
}

checkpoints() { # those in the store, damaged ones too
	local found
	found=$(cd "$S" && shopt -s nullglob && echo 0*)
	[ "$found" = "$*" ] || { echo "the store holds $found, expected $*"; return 1; }
}

said() { # how often a line is in the file of events
	[ "$(grep -cE "$2" "$W/events")" -eq "$1" ]
}

@test "a program that ends by itself: its exit code, its output, no checkpoint" {
	supervise
	runs
	release "exit 7"
	over 7 "exited 7"
	whole job.out
	checkpoints
	said 1 "^pckpt: started pid $JOB: $E2E_PROGRAMS/job$"
	said 1 "^pckpt: ended: exit code 7$"
	cmp events run.err
}

@test "a program that dies by a signal: so does pckpt run, without a core" {
	ulimit -c unlimited
	supervise
	release "kill 11"
	over 139 "killed 11"
	said 1 "^pckpt: ended: signal 11 \(SIGSEGV\)$"
	rm -f core* go
}

@test "saved and continued five times: one whole output" {
	for i in 1 2 3 4 5; do
		supervise --on USR1:kill
		runs
		save
		checkpoints "$([ "$i" -eq 1 ] || printf '%06d ' $((i - 1)))$(printf %06d "$i")"
	done
	supervise --on USR1:kill
	runs
	release "exit 7"
	over 7 "exited 7"
	whole job.out
	said 1 "^pckpt: started"
	said 5 "^pckpt: saved 00000[1-5]: [0-9.]+ [KM]iB in [0-9.]+ s, stalled [0-9.]+ s, image .*iB; the program was ended$"
	said 5 "^pckpt: restored 00000[1-5] of pid [0-9]+ in [0-9.]+ s, memory .*iB$"
}

@test "orphans of the program end with it" {
	supervise -- bash -c '(sleep 1000; :) & sleep 0.1; exit 4'
	over 4 "exited 4"
	[ -z "$(marked)" ]
}

@test "standard streams that are closed stay closed" {
	cat >closed <<-'END'
		[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ] && [ ! -e /proc/$$/fd/2 ]
	END
	"$PCKPT" run --store "$S" --events "$W/events" -- sh closed <&- >&- 2>&- 3>&- 4>&-
	said 1 "^pckpt: ended: exit code 0$"
}

@test "slurm-lib: the path of the library; or that it is not there" {
	mkdir alone
	cp "$PCKPT" alone
	capture alone/pckpt slurm-lib
	refused 66 "pckpt-slurm.sh is not there" "cmake --install"
	mkdir -p inst/bin inst/share/pckpt/slurm
	cp "$PCKPT" inst/bin
	echo text >inst/share/pckpt/slurm/pckpt-slurm.sh
	capture inst/bin/pckpt slurm-lib
	expect 0
	[ "$(<"$output")" = text ]
}

@test "SIGSEGV after it was continued" {
	supervise --on USR1:kill
	save
	supervise --on USR1:kill
	release "kill 11"
	over 139 "killed 11"
}

@test "--every, --keep: dumps while it runs" {
	supervise --every 0.2s --keep 3
	await said_atleast 5 "^pckpt: dumped"
	runs
	release
	over 0 "exited 0"
	whole job.out
	dumped=("$S"/0*)
	[ ${#dumped[@]} -eq 3 ]
}

said_atleast() {
	[ "$(grep -cE "$2" "$W/events")" -ge "$1" ]
}

@test "--on without :kill: the program runs on; names and numbers of signals" {
	supervise --on SIGUSR1 --on usr2 --on 36
	kill -USR1 "$OWNER"
	await said 1 "^pckpt: dumped 000001"
	kill -USR2 "$OWNER"
	await said 1 "^pckpt: dumped 000002"
	kill -36 "$OWNER"
	await said 1 "^pckpt: dumped 000003"
	release
	over 0 "exited 0"
	[ ! -e signals ] # none of them was for the program
	whole job.out
}

noted() {
	[ "$(sort -n signals 2>/dev/null | tr '\n' ' ')" = "$*" ]
}

@test "all other signals are for the program, started or continued" {
	supervise --on USR1:kill
	for again in 1 2; do
		for signal in HUP INT QUIT USR2 PIPE ALRM TERM CONT WINCH 40; do
			kill -$signal "$OWNER"
		done
		await noted "1 2 3 12 13 14 15 18 28 40 "
		rm signals
		[ "$again" -eq 2 ] || { save; supervise --on USR1:kill; }
	done
	release
	over 0 "exited 0"
}

# Counts SIGUSR2s in the file usr2; ends on SIGINT, with the count.
counting() {
	cat >counting <<-'END'
		#!/bin/bash
		n=0
		trap 'n=$((n + 1)); echo $n >usr2' USR2
		trap 'exit $n' INT
		: >ready
		while :; do read -t 0.01 -u 9; done 9<> <(:)
	END
	chmod +x counting
}

# once COMMAND...: a signal that COMMAND sends to the run, and perhaps to the program, comes once.
once() {
	local before=${count:-0}
	count=$((before + 1))
	"$@"
	await file_has usr2 "^$count$"
}

@test "a signal that comes to the program, too, comes once" {
	counting
	S=$BATS_TEST_TMPDIR/store
	for again in 1 2; do
		set -m # a process group of its own
		supervise --on USR1:kill -- "$W/counting"
		set +m
		await [ -e ready ]
		# As a shell, timeout(1) and Slurm with proctrack/linuxproc do; the witness is one of all.
		once kill -USR2 -- "-$OWNER"
		once kill -USR2 "$OWNER"
		once kill -USR2 "$JOB"
		# shellcheck disable=SC2046 # numbers
		once kill -USR2 "$OWNER" $(descendants "$OWNER")
		# shellcheck disable=SC2046
		once kill -USR2 $(descendants "$OWNER") "$OWNER"
		[ "$again" -eq 2 ] || save
	done
	kill -INT "$OWNER"
	over 10 "exited 10"
}

# All that descend from a process.
descendants() {
	local p children
	read -r -a children <"/proc/$1/task/$1/children" || true
	for p in "${children[@]}"; do
		echo "$p"
		descendants "$p"
	done
}

@test "three warnings, one after the other: one checkpoint, one end" {
	supervise --on USR1:kill --every 0.1s
	await said_atleast 1 "^pckpt: dumped"
	for i in 1 2 3; do
		kill -USR1 "$OWNER"
	done
	await ended "$OWNER"
	[[ $(<end) == "saved "* ]]
	said 1 "^pckpt: saved"
	supervise
	release
	over 0 "exited 0"
	whole job.out
}

@test "no room in the store: the program runs on, and is saved when there is" {
	mkdir "$S"
	if as_root; then
		S=$BATS_TEST_TMPDIR/small
		mkdir "$S"
		mount -t tmpfs -o size=1m tmpfs "$S"
	else
		ulimit -S -f 500
	fi
	supervise --on USR1:kill --on USR2 --every 1s -- "$E2E_PROGRAMS/job" memory=2
	kill -USR1 "$OWNER"
	await said_atleast 1 "^pckpt: dump failed: .*; the program runs on; trying again in 1 s$"
	runs
	await said_atleast 2 "^pckpt: dump failed"
	[ -z "$(compgen -G "$S/0*/commit")" ]
	if as_root; then
		mount -o remount,size=64m "$S"
	else
		prlimit --pid "$OWNER" --fsize=unlimited
		prlimit --pid "$JOB" --fsize=unlimited
	fi
	await ended "$OWNER"
	[[ $(<end) == "saved "* ]]
	supervise -- "$E2E_PROGRAMS/job" memory=2
	release
	over 0 "exited 0"
	whole job.out
}

@test "SIGKILL of pckpt run: the program ends, too; the next run goes on" {
	for n in 1 2; do
		supervise --every 0.2s
		await said_atleast "$n" "^pckpt: dumped"
		kill -KILL "$OWNER"
		wait "$OWNER" || true
		await ended "$JOB"
		nothing_left
	done
	supervise
	runs
	release
	over 0 "exited 0"
	whole job.out
}

@test "killed before there is a checkpoint: from the beginning, with a whole output" {
	echo "before all" >job.out
	supervise
	runs
	kill -KILL "$OWNER"
	wait "$OWNER" || true
	await ended "$JOB"
	rm ready
	supervise
	runs
	release
	over 0 "exited 0"
	[ "$(sed -n 1,2p job.out)" = $'before all\nline 1' ]
	sed -i 1d job.out
	whole job.out
	grep -qx "line 1" "$S"/cut/*-begin.1
	# It has ended: whoever starts it again wants its output again.
	rm ready go
	size=$(stat -c %s job.out)
	supervise
	await grown job.out "$size"
	release
	over 0 "exited 0"
	[ "$(grep -cx "line 1" job.out)" -eq 2 ]
}

@test "a checkpoint that cannot be continued: the one before is" {
	printf '%s\n' 1 2 3 >input
	cat >script <<-'END'
		: >ready
		while [ ! -e second ]; do read -t 0.01 -u 9; done 9<> <(:)
		exec 7<input
		: >third
		while [ ! -e go ]; do read -t 0.01 -u 9; done 9<> <(:)
		exit 5
	END
	supervise --on USR1 --on USR2:kill -- bash script
	await [ -e ready ]
	kill -USR1 "$OWNER"
	await said 1 "^pckpt: dumped 000001"
	touch second
	await [ -e third ]
	kill -USR2 "$OWNER"
	over 75 "saved 2"
	mv input away
	rm third
	mv second no
	supervise -- bash script
	said 1 "^pckpt: checkpoint 000002 cannot be continued: open file $W/input; trying the one before$"
	said 1 "^pckpt: restored 000001"
	mv away input
	touch second go
	over 5 "exited 5"
	checkpoints 000001 000002
}

@test "SIGTERM while it is being continued: saved as it was" {
	with_faults
	supervise --on USR1:kill
	save
	PCKPT_FAULT=restore.pages=stop until=true supervise --on USR1:kill
	await helper_stopped
	kill -TERM "$OWNER"
	over 75 "saved 1"
	said 1 "^pckpt: given up: signal 15 \(SIGTERM\) came while 000001 was being restored$"
	supervise
	release
	over 0 "exited 0"
	whole job.out
}

@test "SIGTERM that was for an earlier run does not end the program in the next one" {
	cat >blocks.py <<-'END'
		import os, signal, time
		signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
		while not os.path.exists("go"):
		    time.sleep(0.05)
		signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
	END
	supervise --on USR1:kill -- python3 blocks.py
	await grep -q '^SigBlk:.*4...$' "/proc/$JOB/status"
	kill -TERM "$JOB" # pending, as it is when it comes in the middle of a dump
	save
	supervise -- python3 blocks.py
	touch go
	over 0 "exited 0"
}

@test "SIGKILL of pckpt run in the middle of a dump" {
	with_faults
	supervise --on USR1:kill
	save
	export PCKPT_FAULT=dump.commit=stop
	supervise --on USR1:kill
	unset PCKPT_FAULT
	kill -USR1 "$OWNER"
	await helper_stopped
	kill -KILL "$OWNER"
	wait "$OWNER" || true
	await ended "$JOB"
	kill -CONT "$helper"
	nothing_left
	supervise --on USR1:kill
	said 2 "^pckpt: restored 000001"
	runs
	release
	over 0 "exited 0"
	whole job.out
}

# Sets $helper: the dump's process that stopped itself.
helper_stopped() {
	local p
	for p in $(marked); do
		if grep -qs "^State:.T" "/proc/$p/status"; then
			helper=$p
			return 0
		fi
	done
	return 1
}

@test "the newest checkpoint is damaged: the one before; the damaged one is put aside" {
	for how in truncate flip core; do
		rm -rf "$S" job.out events run.err ready signals go
		n=0
		supervise --on USR1:kill --keep 3
		save
		supervise --on USR1:kill --keep 3
		runs
		save
		case $how in
		truncate) truncate -s -100 "$S/000002/pages-00.lz4" ;;
		flip) printf X | dd of="$S/000002/pages-00.lz4" bs=1 seek=2000 conv=notrunc status=none ;;
		core) printf X | dd of="$S/000002/core.pk" bs=1 seek=100 conv=notrunc status=none ;;
		esac
		supervise --on USR1:kill --keep 3
		said 1 "^pckpt: checkpoint 000002 is damaged: .*; trying the one before$"
		said 2 "^pckpt: restored 000001"
		checkpoints 000001 000002.bad
		runs
		n=1
		save
		supervise
		release
		over 0 "exited 0"
		whole job.out
	done
}

@test "all checkpoints are damaged: from the beginning, and it is said" {
	supervise --on USR1 --on USR2:kill
	kill -USR1 "$OWNER"
	await said 1 "^pckpt: dumped"
	kill -USR2 "$OWNER"
	over 75 "saved 2"
	for n in 1 2; do
		truncate -s -1 "$S/00000$n/pages-00.lz4"
	done
	rm job.out ready
	supervise
	said 1 "^pckpt: warning: every checkpoint in .* is damaged; the program starts from its beginning$"
	checkpoints 000001.bad 000002.bad
	runs
	release
	over 0 "exited 0"
	[ "$(head -n 1 job.out)" = "line 1" ]
	whole job.out
}

# not_started CODE PATTERN...: nothing runs, not even "${command[@]}", and the reason is told.
command=("$E2E_PROGRAMS/job")
not_started() {
	rm -f "$W/end"
	pckpt run --store "$S" --report "$W/end" --on USR1:kill -- "${command[@]}"
	refused "$@" || return 1
	[ "$(<"$W/end")" = "failed $1" ] || { echo "report: $(<"$W/end")"; return 1; }
	nothing_left
}

@test "a checkpoint that cannot be continued here: the one before, else nothing, but --fresh" {
	echo 0123456789 >input
	supervise --on USR1:kill -- "$E2E_PROGRAMS/job" open="$W/input"
	save
	cp -r "$S" kept
	mv input away
	command+=(open="$W/input")
	not_started 125 "^pckpt: run: open file $W/input" "No such file" "--fresh starts the program"
	diff -r kept "$S"
	rm ready job.out
	echo 0123456789 >input
	supervise --fresh -- "$E2E_PROGRAMS/job" open="$W/input"
	said 2 "^pckpt: started"
	release
	over 0 "exited 0"
	checkpoints 000001
}

@test "a command that is not there, or cannot be run" {
	command=(no/such)
	not_started 127 "cannot run 'no/such'" "No such file"
	command=("$W")
	not_started 126 "cannot run '$W'" "Permission denied"
}

@test "a store that cannot be written: nothing is started" {
	! as_root || skip "root may write everywhere"
	mkdir "$S"
	chmod 555 "$S"
	not_started 125 "$S" "Permission denied"
	chmod 755 "$S"
	echo text >"$S/file"
	not_started 125 "$S: is not a place for checkpoints" "'file'"
}

@test "another command than that of the checkpoints: a warning" {
	supervise --on USR1:kill
	save
	supervise -- "$E2E_PROGRAMS/job" memory=1
	said 1 "^pckpt: warning: the checkpoints in .* are of another command: $E2E_PROGRAMS/job$"
	release
	over 0 "exited 0"
}

@test "odd characters in names" {
	odd=$'it\'s "odd"\n$(here) \\ é'
	S="$BATS_TEST_TMPDIR/$odd" W2="$W/$odd"
	mkdir "$W2"
	cp "$E2E_PROGRAMS/job" "$W2/$odd"
	for i in 1 2; do
		supervise --on USR1:kill -- "$W2/$odd" "memory=1"
		runs
		save
	done
	supervise -- "$W2/$odd" "memory=1"
	release
	over 0 "exited 0"
	whole job.out
	[ "$(wc -l <events)" -eq 6 ]
	said 0 "warning"
}

@test "what others wrote to the output since the dump is cut off, and kept" {
	supervise --on USR1:kill
	save
	cp job.out kept
	echo "from the script" >>job.out
	supervise
	runs
	release
	over 0 "exited 0"
	whole job.out
	grep -qx "from the script" "$S"/cut/*-job.out
}

@test "the output goes to the new stream, a pipe too; a file that is gone is nobody's fault" {
	supervise --every 0.2s
	await said_atleast 2 "^pckpt: dumped"
	runs
	kill -KILL "$OWNER"
	wait "$OWNER" || true
	nothing_left
	mv job.out job1.out
	cp job1.out all
	mkfifo pipe
	cat pipe >job2.out &
	reader=$!
	# The name that was recorded leads nowhere now: nothing is cut back.
	"$PCKPT" run --store "$S" --on USR1:kill --pidfile "$W/pid" -- job </dev/null >pipe 2>/dev/null 3>&- 4>&- &
	OWNER=$!
	started+=("$OWNER")
	await grown job2.out 100
	kill -USR1 "$OWNER"
	await ended "$OWNER"
	wait "$reader"
	cmp all job1.out
	count=$(wc -l <job2.out)
	next=$(head -n 1 job2.out)
	grep -qxF "$next" job1.out || [ "$next" = "line $(($(wc -l <job1.out) + 1))" ]
	supervise
	runs
	release
	over 0 "exited 0"
	[ "$(head -n 1 job.out)" = "line $((${next#line } + count))" ]
}

@test "another file as output: the old one is cut back to what it was" {
	supervise --every 0.2s
	await said_atleast 1 "^pckpt: dumped"
	runs
	kill -KILL "$OWNER"
	wait "$OWNER" || true
	nothing_left
	"$PCKPT" run --store "$S" --report "$W/end" -- job </dev/null >>job2.out 2>>run.err 3>&- 4>&- &
	OWNER=$!
	started+=("$OWNER")
	await grown job2.out 0
	release
	over 0 "exited 0"
	cat job.out job2.out >both
	whole both
}

@test "output that does not append" {
	go_on() {
		"$PCKPT" run --store "$S" --report "$W/end" --on USR1:kill -- "$E2E_PROGRAMS/job" \
			</dev/null 1<>job.out 2>>run.err 3>&- 4>&- &
		OWNER=$!
		started+=("$OWNER")
	}
	go_on
	await grown job.out 100
	save
	echo "more" >>job.out
	size=$(stat -c %s job.out)
	go_on
	await grown job.out "$size"
	release
	over 0 "exited 0"
	whole job.out
}

@test "output that the command redirects itself is a file as any other; input keeps its place" {
	printf '%s\n' 1 2 3 4 5 6 >input
	cat >script <<-'END'
		read -r a; read -r b; echo "$a $b"
		exec 4>&1 >plain
		"$1"
		exec >&4
		read -r c; echo "$c"
	END
	go_on() {
		"$PCKPT" run --store "$S" --report "$W/end" --on USR1:kill -- sh script "$E2E_PROGRAMS/job" \
			<input >>outer 2>>run.err 3>&- 4>&- &
		OWNER=$!
		started+=("$OWNER")
	}
	go_on
	await grown_file plain
	save
	echo more >>plain
	mv input input2
	echo other >input
	go_on
	await ended "$OWNER" # the file that it read from is not the same any more: it is shorter
	[ "$(<end)" = "failed 125" ]
	mv input2 input
	go_on
	await grown plain "$(stat -c %s plain)"
	release
	over 0 "exited 0"
	whole plain
	[ "$(<outer)" = $'1 2\n3' ]
}

grown_file() {
	[ -s "$1" ]
}

# second [option...]: a second run in the same store, which must not start anything.
second() {
	pckpt run --store "$S" --report "$W/end2" "$@" -- "$E2E_PROGRAMS/job"
}

@test "two runs in one store: the second one is refused" {
	supervise
	second
	refused 75 "$S: is in use" "pid $OWNER on $(hostname)" "another directory"
	[ "$(<end2)" = "failed 75" ]
	second --fence 0
	refused 75 "$S: is in use"
	runs
	release
	over 0 "exited 0"
	checkpoints
}

@test "--fence: a later run takes over; the earlier one kills its program and commits nothing" {
	supervise --fence 3 --every 0.5s
	await said 1 "^pckpt: dumped 000001"
	first=$OWNER first_job=$JOB
	second --fence 2
	refused 75 "$S: is in use" "run 3 of the job"
	mv end end1 2>/dev/null || true
	cp events events1
	supervise --fence 4
	said 1 "^pckpt: taking over from run 3 on .* \(pid $first\)$"
	said 1 "^pckpt: fenced by run 4 on"
	ended "$first_job"
	code=0
	wait "$first" || code=$?
	[ $code -eq 75 ]
	runs
	release
	over 0 "exited 0"
	whole job.out
	[ ! -e "$S/run" ]
}

@test "--fence: a dump that is about to be committed when a later run takes over" {
	with_faults
	export PCKPT_FAULT=dump.commit=stop
	supervise --fence 0 --on USR1:kill
	unset PCKPT_FAULT
	kill -USR1 "$OWNER"
	await helper_stopped
	# It has the lock of the store; the new run goes without it.
	start new "$PCKPT" run --store "$S" --fence 1 --pidfile "$W/pid2" -- "$E2E_PROGRAMS/job"
	new=$pid
	rm ready
	await file_has "$S/run" "^1 "
	kill -CONT "$helper"
	await ended "$OWNER"
	[ "$(<end)" = "fenced 1" ]
	said 0 "dump failed"
	await exists_or_ended "$W/pid2" "$new"
	grep -q "^pckpt: started" new.err
	[ ! -e "$S/000001" ]
	OWNER=$new
	release
	expect_end 0
}

file_has() {
	grep -qsE "$2" "$1"
}

@test "--fence: on another node, which was taken for lost" {
	supervise --on USR1:kill --fence 1
	await grown "$W/job.out" 10
	pid=$OWNER host=$(hostname)
	# What a run on another node would write: this one sees it, kills its program, and says so.
	echo "2 elsewhere 4711 1" >"$S/new"
	mv "$S/new" "$S/run"
	over 75 "fenced 2"
	said 1 "^pckpt: fenced by run 2 on elsewhere$"
	ended "$JOB"
	[ -e "$S/run.gone.$pid@$host" ]
	rm ready
	second
	refused 125 "$S: belongs to a run on elsewhere" "cannot be seen" "remove $S/run; or .*--fence"
	second --fence 1
	refused 75 "$S: is in use"
	touch "$S/run.gone.4711@elsewhere"
	rm job.out
	supervise --fence 3
	said 1 "^pckpt: taking over from run 2 on elsewhere \(pid 4711\)$"
	[ ! -e "$S/run.gone.4711@elsewhere" ]
	release
	over 0 "exited 0"
	[ ! -e "$S/run" ]
}

# ---- ranks

# rank R [option...]: one of two runs of a job, in a directory of its own; its program is the job.
# ${owner[R]}, ${job[R]}
C=$BATS_TEST_TMPDIR/control
rank() {
	local r=$1
	shift
	mkdir -p "$W/$r" "$C"
	rm -f "$W/$r/pid" "$W/$r/end"
	PCKPT_VICTIM_DIR=$W/$r "$PCKPT" run --control "$C" --rank "$r" --ranks "${ranks:-2}" --store "$C/$r" \
		--report "$W/$r/end" --events "$W/$r/events" --pidfile "$W/$r/pid" "$@" \
		-- "${program[@]:-$E2E_PROGRAMS/job}" </dev/null >>"$W/$r/job.out" 2>>"$W/$r/run.err" 3>&- 4>&- &
	owner[r]=$!
	started+=("${owner[r]}")
}

both() { # FENCE [option...]
	local r
	for r in 0 1; do
		rank $r --fence "$@"
	done
	for r in 0 1; do
		await exists_or_ended "$W/$r/pid" "${owner[r]}"
		[ -e "$W/$r/pid" ] || { cat "$W/$r/run.err"; return 1; }
	done
}

rank_over() { # R CODE REPORT
	W=$W/$1 OWNER=${owner[$1]} over "$2" "$3"
}

rank_said() { # R TIMES PATTERN
	[ "$(grep -cE "$3" "$W/$1/events")" -eq "$2" ]
}

request() { # NUMBER [option...]
	pckpt request --control "$C" --wait 60 "${@:2}"
	expect 0 || return 1
	[ "$output" = "$1" ]
}

finish_both() { # the program's ends
	local r
	for r in 0 1; do
		W=$W/$r release
	done
	for r in 0 1; do
		rank_over $r 0 "exited 0"
		whole "$W/$r/job.out"
	done
}

@test "two ranks: checkpoints together, ended together, continued together, several times" {
	both 0
	request 1
	request 2 --kill
	for r in 0 1; do
		rank_over $r 75 "saved 2"
		[ -f "$C/$r/000001/commit" ]
		[ -f "$C/$r/000002/commit" ]
	done
	[ -e "$C/gen-2/complete" ]
	both 1
	for r in 0 1; do
		rank_said $r 1 "restored 000002"
	done
	request 3
	request 4
	[ ! -e "$C/gen-1" ]
	[ ! -e "$C/0/000001" ]
	request 5 --kill
	both 2
	for r in 0 1; do
		rank_said $r 1 "restored 000005"
	done
	finish_both
}

@test "two ranks: --every and --on ask all of them" {
	both 0 --every 0.3s --on USR1:kill
	await rank_said_atleast 1 2 "dumped"
	kill -USR1 "${owner[1]}"
	for r in 0 1; do
		await ended "${owner[r]}"
		[[ $(<"$W/$r/end") == "saved "* ]]
	done
	[ "$(<"$W/0/end")" = "$(<"$W/1/end")" ]
	both 1
	finish_both
}

rank_said_atleast() {
	[ "$(grep -cE "$3" "$W/$1/events")" -ge "$2" ]
}

@test "two ranks, one cannot be saved: neither is, both run on; then both are" {
	both 0
	request 1
	exec 8<"$C/1/.lock"
	flock 8
	pckpt request --control "$C" --kill --wait 60
	refused 75 "checkpoint 000002 of all ranks was given up" "rank 1: $C/1: is in use"
	for r in 0 1; do
		await rank_said $r 1 "^pckpt: dump failed: "
		kill -0 "${owner[r]}"
	done
	[ ! -e "$C/0/000002" ]
	[ ! -e "$C/gen-2/complete" ]
	exec 8<&-
	request 3 --kill
	for r in 0 1; do
		rank_over $r 75 "saved 3"
	done
	both 1
	finish_both
}

@test "two ranks, one is slow: none is ended before the other's checkpoint is complete" {
	with_faults
	rank 0
	PCKPT_FAULT=dump.commit=stop rank 1
	for r in 0 1; do
		await exists_or_ended "$W/$r/pid" "${owner[r]}"
	done
	pckpt request --control "$C" --kill
	[ "$output" = 1 ]
	W=$W/1 await helper_stopped
	await [ -e "$C/gen-1/0.ready" ]
	[ ! -e "$C/0/000001" ]
	kill -0 "$(<"$W/0/pid")"
	kill -CONT "$helper"
	for r in 0 1; do
		rank_over $r 75 "saved 1"
	done
	both 1
	finish_both
}

@test "two ranks, one checkpoint is damaged: all go back to the one before" {
	both 0
	request 1
	for r in 0 1; do
		await [ -s "$W/$r/job.out" ]
	done
	request 2 --kill
	for r in 0 1; do
		rank_over $r 75 "saved 2"
	done
	truncate -s -1 "$C/1/000002/pages-00.lz4"
	both 1
	for r in 0 1; do
		rank_said $r 1 "restored 000001"
	done
	[ -d "$C/1/000002.bad" ]
	request 3 --kill
	both 2
	finish_both
}

@test "two ranks killed between two checkpoints: both go on from the one that both have" {
	with_faults
	both 0
	request 1
	for r in 0 1; do
		await [ -s "$W/$r/job.out" ]
		kill -KILL "${owner[r]}"
		wait "${owner[r]}" || true
	done
	nothing_left
	# As if one had been killed before its second checkpoint counted.
	cp -r "$C/0/000001" "$C/0/000002"
	mkdir "$C/gen-2"
	both 1
	for r in 0 1; do
		rank_said $r 1 "restored 000001"
	done
	request 3 --kill
	both 2
	finish_both
}

@test "two ranks, one has ended: the other one's checkpoints count; it ends again at once" {
	both 0
	W=$W/0 release
	rank_over 0 0 "exited 0"
	rm "$W/0/go"
	request 1 --kill
	rank_over 1 75 "saved 1"
	rm "$W/0/pid"
	for r in 0 1; do
		rank $r --fence 1
	done
	rank_over 0 0 "exited 0"
	await exists_or_ended "$W/1/pid" "${owner[1]}"
	W=$W/1 release
	rank_over 1 0 "exited 0"
	whole "$W/0/job.out"
	whole "$W/1/job.out"
}

@test "two ranks, one cannot start: the other one does not, either" {
	mkdir -p "$C/1"
	echo text >"$C/1/file"
	for r in 0 1; do
		rank $r
	done
	rank_over 1 125 "failed 125"
	rank_over 0 125 "failed 125"
	grep -q "why: rank 1: $C/1: is not a place for checkpoints" "$W/0/run.err"
	rank_said 0 0 "started"
}

@test "ranks: SIGTERM waits for its reason" {
	ranks=1 rank 0 --fence 0
	await exists_or_ended "$W/0/pid" "${owner[0]}"
	kill -TERM "${owner[0]}"
	await [ -e "$C/term.seen" ]
	[ ! -e "$W/0/signals" ]
	touch "$C/term"
	await [ -e "$W/0/signals" ]
	[ "$(<"$W/0/signals")" = 15 ]
	rm "$C/term"
	kill -TERM "${owner[0]}"
	pckpt request --control "$C" --kill
	expect 0
	rank_over 0 75 "saved 1"
}

@test "wrong options" {
	for args in "-- job" "--store $S" "--store $S --every 0 -- job" "--store $S --every 3x -- job" \
		"--store $S --on KILL -- job" "--store $S --on NOSUCH -- job" "--store $S --on USR1:die -- job" \
		"--store $S --control $W -- job" "--store $S --control $W --rank 2 --ranks 2 -- job" \
		"--store $S --rank 0 -- job"; do
		# shellcheck disable=SC2086 # words
		pckpt run $args
		refused 2
	done
	no_store
}
