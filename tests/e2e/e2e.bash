# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of the command line share. A test works in a directory of its own, $W; its store is
# $S. `pckpt` runs the program and leaves $status, $output, $stderr, as `run` of bats does. $JOB is the process number of the
# program under test, $OWNER the process whose end tells of the program's end: itself or a restore.

setup() {
	W=$BATS_TEST_TMPDIR/work S=$BATS_TEST_TMPDIR/store
	export PCKPT_VICTIM_DIR=$W # the programs' word with us, and the mark of all our processes
	mkdir "$W"
	cd "$W" || return
	started=()
}

teardown() {
	if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
		[ -z "${stderr:-}" ] || echo "last stderr: $stderr"
		grep -s . "$W"/*.err "$W"/report || true
	fi
	local pid
	for pid in "${started[@]}" $(marked); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	! mountpoint -q "$BATS_TEST_TMPDIR/small" || umount "$BATS_TEST_TMPDIR/small"
}

# ---- processes

# Looks until the command is true.
await() {
	local i
	for ((i = 0; i < 2000; i++)); do
		! "$@" || return 0
		sleep 0.01
	done
	echo "never came true: $*"
	return 1
}

# Every process that a test started, also behind its back.
marked() (
	unset PCKPT_VICTIM_DIR # not those that look
	grep -lsaF "PCKPT_VICTIM_DIR=$W" /proc/[0-9]*/environ | cut -d/ -f3
)

# start NAME COMMAND...: in the background, with streams as a batch job has them. Its number: $pid.
start() {
	local name=$1
	shift
	"$@" </dev/null >"$W/$name.out" 2>"$W/$name.err" 3>&- 4>&- &
	pid=$!
	started+=("$pid")
}

ended() {
	local state
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || true
	[ -z "$state" ] || [ "$state" = Z ]
}

in_state() { # STATE PID
	grep -qs "^State:.$1" "/proc/$2/status"
}

exists_or_ended() { # FILE PID
	[ -e "$1" ] || ended "$2"
}

# launch NAME COMMAND...: starts a program that makes the file `ready`. 77 skips the test.
launch() {
	local code=0
	start "$@"
	JOB=$pid OWNER=$pid
	await exists_or_ended "$W/ready" "$pid"
	[ ! -e "$W/ready" ] || return 0
	wait "$pid" || code=$?
	[ $code -ne 77 ] || skip "$(cat "$W/$1.err")"
	echo "$* ended with $code"
	return 1
}

# The usual program; see job.c.
launch_job() {
	launch job "$E2E_PROGRAMS/job" "$@"
}

# Tells the program to go on to its check, and what to do then.
release() {
	echo "${*-}" >"$W/go.new"
	mv "$W/go.new" "$W/go"
}

# The program's end, or that of the restore that stands for it.
expect_end() { # CODE
	local code=0
	await ended "$OWNER" || return 1
	wait "$OWNER" || code=$?
	[ "$code" -eq "$1" ] || { echo "it ended with $code, expected $1"; return 1; }
	[ ! -e "$W/report" ]
	nothing_left
}

# finish [CODE [WHAT]]: its own check found nothing wrong, and it wrote what an undisturbed one does.
finish() {
	release "${2-}"
	expect_end "${1-0}"
	[ ! -s "$W/job.out" ] || whole "$W/job.out"
}

# Lines are there once each, in order.
whole() {
	awk 'NR == 1 { n = $2 } $0 != "line " n++ { print FILENAME ": " NR ": " $0; exit 1 }' "$1"
}

pckpt_left() {
	local p
	for p in $(marked); do
		! grep -qs '^pckpt' "/proc/$p/comm" || return 0
	done
	return 1
}

none_left() {
	! pckpt_left
}

# No process of pckpt outlives its work.
nothing_left() {
	await none_left
}

# ---- pckpt

# expect CODE PATTERN...: what the last run gave: its exit code, and patterns in stderr.
expect() {
	local code=$1 pattern
	shift
	[ "$status" -eq "$code" ] || { echo "exit code $status, expected $code"; return 1; }
	for pattern; do
		[[ $stderr =~ $pattern ]] || { echo "not said: $pattern"; return 1; }
	done
}

# refused CODE PATTERN...: a failure, told in three lines and nothing else.
refused() {
	expect "$@" || return 1
	[ -z "$output" ] || { echo "printed: $output"; return 1; }
	if [ ${#stderr_lines[@]} -ne 3 ] || [[ ${stderr_lines[0]} != "pckpt: "?* ]] ||
		[[ ${stderr_lines[1]} != "  why: "?* ]] || [[ ${stderr_lines[2]} != "  try: "?* ]]; then
		echo "not three lines"
		return 1
	fi
}

pckpt() {
	capture timeout --foreground 60 "$PCKPT" "$@"
}

# As `run --separate-stderr` of bats does, in a tenth of the time.
capture() {
	local out=$BATS_TEST_TMPDIR/stdout err=$BATS_TEST_TMPDIR/stderr
	status=0
	"$@" </dev/null >"$out" 2>"$err" 3>&- 4>&- || status=$?
	output=$(<"$out")
	stderr=$(<"$err")
	mapfile -t stderr_lines <"$err"
}

# A dump that must succeed: $IMAGE is the checkpoint.
dump() {
	pckpt dump -o "$S" "$@" "$JOB"
	expect 0 || return 1
	IMAGE=$output
	[ -f "$IMAGE/commit" ]
}

# restore [option...] IMAGE: in the background, until the program runs; then $JOB, $OWNER are set.
restore() {
	rm -f "$W/pid"
	start restore "$PCKPT" restore --pidfile "$W/pid" "$@"
	OWNER=$pid
	await exists_or_ended "$W/pid" "$pid"
	[ -e "$W/pid" ] || { echo "restore $* failed"; return 1; }
	JOB=$(<"$W/pid")
}

# The program still computes, and nothing of the kind of thing that tests look for is in the store.
running() {
	local size
	size=$(stat -c %s "$W/job.out")
	await grown "$W/job.out" "$size"
}

grown() { # FILE SIZE
	[ "$(stat -c %s "$1")" -gt "$2" ]
}

store_is() { # the checkpoints that are in the store, and nothing else
	local found
	found=$(cd "$S" && echo *)
	[ "$found" = "$*" ] || { echo "the store holds $found, expected $*"; return 1; }
}

no_store() {
	[ ! -e "$S" ]
}

as_root() {
	[ "$E2E_AS" = root ]
}

with_faults() {
	[ "$E2E_FAULTS" = ON ] || skip "pckpt was built without fault points"
}
