# SPDX-License-Identifier: Apache-2.0
"""Jobs that may not be requeued, or not for ever."""

import re

from jobs import expect, expect_same, scenario


@scenario
def requeue_limit(s):
    job = s.submit("pckpt_job --max-requeues 1 -- count --go go 600 100")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.progress()
    job.warn()
    expect("--max-requeues" in job.wait_event("not requeued"), "the reason is missing")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))


@scenario
def no_requeue(s):
    """The job may not be requeued: it is saved, runs on, and another job can continue it."""
    job = s.submit("pckpt_job --store store -- count 1500 100", "--no-requeue")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_event("not requeued")
    job.wait_event("dumped")
    job.progress()
    job.cancel()
    job.expect_end("CANCELLED", code=None, restarts=0)
    job.expect_nothing_left()
    written = job.lines()
    other = s.submit("pckpt_job --store store -- count 1500 100", name="other")
    other.wait_program()
    expect(other.events("restored"), "it began again")
    expect(job.lines() < written, "what was written after the checkpoint is still there")
    other.progress()
    other.cancel()
    other.expect_end("CANCELLED", code=None)
    lines = (job.out + other.out).splitlines()
    expect(lines == [str(n + 1) for n in range(len(lines))], f"lines are lost or doubled: {lines}")


@scenario
def total_time(s):
    """--max-time is for all runs together."""
    job = s.submit("pckpt_job --max-time ${BUDGET}s --store store -- count --go go 900 100", BUDGET="30")
    job.wait_program()
    job.progress(20)
    job.warn()
    job.wait_program(1)
    expect("--max-time" in job.wait_event("not requeued"), "the reason is missing")
    job.wait_state("FAILED")
    expect(job.lines() < 400, f"{job.lines()} lines: it ran longer than it may")
    job.expect_end("FAILED", "75:0", restarts=1)
    other = s.submit("pckpt_job --max-time 5m --store store -- count --go go 900 100",
                     name="other")
    other.expect_end()
    expect_same(job.out + other.out, s.count(900), "standard output of both jobs")


@scenario
def dry_run(s):
    job = s.submit("pckpt_job --dry-run --every 30m -- count 1000 100")
    job.expect_end()
    expect(not job.out, f"the program ran: {job.out}")
    expect(re.search(r"dry run: .*count 1000 100", job.err), f"the command is missing: {job.err}")
    expect(not list(s.folder.glob("pckpt-*")), "there is a store")
