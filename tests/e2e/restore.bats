# SPDX-License-Identifier: Apache-2.0
# pckpt restore: exit codes, signals, process numbers, files, and what is refused before it starts.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

# $IMAGE: a checkpoint whose program was ended with it.
checkpoint() {
	launch_job "$@"
	pid_before=$JOB
	dump -q --kill
	expect_end 137
}

# not_restored PATTERN... with the options in $how: exit code 125, and nothing was started.
not_restored() {
	pckpt restore ${how:+$how} "$IMAGE"
	refused 125 "$@" || return 1
	nothing_left
	[ -z "$(marked)" ] || { echo "left: $(marked)"; return 1; }
}

@test "the program's exit code is passed on" {
	checkpoint
	restore "$IMAGE"
	running
	finish 3 "exit 3"
	[ ! -s restore.out ]
	[ ! -s restore.err ]
	rm go
	restore "$S"
	finish 0
}

@test "a program that dies by a signal: 128+N" {
	checkpoint
	for signal in 15 9; do
		restore "$IMAGE"
		finish $((128 + signal)) "kill $signal"
		rm go
	done
	restore "$IMAGE"
	kill -KILL "$JOB"
	expect_end 137
}

noted() {
	[ "$(sort -n signals 2>/dev/null | tr '\n' ' ')" = "$*" ]
}

@test "signals are passed on" {
	checkpoint
	restore "$IMAGE"
	for signal in HUP INT QUIT USR1 USR2 PIPE ALRM TERM CONT WINCH 40; do
		kill -$signal "$OWNER"
	done
	await noted "1 2 3 10 12 13 14 15 18 28 40 "
	finish
}

@test "the program ends with its restore" {
	checkpoint
	for how in ns any; do
		restore --pid=$how "$IMAGE"
		kill -KILL "$OWNER"
		await ended "$JOB"
		wait "$OWNER" || true
		nothing_left
	done
}

@test "--detach: it returns at once, and the program is there" {
	checkpoint
	start restore "$PCKPT" restore --detach --pidfile "$W/pid" "$IMAGE"
	wait "$pid"
	JOB=$(<pid)
	[ "$(<"/proc/$JOB/comm")" = job ]
	running
	release
	await ended "$JOB"
	[ ! -e report ]
	whole job.out
	nothing_left
}

@test "--detach: the program can be dumped again" {
	checkpoint
	start restore "$PCKPT" restore -d --pidfile "$W/pid" "$IMAGE"
	wait "$pid"
	JOB=$(<pid)
	dump -q --kill
	await ended "$JOB"
	nothing_left
	restore "$IMAGE"
	finish
}

@test "a pid file that cannot be written" {
	checkpoint
	how="--pidfile $W/no/such" not_restored "pid file $W/no/such"
	[ ! -e no ]
}

@test "two restores of one checkpoint at once" {
	checkpoint
	for n in 1 2; do
		start copy$n "$PCKPT" restore --stdio=inherit --pidfile "$W/pid$n" "$IMAGE"
		copies[n]=$pid
	done
	for n in 1 2; do
		await exists_or_ended "$W/pid$n" "${copies[n]}"
		await grown copy$n.out 0
	done
	release
	for n in 1 2; do
		wait "${copies[n]}"
		whole copy$n.out
		[ "$(head -n 1 copy$n.out)" = "line $(($(wc -l <job.out) + 1))" ]
	done
	[ ! -e report ]
	nothing_left
}

@test "a file that is missing" {
	echo 0123456789 >input
	checkpoint open="$W/input"
	mv input away
	not_restored "open file $W/input" "No such file" "put the file back"
	mv away input
	restore "$IMAGE"
	finish
}

@test "a file that has shrunk" {
	checkpoint
	size=$(stat -c %s job.out)
	cp -p job.out kept
	truncate -s -1 job.out
	not_restored "open file $W/job.out" "it has shrunk: $size bytes at the dump, $((size - 1)) now" \
		"longer version"
	cp -p kept job.out
	restore "$IMAGE"
	finish
}

