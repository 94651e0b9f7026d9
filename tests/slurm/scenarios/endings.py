# SPDX-License-Identifier: Apache-2.0
"""How a job ends is how its program ends."""

import time

from jobs import expect, scenario


def ends_as_without(s, *options):
    """The job that is continued has the state and exit code of a plain one."""
    words = " ".join(options)
    plain = s.submit(f"count 1 0 {words}", name="plain", head=":", signal=None)
    job = s.submit(f"pckpt_job -- count --go go 600 100 {words}")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    plain.wait_state("FAILED")
    job.expect_end(plain.state, plain.record["ExitCode"], restarts=1)
    return job


@scenario
def exit_code(s):
    job = ends_as_without(s, "--exit 7")
    expect(job.record["ExitCode"] == "7:0", job.describe())
    job.expect_out(s.count(600))


@scenario
def segv(s):
    job = ends_as_without(s, "--segv")
    expect(job.record["ExitCode"] in ("139:0", "11:0", "0:11"), job.describe())
    job.expect_out(s.count(600))


@scenario
def cancelled(s):
    """scancel of a job that has been continued: nothing is left, and it does not come back."""
    job = s.submit("pckpt_job --every 2s -- count 3000 100")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.progress()
    job.cancel()
    job.expect_end("CANCELLED", code=None, restarts=1)
    job.expect_nothing_left()
    until = time.monotonic() + 12  # a requeue takes 7
    while time.monotonic() < until:
        expect(job.state == "CANCELLED", f"{job.describe()}: it came back")
        time.sleep(1)
    job.expect_nothing_left(0)


@scenario
def clean(s):
    """--clean: the store is removed when all has gone well."""
    job = s.submit("pckpt_job --clean --store store -- count --go go 600 100")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    expect((s.folder / "store").is_dir(), "there is no store")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
    expect(not (s.folder / "store").exists(), "the store is still there")
