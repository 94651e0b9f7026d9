# SPDX-License-Identifier: Apache-2.0
# What cannot be dumped is refused by name, before anything is written, and runs on undisturbed.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

# obstacle NAME: starts a program in that state.
obstacle() {
	launch "$1" "$E2E_PROGRAMS/obstacle" "$1"
}

# refuses CODE PATTERN...: a dump, which must leave nothing, and the program be right in the end.
refuses() {
	pckpt dump -o "$S" "$JOB"
	refused "$@" || return 1
	no_store || return 1
	nothing_left
	pckpt dump -n "$JOB"
	refused "$@"
	nothing_left
	finish
}

@test "no such process" {
	start short true
	wait "$pid"
	pckpt dump -o "$S" "$pid"
	refused 66 "pid $pid" "no such process"
	no_store
}

@test "a process of another user" {
	! as_root || skip "root may dump everybody's"
	pckpt dump -o "$S" 1
	refused 77 "pid 1" "it belongs to user 0, you are $(id -u)" "as its owner"
	no_store
}

@test "a thread of the kernel" {
	pid=$(pgrep -x kthreadd) || skip "none to be seen here"
	pckpt dump -o "$S" "$pid"
	refused 69 "pid $pid" "thread of the kernel"
	no_store
}

@test "pckpt itself, by way of its caller" {
	# The test's own shell has a child: the pckpt that would dump it.
	pckpt dump -o "$S" $$
	refused 69 "pid [0-9]+: it has started this pckpt" "part of the job" "from outside"
	no_store
}

@test "a thread: its process is named" {
	launch_job
	for tid in /proc/"$JOB"/task/*; do
		tid=${tid##*/}
		[ "$tid" -ne "$JOB" ] || continue
		pckpt dump -o "$S" "$tid"
		refused 2 "pid $tid is a thread" "try: name its process, $JOB"
	done
	no_store
	finish
}

@test "a process that has ended" {
	obstacle zombie
	pckpt dump -o "$S" "$(<zombie)"
	refused 66 "pid $(<zombie)" "it has ended already"
	no_store
	finish
}

@test "a process whose first thread has ended" {
	obstacle leader
	await in_state Z "$JOB"
	refuses 66 "pid $JOB" "its first thread has"
}

@test "a process that is traced already: the tracer is named" {
	launch_job
	traced=$JOB
	echo "$traced" >traced
	rm ready
	obstacle tracer
	tracer=$OWNER
	pckpt dump -o "$S" "$traced"
	refused 77 "pid $traced" "why: .*pid $tracer" "try: end that one first"
	no_store
	release
	wait "$tracer"
	OWNER=$traced
	expect_end 0
	whole job.out
}

@test "prctl(PR_SET_DUMPABLE, 0)" {
	! as_root || skip "root may dump it"
	obstacle undumpable
	refuses 77 "pid $JOB" "PR_SET_DUMPABLE"
}

@test "a seccomp filter" {
	obstacle seccomp
	refuses 69 "pid $JOB" "seccomp filter"
}

@test "an uninterruptible sleep" {
	obstacle vfork
	await in_state D "$JOB"
	pckpt dump -o "$S" --timeout 0.3 "$JOB"
	refused 75 "pid $JOB" "uninterruptible sleep" "try again"
	no_store
	finish
}

@test "a descriptor of a strange kind" {
	obstacle fd
	refuses 69 "fd 3: (io_uring instance|userfaultfd)"
}

@test "an object that pckpt has never heard of" {
	obstacle unheard_of
	refuses 69 "pid $JOB: fd 3: .*landlock" "cannot rebuild it" "closed it"
}

@test "the same in a child" {
	obstacle child
	refuses 69 "pid [0-9]+: fd [0-9]+: .*landlock"
	[[ $stderr != *"pid $JOB"* ]]
}

@test "--strict: a connection that leads outside of the job" {
	obstacle outside
	pckpt dump --strict -o "$S" "$JOB"
	refused 69 "pid $JOB: fd [0-9]+: the other end of this socket is outside the job" \
		"--strict allows no loss" "without --strict" || return 1
	no_store || return 1
	pckpt dump -n "$JOB"
	expect 0 "other end of this socket is outside"
	finish
}

@test "a packet socket" {
	as_root || skip "only root may have one"
	obstacle packet
	refuses 69 "fd [0-9]+: packet socket" "cannot rebuild it" "end the capture"
}

@test "secret memory" {
	obstacle secret
	refuses 69 "mapping .*: secret memory"
}

@test "a mapped file in a directory that was closed" {
	! as_root || skip "nothing is closed to root"
	obstacle closed
	refuses 69 "mapped file .*/closed/data cannot be opened by its name" "make it accessible"
}

@test "a 32-bit program" {
	[ -x "$E2E_PROGRAMS/i386" ] || skip "the compiler makes no 32-bit programs"
	launch i386 "$E2E_PROGRAMS/i386"
	refuses 69 "pid $JOB: thread $JOB runs 32-bit code" "64-bit version"
}

@test "a process in another namespace" {
	unshare -U true 2>/dev/null || skip "no user namespaces here"
	launch job unshare -U -- "$E2E_PROGRAMS/job"
	refuses 69 "pid $JOB" "another user namespace"
}