@test "an executable that has changed" {
	cp "$E2E_PROGRAMS/job" .
	launch job "$W/job"
	dump -q --kill
	expect_end 137
	mv job kept
	cp kept job
	echo >>job
	not_restored "mapped file $W/job" "it has changed since the dump"
	rm job
	not_restored "mapped file $W/job" "No such file"
	mv kept job
	restore "$IMAGE"
	finish
}

@test "all that is wrong is told at once" {
	echo 0123456789 >input
	checkpoint open="$W/input"
	rm input
	truncate -s 0 job.out
	pckpt restore "$IMAGE"
	expect 125 "open file $W/input" "open file $W/job.out"
	[ ${#stderr_lines[@]} -eq 6 ]
}

@test "a file that has grown is cut back, and its end is kept" {
	checkpoint
	cp job.out kept
	echo "more" >>job.out
	restore "$IMAGE"
	running
	finish
	cmp -n "$(stat -c %s kept)" kept job.out
	[ "$(cat "$S"/cut/*-job.out)" = more ]
	pckpt verify "$S"
	expect 0
}

@test "what is cut off a file with a lease on it is kept, too" {
	cat >leaser <<-'END'
		import fcntl, os, signal, time
		signal.signal(signal.SIGIO, signal.SIG_IGN)
		log = os.open("log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
		os.write(log, b"before\n")
		fcntl.fcntl(log, fcntl.F_SETLEASE, fcntl.F_WRLCK)
		open("ready", "w").close()
		while not os.path.exists("go"):
		    time.sleep(0.01)
		assert fcntl.fcntl(log, fcntl.F_GETLEASE) == fcntl.F_WRLCK
		os.write(log, b"after\n")
	END
	launch leaser python3 leaser
	dump -q --kill
	expect_end 137
	echo more >>log
	restore "$IMAGE"
	finish
	[ "$(cat log)" = $'before\nafter' ]
	[ "$(cat "$S"/cut/*-log)" = more ]
}

@test "no file is cut back when the end of one cannot be kept" {
	as_root || skip "only root can mount a small disk"
	mkdir "$BATS_TEST_TMPDIR/small"
	mount -t tmpfs -o size=4m small "$BATS_TEST_TMPDIR/small"
	S=$BATS_TEST_TMPDIR/small/store
	checkpoint
	echo "more" >>job.out
	head -c 8M /dev/zero >>job.err
	cp job.out before
	how=''
	not_restored "cannot keep the end of $W/job.err in $S/cut" "No space left on device"
	cmp before job.out
	truncate -s 0 job.err
	restore "$IMAGE"
	finish
}

@test "a restore from before: the output is as if nothing had been" {
	launch_job
	dump -q
	running
	kill -KILL "$JOB"
	wait "$JOB" || true
	cp job.out all
	restore "$IMAGE"
	finish
	size=$(tail -n +1 "$S"/cut/*-job.out | wc -c)
	tail -c "$size" all | cmp - "$S"/cut/*-job.out
}

# What the program itself takes for its number.
inner_pid() {
	sed -n 's/^NSpid:.*\t//p' "/proc/$JOB/status"
}

@test "--pid=any: a new number" {
	checkpoint
	restore --pid=any "$IMAGE"
	[ "$JOB" -ne "$pid_before" ]
	[ "$(inner_pid)" -eq "$JOB" ]
	finish
}

@test "--pid=ns, auto: its own number, in a namespace" {
	unshare -U true 2>/dev/null || as_root || skip "no user namespaces here"
	checkpoint
	for how in ns auto; do
		restore --pid=$how "$IMAGE"
		[ "$JOB" -ne "$pid_before" ]
		[ "$(inner_pid)" -eq "$pid_before" ]
		kill -KILL "$JOB"
		expect_end 137
	done
	restore --pid=ns "$IMAGE"
	finish
}

# forbidden COMMAND...: where no user namespace can be made any more, and without capabilities.
forbidden() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -U --map-current-user --keep-caps sh -c 'echo 0 >/proc/sys/user/max_user_namespaces &&
		exec setpriv --inh-caps=-all --ambient-caps=-all "$@"' - "$@"
}

@test "where namespaces are forbidden: new numbers, with a warning; --pid=ns is refused" {
	! as_root || skip "root needs no user namespace"
	forbidden true 2>/dev/null || skip "cannot be arranged here"
	checkpoint
	capture forbidden "$PCKPT" restore --pid=ns "$IMAGE"
	refused 125 "cannot get its process numbers" "user namespaces are forbidden" "--pid=any"
	start restore forbidden "$PCKPT" restore --pidfile "$W/pid" "$IMAGE"
	OWNER=$pid
	await exists_or_ended pid "$pid"
	JOB=$(<pid)
	[ "$(inner_pid)" -ne "$pid_before" ]
	grep -q "warning: user namespaces are forbidden here: the program gets new" restore.err
	running
	finish 5 "exit 5"
}

@test "--pid=same: refused without a capability" {
	! as_root || skip "root has it"
	checkpoint
	how=--pid=same not_restored "cannot get its process numbers" "cap_checkpoint_restore" \
		"--pid=ns"
}

@test "--pid=same: its own number; a number that is taken names its owner" {
	as_root || skip "needs a capability"
	launch_job
	dump -q
	pckpt restore --pid=same "$IMAGE"
	refused 125 "process number $JOB is taken by job" "--pid=ns"
	kill -KILL "$JOB"
	wait "$JOB" || true
	pid_before=$JOB
	restore --pid=same "$IMAGE"
	[ "$JOB" -eq "$pid_before" ]
	finish
}

@test "--redirect-vdso: as on another kernel" {
	checkpoint
	restore --redirect-vdso "$IMAGE"
	running
	finish
}

@test "dumped again, by its own number and by that of its restore" {
	checkpoint
	restore "$IMAGE"
	dump -q --kill
	expect_end 137
	restore "$IMAGE"
	JOB=$OWNER dump -q --kill
	expect_end 137
	store_is 000002 000003
	restore "$IMAGE"
	JOB=$OWNER dump
	expect 0 "\(job\): 1 process, 2 threads"
	finish
}

@test "the newest checkpoint is damaged: told, and the one before can be had" {
	launch_job
	dump -q
	old=$IMAGE
	dump -q --kill
	expect_end 137
	for file in core.pk pages-00.lz4 commit; do
		cp "$IMAGE/$file" good
		printf X | dd of="$IMAGE/$file" bs=1 seek=40 conv=notrunc status=none
		cp -p job.out before
		not_restored "$IMAGE: .*$file" "earlier checkpoint"
		pckpt restore "$S"
		refused 125 "$IMAGE: .*$file"
		cmp before job.out
		cp good "$IMAGE/$file"
	done
	restore "$old"
	finish
}

@test "what is no image" {
	IMAGE=no/such
	not_restored "no/such: there is no image"
	IMAGE=$W
	not_restored "$W: holds no complete checkpoint"
}

@test "a signal while it is being built: given up, nothing is left, files are as they were" {
	with_faults
	checkpoint
	echo more >>job.out
	cp job.out before
	PCKPT_FAULT=restore.pages=stop start restore "$PCKPT" restore "$IMAGE"
	await in_state T "$pid"
	kill -TERM "$pid"
	kill -CONT "$pid"
	code=0
	wait "$pid" || code=$?
	[ $code -eq 125 ] || { echo "exit code $code"; cat restore.err; return 1; }
	grep -q "interrupted by signal 15" restore.err
	nothing_left
	[ -z "$(marked)" ]
	cmp before job.out
	[ ! -e "$S/cut" ]
}

@test "-T, -v, PCKPT_TRACE=1" {
	checkpoint
	PCKPT_TRACE=1 restore -T 1 -v "$IMAGE"
	finish
	grep -q "runs again as pid $JOB" restore.err
	grep -q "mmap" restore.err
}
