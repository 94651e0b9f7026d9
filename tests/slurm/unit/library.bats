# SPDX-License-Identifier: Apache-2.0
# scripts/slurm/pckpt-slurm.sh by itself, without Slurm: what it defines, how it reads what Slurm says
# (records/ holds lines of a real scontrol), its options, and pckpt_job with a real pckpt.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

bats_require_minimum_version 1.5.0
lib=$E2E_SLURM/pckpt-slurm.sh count=$E2E_SLURM/examples/count.sh

# script TEXT [ARG]...: a batch script that has sourced the library, run in the background as $pid
script() {
	printf '#!/bin/bash\nset -eu\nsource %q\n%s\n' "$lib" "$1" >job.sh
	shift
	PCKPT=$PCKPT start job bash job.sh "$@"
}

# run_script TEXT: the same, to its end: $status, $output, $stderr
run_script() {
	printf '#!/bin/bash\nset -eu\nsource %q\n%s\n' "$lib" "$1" >job.sh
	run --separate-stderr env PCKPT="$PCKPT" bash job.sh
}

# in_lib TEXT: with the library's functions
in_lib() {
	run --separate-stderr bash -c "set -eu; source \"\$0\"; $1" "$lib"
}

ends() { # CODE: so does the script
	local code=0
	wait "$pid" || code=$?
	[ "$code" -eq "$1" ] || echo "ended with $code" && [ "$code" -eq "$1" ]
}

lines() { # N: the program has printed so many
	[ "$(grep -c '^[0-9]' job.out)" -ge "$1" ]
}

said() { # TEXT
	grep -qF -- "$1" job.err
}

