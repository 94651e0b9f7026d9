# SPDX-License-Identifier: Apache-2.0
# pckpt dump: its options, its store, and what becomes of a job whose dump fails.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

@test "a dump: the job runs on, the checkpoint is good, its path is the output" {
	launch_job
	dump
	[ "$output" = "$S/000001" ]
	expect 0 "pid $JOB \(job\): 1 process, 2 threads" "the program runs on"
	store_is 000001
	[ "$(stat -c %a "$S" "$IMAGE" | sort -u)" = 700 ]
	[ "$(stat -c %a "$IMAGE"/* | sort -u)" = 600 ]
	[ -z "$(find "$S" ! -user "$(id -u)")" ]
	pckpt verify "$IMAGE"
	expect 0
	running
	finish
}

@test "without -o: ./pckpt-NAME-PID" {
	launch_job
	mkdir elsewhere
	cd elsewhere
	pckpt dump -q "$JOB"
	expect 0
	[ "$output" = "./pckpt-job-$JOB/000001" ] || [ "$output" = "pckpt-job-$JOB/000001" ]
	[ "$(echo *)" = "pckpt-job-$JOB" ]
	pckpt verify "$output"
	expect 0
	finish
}

@test "--kill: the job ends, and not before its checkpoint is complete" {
	launch_job
	dump --kill
	expect 0 "the program was ended"
	expect_end 137
	tail -n 1 job.out >last
	restore "$IMAGE"
	running
	finish
	grep -qxf last job.out
}

@test "--keep: 2 by default, N, or all" {
	launch_job
	for n in 1 2 3; do
		dump -q
		[ "$IMAGE" = "$S/00000$n" ]
	done
	store_is 000002 000003
	dump -q --keep 0
	dump -q --keep 0
	store_is 000002 000003 000004 000005
	dump -q --keep=3
	store_is 000004 000005 000006
	dump -q --keep 1
	store_is 000007
	finish
}

@test "-T: as many page files as threads" {
	launch_job
	dump -T 1
	[ "$(cd "$IMAGE" && echo pages-*)" = pages-00.lz4 ]
	dump --threads=3
	[ "$(cd "$IMAGE" && echo pages-*)" = "pages-00.lz4 pages-01.lz4 pages-02.lz4" ]
	lz4 -tmq "$IMAGE"/pages-*.lz4
	finish
}

@test "--timeout: too short a time is told, enough is not" {
	launch_job memory=16
	pckpt dump -o "$S" --timeout 0.000001 "$JOB"
	refused 75 "pid $JOB" "within the time limit" "--timeout"
	no_store
	running
	dump --timeout 60
	finish
}

@test "--timeout: whenever it strikes, the job is as before" {
	launch_job
	dump -q # what a first dump changes for good (the stack's reach) is not the question
	cat "/proc/$JOB/maps" >before
	for ms in 1 2 3 4 5 6 7 8 9 10 12 14 16 18 20 25 30 35 40; do
		for more in 0 3 6; do
			pckpt dump -q -o "$S" --timeout "$(printf 0.%03d%d $ms $more)" "$JOB"
			[ "$status" -eq 0 ] || refused 75 "pid $JOB" "within the time limit"
			cmp before "/proc/$JOB/maps"
		done
	done
	running
	finish
}

@test "-n: nothing is written" {
	launch_job
	pckpt dump -n -o "$S" "$JOB"
	expect 0 "it can be dumped; nothing was written"
	[ -z "$output" ]
	no_store
	pckpt dump --dry-run "$JOB"
	expect 0
	[ ! -e "pckpt-job-$JOB" ]
	finish
}

@test "-q: the path and nothing else" {
	launch_job
	dump -q
	[ -z "$stderr" ]
	[ "$output" = "$S/000001" ]
	finish
}

@test "PCKPT_TRACE=1: what is done inside the job" {
	launch_job
	PCKPT_TRACE=1 dump -q
	[ "$output" = "$S/000001" ]
	[[ $stderr == *gettid* ]]
	[[ $stderr == *rt_sigaction* ]]
	finish
}

@test "a store in use" {
	launch_job
	dump -q
	exec 8<"$S/.lock"
	flock 8
	pckpt dump -o "$S" "$JOB"
	refused 75 "$S: is in use" "another dump" "name another directory"
	store_is 000001
	exec 8<&-
	dump -q
	store_is 000001 000002
	finish
}

@test "two dumps at once into a new store: the first one wins" {
	with_faults
	launch_job
	rm ready
	PCKPT_FAULT=dump.commit=stop start first "$PCKPT" dump -q -o "$S" "$JOB"
	first=$pid
	await helper_stopped
	pckpt dump -o "$S" "$JOB"
	refused 75 "$S: is in use"
	kill -CONT "$helper"
	wait "$first"
	[ "$(<first.out)" = "$S/000001" ]
	store_is 000001
	finish
}

