# SPDX-License-Identifier: Apache-2.0
"""The time limit as Slurm keeps it: these take a minute or more for each run."""

from jobs import expect, scenario


@scenario
def wall_time(s):
    """A job of one minute that needs more than two, warned before each end."""
    job = s.submit("pckpt_job -- count 1300 100", "--time=1", signal="B:URG@10")
    job.expect_end(limit=330)
    expect(job.restarts >= 2, f"{job.describe()}: should have been requeued more often")
    job.expect_out(s.count(1300))


@scenario
def early_warning(s):
    """A lead as long as the job: the warning comes when it has hardly started."""
    job = s.submit("pckpt_job -- count 700 100", "--time=1", signal="B:URG@60")
    job.expect_end(limit=240)
    expect(job.restarts >= 1, f"{job.describe()}: should have been requeued")
    expect(job.restarts <= 4, f"{job.describe()}: the early warning cost whole runs")
    job.expect_out(s.count(700))


@scenario
def no_signal(s):
    """Nobody asked for a warning: the library looks at the clock."""
    job = s.submit("pckpt_job -- count 700 100", "--time=1", signal=None)
    job.expect_end(limit=240)
    expect(job.restarts >= 1, f"{job.describe()}: should have been requeued")
    job.expect_out(s.count(700))


@scenario
def last_chance(s):
    """Neither a warning nor the clock: SIGTERM comes, and KillWait (5 s) later SIGKILL. Under
    linuxproc SIGTERM ends the program too, and its newest checkpoint is what there is."""
    every = "--every 5s" if s.proctrack == "linuxproc" else ""
    job = s.submit(f"pckpt_job {every} -- count 1000 100", "--time=1", signal=None,
                   PCKPT_WATCH="no")
    job.expect_end(limit=300)
    expect(job.restarts >= 1, f"{job.describe()}: should have been requeued")
    job.expect_out(s.count(1000))


@scenario
def short_lead(s):
    """A lead of a second, shorter than any dump with what comes after it: said, and survived."""
    job = s.submit("pckpt_job --every 8s -- count --mib 200 800 100", "--time=1",
                   signal="B:URG@1")
    job.wait_event("warning: the last dump took")
    job.expect_end(limit=300)
    expect(job.restarts >= 1, f"{job.describe()}: should have been requeued")
    job.expect_out(s.count(800, "--mib", 200))
