# SPDX-License-Identifier: Apache-2.0
"""What needs nothing of pckpt but dump and restore."""

from jobs import scenario

HAND = """
store=$PWD/store
if [ -d "$store" ]; then
	pckpt restore "$store" --pidfile pid &
else
	count --go go 600 100 &
fi
job=$!
save() {
	trap '' TERM
	pckpt dump --kill "$job" -o "$store" && scontrol requeue "$SLURM_JOB_ID"
}
trap save URG
while true; do
	wait "$job"
	code=$?
	kill -0 "$job" 2>/dev/null || break
done
exit $code
"""


@scenario
def by_hand(s):
    """A job script that knows only dump and restore."""
    job = s.submit(HAND, head="set -u")
    job.wait_run()
    job.progress()
    job.warn()
    job.wait_run(restarts=1)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