# Sets $helper: the child of the dump in $pid that does the work, once it has stopped itself.
helper_stopped() {
	helper=$(cat "/proc/$pid/task/$pid/children")
	helper=${helper%% *}
	[ -n "$helper" ] && in_state T "$helper"
}

@test "an unfinished checkpoint is swept away" {
	launch_job
	mkdir -p "$S/000001.part"
	echo rubbish >"$S/000001.part/core.pk"
	dump -q
	[ "$IMAGE" = "$S/000001" ]
	store_is 000001
	finish
}

@test "places that are none" {
	launch_job
	echo text >file
	mkdir other
	echo text >other/file
	pckpt dump -o "$W/file" "$JOB"
	refused 73 "$W/file"
	pckpt dump -o "$W/file/store" "$JOB"
	refused 73 "$W/file/store"
	pckpt dump -o "$W/no/store" "$JOB"
	refused 73 "$W/no/store" "make the directory above it first"
	[ ! -e no ]
	pckpt dump -o "$W/other" "$JOB"
	refused 73 "$W/other: is not a place for checkpoints" "other files \('file'\)"
	[ "$(ls -A other)" = file ]
	pckpt dump -o /proc/pckpt "$JOB"
	refused 73 "/proc/pckpt"
	finish
}

@test "a store that cannot be written" {
	! as_root || skip "root may write everywhere"
	launch_job
	mkdir locked "$S"
	chmod 555 locked "$S"
	pckpt dump -o "$S" "$JOB"
	refused 73 "$S" "Permission denied" "that you can write to"
	[ -z "$(ls -A "$S")" ]
	pckpt dump -o "$W/locked/store" "$JOB"
	refused 73 "$W/locked/store" "Permission denied"
	chmod 755 locked "$S"
	finish
}

# limited KIB WORD...: pckpt, which may write files up to that size.
limited() (
	ulimit -f "$1"
	shift
	"$PCKPT" "$@"
)

@test "a limit on the size of files: an error, and with --kill the job lives" {
	launch_job memory=8
	for how in "" --kill; do
		capture limited 1024 dump ${how:+$how} -o "$S" "$JOB"
		refused 73 "$S: pages-.*File too large" "ulimit -f"
		no_store
		running
	done
	finish
	rm ready go job.out
	launch_job
	capture limited 2 dump -o "$S" "$JOB"
	refused 73 "$S: core.pk.*File too large" "ulimit -f"
	no_store
	finish
}

@test "a full disk: an error, the job lives, and so does the checkpoint before" {
	as_root || skip "only root can mount a small disk"
	launch_job
	mkdir "$BATS_TEST_TMPDIR/small"
	mount -t tmpfs -o size=4m small "$BATS_TEST_TMPDIR/small"
	S=$BATS_TEST_TMPDIR/small/store
	dump -q
	finish
	rm ready go job.out
	launch_job memory=8
	for how in "" --kill; do
		pckpt dump ${how:+$how} -o "$S" "$JOB"
		refused 73 "$S: (pages-|core[.]pk)" "No space left on device" "free some space"
		store_is 000001
		running
	done
	pckpt verify "$S"
	expect 0
	finish
}

# Whether SIGTERM is pending.
signalled() {
	grep -q '^ShdPnd:.*4...$' "/proc/$1/status"
}

# interrupted_at POINT SIGNAL CODE: while the dump is there.
interrupted_at() {
	PCKPT_FAULT=$1=stop start dump "$PCKPT" dump -o "$S" "$JOB"
	local dump=$pid code=0
	await helper_stopped
	[ -e "$S/000001.part" ]
	kill "-$2" "$dump"
	await signalled "$helper"
	kill -CONT "$helper"
	wait "$dump" || code=$?
	[ "$code" -eq "$3" ] || { echo "$1 $2: exit code $code"; return 1; }
	grep -q "interrupted" dump.err
	[ "$(wc -l <dump.err)" -eq 3 ]
	[ ! -s dump.out ]
	no_store
	nothing_left
	running
}

@test "SIGINT and SIGTERM: 128+N, nothing is left, the job goes on" {
	with_faults
	launch_job
	for point in remote.open dump.commit; do
		interrupted_at $point INT 130
		interrupted_at $point TERM 143
	done
	interrupted_at remote.open HUP 129
	dump
	finish
}

@test "a signal after the commit comes too late" {
	with_faults
	launch_job
	PCKPT_FAULT=dump.committed=stop start dump "$PCKPT" dump -q -o "$S" "$JOB"
	await helper_stopped
	kill -TERM "$pid"
	await signalled "$helper"
	kill -CONT "$helper"
	wait "$pid"
	[ "$(<dump.out)" = "$S/000001" ]
	pckpt verify "$S"
	expect 0
	finish
}

@test "a job that is stopped stays stopped" {
	launch_job
	kill -STOP "$JOB"
	await in_state T "$JOB"
	dump -q
	in_state T "$JOB"
	kill -CONT "$JOB"
	running
	finish
}

@test "--leave-running and -v are accepted" {
	launch_job
	dump --leave-running -v
	running
	finish
}