@test "sourcing defines functions and does nothing else" {
	run --separate-stderr env -i PATH="$PATH" bash -c '
		set -eu
		before=$(compgen -v; shopt; set +o; trap)
		source "$0"
		after=$(compgen -v; shopt; set +o; trap)
		diff <(grep -vE "^(before|BASH_.*|PIPESTATUS|_)$" <<<"$before") \
			<(grep -vE "^(before|BASH_.*|PIPESTATUS|_)$" <<<"$after")
		compgen -A function | grep -v "^_\?pckpt_" || :' "$lib"
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "times as pckpt and Slurm write them" {
	local text seconds
	while read -r text seconds; do
		in_lib "_pckpt_seconds $text"
		[ "$output" = "$seconds" ] || { echo "$text: $output"; false; }
	done <<-END
		90 90
		90s 90
		30m 1800
		2h 7200
		1d 86400
		08:09 489
		01:00:00 3600
		1-00:00:00 86400
		2-3 183600
	END
	for text in "''" x 1x 1:2:3:4 -5 1.5h 1-; do
		in_lib "_pckpt_seconds $text"
		[ "$status" -ne 0 ]
	done
}

@test "why SIGTERM came, from what scontrol says" {
	local reason
	for reason in timelimit requeue preempt preempt-cancel cancel signal; do
		in_lib "_pckpt_reason_of \"\$(cat '$BATS_TEST_DIRNAME/records/$reason')\""
		[ "$output" = "$reason" ] || { echo "$reason: $output"; false; }
	done
	in_lib "_pckpt_reason_of 'JobId=1 nothing'"
	[ "$output" = unknown ]
	# the second run of a job: one restart is its own
	in_lib "SLURM_RESTART_COUNT=1; _pckpt_reason_of \"\$(cat '$BATS_TEST_DIRNAME/records/requeue')\""
	[ "$output" = cancel ]
}

@test "the time left, from what scontrol says" {
	local records=$BATS_TEST_DIRNAME/records
	in_lib "_pckpt_now() { date -d 2026-11-23T00:59:32 +%s; }; _pckpt_left_of \"\$(cat '$records/signal')\""
	[ "$output" = 270 ]
	in_lib "_pckpt_left_of \"\$(cat '$records/unlimited')\""
	[ "$output" = unlimited ]
	# the end of a grace time counts, whatever the limit
	in_lib "_pckpt_now() { date -d $(sed 's/.*PreemptTime=\([^ ]*\).*/\1/' "$records/preempt") +%s; }
		_pckpt_left_of \"\$(cat '$records/preempt')\""
	[ "$output" = 20 ]
	in_lib "_pckpt_left_of \"\$(cat '$records/cancel')\""
	[ "$output" = 0 ]
	in_lib "pckpt_time_left"
	[ "$status" -eq 1 ]
	in_lib "pckpt_reason"
	[ "$output" = unknown ]
}

@test "what Slurm calls the job" {
	in_lib "_pckpt_job_name"
	[ "$output" = "" ]
	in_lib "SLURM_JOB_ID=7; _pckpt_job_name"
	[ "$output" = 7 ]
	in_lib "SLURM_JOB_ID=7 SLURM_ARRAY_JOB_ID=4 SLURM_ARRAY_TASK_ID=3; _pckpt_job_name"
	[ "$output" = 4_3 ]
}

@test "the lead, from PCKPT_LEAD, SBATCH_SIGNAL, or the script" {
	local line lead
	while read -r lead line; do
		printf '#!/bin/bash\n#SBATCH %s\nsource %q\n#SBATCH --signal=B:USR1@999\n_pckpt_find_lead\necho $_pckpt_lead\n' \
			"$line" "$lib" >job.sh
		SLURM_JOB_ID=1 run bash job.sh
		[ "$output" = "$lead" ] || { echo "$line: $output"; false; }
	done <<-END
		120 --signal=B:URG@120
		90 --time=10 --signal B:USR1@90 --requeue
		60 --signal=USR1
		30 --signal="INT@30"
	END
	SLURM_JOB_ID=1 SBATCH_SIGNAL=B:URG@77 run bash job.sh
	[ "$output" = 77 ]
	SLURM_JOB_ID=1 PCKPT_LEAD=55 run bash job.sh
	[ "$output" = 55 ]
}

@test "wrong options: three lines, 2, nothing is started" {
	local options
	for options in "" "--" "--unknown -- true" "--store" "--max-requeues many -- true" \
		"--max-time soon -- true" "-- true" "--store $S true" "--srun --store $S -- true"; do
		run_script "pckpt_job $options"
		[ "$status" -eq 2 ] || { echo "$options: $status"; false; }
		[ "$(wc -l <<<"$stderr")" -eq 3 ]
		[[ $stderr == 'pckpt: error: '*$'\n  why: '*$'\n  try: '* ]]
	done
	[ ! -e "$S" ]
}

@test "what an srun step cannot have is named before it starts" {
	local args
	for args in -u --unbuffered --pty --mpi=pmix "--mpi pmi2"; do
		SLURM_JOB_ID=1 run_script "pckpt_job --store '$S' --srun-args '--label $args' -- true"
		[ "$status" -eq 2 ]
		[[ $stderr == *"srun ${args/ /=}"* ]]
	done
	SLURM_JOB_ID=1 run_script "pckpt_job --store '$S' --srun --srun-args '--mpi none -l' --dry-run -- true"
	[ "$status" -eq 0 ]
	[ ! -e "$S" ]
}

@test "the program's exit code, signal, input, arguments and signal actions" {
	run_script "pckpt_job --store '$S' -- bash -c 'echo \"\$0:\$1\"; exit 7' 'a b' \"c'd\"; echo not here"
	[ "$status" -eq 7 ]
	[ "$output" = "a b:c'd" ]
	run_script "pckpt_job --store '$S' -- bash -c 'kill -SEGV \$\$' || echo \"\$?\""
	[ "$output" = 139 ]
	echo hello >input
	run_script "pckpt_job --store '$S' -- cat"  <input
	[ "$output" = hello ]
	run_script "pckpt_job --store '$S' -- grep -E '^Sig(Ign|Blk)' /proc/self/status"
	[ "$output" = $'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000' ]
}

@test "the program has no descriptor of ours" {
	run_script "ls /proc/self/fd >before; pckpt_job --store '$S' -- ls /proc/self/fd >after; diff before after"
	[ "$status" -eq 0 ]
}

@test "traps of the script are back afterwards" {
	run_script "trap 'echo mine' USR1; pckpt_job --store '$S' -- true; trap; kill -USR1 \$\$"
	[ "$status" -eq 0 ]
	[ "$output" = $'trap -- \'echo mine\' SIGUSR1\nmine' ]
}

@test "in a subshell, where no signal comes: refused" {
	run_script "(pckpt_job --store '$S' -- true)"
	[ "$status" -eq 2 ]
	run_script "pckpt_job --store '$S' -- true | cat; exit \${PIPESTATUS[0]}"
	[ "$status" -eq 2 ]
	[[ $stderr == *"in a subshell"*"tee"* ]]
}

@test "a warning where there is no requeue: saved, and the program runs on" {
	script "pckpt_job --store '$S' -- '$count' 40 0.1"
	await lines 3
	kill -USR1 "$pid"
	await said "dumped 000001"
	said "not requeued: this is not a Slurm job"
	ends 0
	[ "$(cat job.out)" = "$(seq 40)" ]
	grep -q 'run 0: pckpt: dumped 000001' "$S/run.log"
}

@test "a warning before the program runs is not lost" {
	script "kill -URG \$\$ & wait; pckpt_job --store '$S' -- '$count' 20 0.1"
	ends 0
	[ ! -e "$S/000001" ] # no trap was set: URG does no harm
	script "_pckpt_look() { kill -URG \$\$; _pckpt_requeue_no=no _pckpt_end='' _pckpt_room='' _pckpt_lead='' _pckpt_signal=''; }
		pckpt_job --store '$S' -- '$count' 20 0.1"
	ends 0
	[ -e "$S/000001/commit" ]
	[ "$(cat job.out)" = "$(seq 20)" ]
}

@test "many signals at once: none is lost" {
	script "pckpt_job --store '$S' -- '$count' 60 0.1"
	await lines 3
	kill -CONT "$pid"
	kill -USR1 "$pid"
	kill -CONT "$pid"
	kill -URG "$pid"
	kill -TERM "$pid" # without Slurm nobody knows why: saved and ended
	ends 75
	said "Slurm does not say why"
	said "; the program was ended"
	script "pckpt_job --store '$S' -- '$count' 60 0.1"
	ends 0
	said "restored 00000"
	[ "$(cat job.out)" = "$(seq 60)" ] || [ "$(tail -n 1 job.out)" = 60 ]
}

@test "other signals are passed on" {
	script "pckpt_job --store '$S' -- bash -c 'trap \"echo got it; exit 3\" USR2; touch ready; while :; do sleep 0.1; done'"
	await test -e ready
	kill -USR2 "$pid"
	ends 3
	[ "$(cat job.out)" = "got it" ]
}

@test "by hand: save and end in a trap, go on later, traps with time limits of their own" {
	local text="save() { sleep 2; pckpt_dump --kill && echo saved; } # longer than pckpt_wait reads
		trap 'pckpt_on_signal USR1 save' USR1
		pckpt_start_or_restore --store '$S' -- '$count' 30 0.1
		code=0; pckpt_wait || code=\$?; echo code \$code"
	script "$text"
	await lines 3
	kill -USR1 "$pid"
	ends 0
	[ "$(tail -n 2 job.out)" = $'saved\ncode 75' ]
	grep '^[0-9]' job.out >first
	script "$text"
	ends 0
	[ "$(tail -n 1 job.out)" = "code 0" ]
	[ "$(cat first <(grep '^[0-9]' job.out))" = "$(seq 30)" ]
}

@test "by hand: a warning before there is a program is not lost" {
	script "save() { pckpt_dump --kill && echo saved; }
		trap 'pckpt_on_signal USR1 save' USR1
		kill -USR1 \$\$
		kill -USR1 \$\$
		pckpt_start_or_restore --store '$S' -- '$count' 30 0.1
		code=0; pckpt_wait || code=\$?; echo code \$code"
	ends 0
	[ "$(grep -v '^[0-9]' job.out)" = $'saved\ncode 75' ]
}

@test "by hand: a trap that saves by itself is told, and the program is saved all the same" {
	script "trap 'pckpt_dump --kill || echo told' USR1
		pckpt_start_or_restore --store '$S' -- '$count' 30 0.1
		code=0; pckpt_wait || code=\$?; echo code \$code"
	await lines 3
	kill -USR1 "$pid"
	ends 0
	[ "$(grep -v '^[0-9]' job.out | head -n 1)" = told ]
	said "pckpt_dump in a trap"
	[ -e "$S/000001/commit" ]
}

@test "by hand: parts without a program" {
	run_script "pckpt_dump || echo no; pckpt_wait || echo no; pckpt_requeue || echo no"
	[ "$output" = $'no\nno\nno' ]
	[[ $stderr == *"nothing runs"*"not requeued"* ]]
}

@test "odd names, patterns off, noclobber, an odd IFS" {
	local odd="$BATS_TEST_TMPDIR/a b'c\"\$d*"
	mkdir "$odd"
	cp "$count" "$odd/my program"
	script 'set -fCu; set -o pipefail; IFS=/
		pckpt_job --every 0.5s --clean --store "$1" -- "$2" 20 0.1 || exit
		[ ! -e "$1" ]' "$odd/the store" "$odd/my program"
	ends 0
	[ "$(cat job.out)" = "$(seq 20)" ]
	said "dumped 000001"
}

@test "--clean leaves what is not ours, and everything after a failure" {
	run_script "pckpt_job --store '$S' --clean -- false || :"
	[ -d "$S" ]
	run_script "touch '$S/run.mine'; pckpt_job --store '$S' --clean -- mkdir '$S/000001x'"
	[ "$status" -eq 0 ]
	[ "$(ls -A "$S")" = 000001x ]
	[[ $stderr == *"has other files"* ]]
}

@test "--dry-run says what would be done, and does nothing" {
	SLURM_JOB_ID=12 SLURM_SUBMIT_DIR=$W run_script "pckpt_job --every 30m --dry-run -- ./prog 'a b'"
	[ "$status" -eq 0 ]
	[[ $stderr == *"store $W/pckpt-12"*"starts from the beginning"*"every 30m"*"scontrol requeue 12"*" -- ./prog a\\ b" ]]
	[ "$(echo *)" = job.sh ]
}

@test "--max-time: saved and ended with 75; used up: not started" {
	run_script "pckpt_job --store '$S' --max-time 2 -- '$count' 100 0.1"
	[ "$status" -eq 75 ]
	[[ $stderr == *"--max-time 2 s is used up"*"the program was ended"* ]]
	[ -e "$S/000001/commit" ]
	run_script "pckpt_job --store '$S' --max-time 2 -- '$count' 100 0.1"
	[ "$status" -eq 75 ]
	[ -z "$output" ]
	[[ $stderr == *"is not continued"* ]]
}

@test "a default store that an earlier job of this number has left is put aside" {
	SLURM_JOB_ID=5 SLURM_SUBMIT_DIR=$W run_script "pckpt_job --max-time 1 -- '$count' 100 0.1"
	[ "$status" -eq 75 ]
	[ -e pckpt-5/000001/commit ]
	SLURM_JOB_ID=5 SLURM_SUBMIT_DIR=$W run_script "pckpt_job -- echo new"
	[ "$output" = new ]
	[ -e "$(echo pckpt-5.2*)/000001/commit" ]
	[ ! -e pckpt-5/000001 ]
	# a store of another cluster stays where it is
	SLURM_CLUSTER_NAME=two SLURM_JOB_ID=5 SLURM_SUBMIT_DIR=$W run_script "pckpt_job -- echo other"
	[ "$output" = other ]
	SLURM_CLUSTER_NAME=three SLURM_JOB_ID=5 SLURM_SUBMIT_DIR=$W run_script "pckpt_job -- echo third"
	[ -d pckpt-5-three ]
}

@test "no pckpt: 127, and the reason" {
	run -127 --separate-stderr env PCKPT=/nowhere/pckpt bash -c "source '$lib'; pckpt_job --store '$S' -- true"
	[ "$status" -eq 127 ]
	[[ $stderr == */nowhere/pckpt* ]]
}
