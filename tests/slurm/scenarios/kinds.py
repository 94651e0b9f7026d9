# SPDX-License-Identifier: Apache-2.0
"""What programs are like, and what is done to them."""

import re
import shutil
import time

from jobs import expect, expect_same, read, scenario, wait_for


@scenario
def odd_names(s):
    """set -eu, and names that shells trip over, wherever a name can be."""
    folder = s.folder / "it's a \"$HOME\" * [folder]"
    s.command("mkdir", folder)
    program = folder / "a count; (1)"
    shutil.copy(s.stage / "programs" / "count", program)
    script = s.write(f"{folder.name}/-job & script.sh", """#!/bin/bash
#SBATCH --open-mode=append --requeue --signal=B:URG@60 --time=10
set -eu
source "$(pckpt slurm-lib)"
pckpt_job -- './a count; (1)' 600 100 --go go --result $'res\\nult'
""")
    job = s.sbatch("--job-name=a job' $x", "--output=out %j.out", "--error=err.err", f"./{script.name}",
                   cwd=folder)
    job.out_path, job.err_path = folder / f"out {job.id}.out", folder / "err.err"
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
    expect(read(folder / "res\nult") == s.count(600).splitlines(True)[-1], "another result")


@scenario
def tree(s):
    """Threads, pipes, a child, a deleted temporary file, and a log that is appended to."""
    should = s.uninterrupted("work", 600, 0, "plain.log", "go")
    job = s.submit("pckpt_job -- work 600 100 work.log go")
    for restart in range(2):
        job.wait_program(restart)
        lines = read(s.folder / "work.log").count("\n")
        wait_for(lambda: read(s.folder / "work.log").count("\n") > lines + 3, "no progress")
        job.warn()
    job.wait_program(2)
    job.expect_end(restarts=2)
    job.expect_out(should)
    expect_same(read(s.folder / "work.log"), read(s.folder / "plain.log"), "the log")


@scenario
def log_runs_ahead(s):
    """What was appended after the checkpoint is cut off again: here Slurm kills without a word."""
    should = s.uninterrupted("work", 600, 0, "plain.log", "go")
    job = s.submit("pckpt_job --every 3s -- work 600 100 work.log go")
    job.wait_program()
    job.wait_event("dumped")
    lines = read(s.folder / "work.log").count("\n")
    wait_for(lambda: read(s.folder / "work.log").count("\n") > lines + 5, "no progress")
    s.command("scancel", "-b", job.id)
    job.wait_state("FAILED")
    s.command("scontrol", "requeue", job.id)
    job.wait_program(1)
    expect(job.events("restored"), "it began again")
    job.expect_end()
    job.expect_out(should)
    expect_same(read(s.folder / "work.log"), read(s.folder / "plain.log"), "the log")


def stands_still(job, seconds):
    lines = job.lines()
    time.sleep(seconds)
    return job.lines() == lines


@scenario
def suspended(s):
    """Suspended and resumed while it runs anew, with dumps that become due meanwhile."""
    job = s.submit("pckpt_job --every 2s -- count --go go 600 100")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.progress()
    s.command("scontrol", "suspend", job.id, root=True)
    job.wait_state("SUSPENDED")
    # Slurm says so before its nodes have heard of it.
    wait_for(lambda: stands_still(job, 1), "it runs on", 15)
    expect(stands_still(job, 4), "it ran on")
    s.command("scontrol", "resume", job.id, root=True)
    job.wait_state("RUNNING")
    job.progress()
    job.warn()
    job.wait_program(2)
    job.expect_end(restarts=2)
    job.expect_out(s.count(600))


@scenario
def accounting(s):
    """Slurm sees the memory of a program that has been continued."""
    job = s.submit("pckpt_job -- count --mib 100 --go go 600 100")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.progress(30)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600, "--mib", 100))

    def largest():
        said = s.command("sacct", "-n", "-P", "--noconvert", "-j", f"{job.id}.batch", "-o", "MaxRSS",
                         root=True)
        return max(map(int, re.findall(r"^(\d+)$", said, re.M)), default=0)

    wait_for(lambda: largest() > 100 << 20,
             lambda: f"MaxRSS is {largest()}, the program has more than {100 << 20}", 20)
