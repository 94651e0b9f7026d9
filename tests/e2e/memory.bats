# SPDX-License-Identifier: Apache-2.0
# The memory that pckpt needs does not grow with the job's.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; e2e.bash and bats set variables
load e2e

MIB=600 # of the job, which LZ4 cannot make smaller
WORKERS=2

# at_most KIB COMMAND...: runs it; fails if it does, or if any of its processes needs more than that.
at_most() {
	python3 -c 'import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"peak: {peak} KiB, allowed {sys.argv[1]}", file=sys.stderr)
sys.exit(code or peak > int(sys.argv[1]))' "$@"
}

small() {
	at_most $(((64 + 8 * WORKERS) * 1024)) "$@"
}

@test "a dump of 600 MiB, and a restore, need 64 MiB and 8 for each thread at most" {
	[ -z "$E2E_SANITIZE" ] || skip "sanitizers need memory of their own"
	S=$(mktemp -d /dev/shm/pckpt-e2e.XXXXXX)
	launch_job memory=$MIB
	capture small "$PCKPT" dump -T $WORKERS --kill -o "$S/store" "$JOB"
	size=$(du -sm "$S" | cut -f1)
	expect 0 "peak: " || { rm -rf "$S"; return 1; }
	capture small "$PCKPT" restore -T $WORKERS --detach --pidfile "$W/pid" "$S/store"
	rm -rf "$S"
	expect 0 "peak: "
	[ "$size" -ge $MIB ]
	JOB=$(<pid)
	release
	await ended "$JOB"
	[ ! -e report ]
	whole job.out
	nothing_left
}
