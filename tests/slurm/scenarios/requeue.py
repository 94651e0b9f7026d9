# SPDX-License-Identifier: Apache-2.0
"""Warned, saved, queued again, continued."""

import contextlib
import os
import signal
import time

from jobs import POLL, expect, expect_same, read, scenario, wait_for


@scenario
def requeues_in_a_row(s):
    job = s.submit("pckpt_job -- count --go go 600 100 --result result")
    for restart in range(4):
        job.wait_program(restart)
        job.progress()
        job.warn()
    job.wait_program(4)
    job.expect_end(restarts=4)
    job.expect_out(s.count(600))
    expect(read(s.folder / "result") == s.count(600).splitlines(True)[-1], "another result")


@scenario
def other_signal(s):
    """USR1, as in every published script, and one output file for everything."""
    job = s.submit("pckpt_job -- count --go go 600 100", "--output=job.out", "--error=job.out",
                   signal="B:USR1@60")
    job.wait_run()
    job.progress()
    wait_for(lambda: "pckpt: started" in job.out, "nothing started")
    job.warn("USR1")
    job.wait_run(1)
    job.expect_end(restarts=1)
    own = "".join(line for line in job.out.splitlines(True) if not line.startswith("pckpt: "))
    expect_same(own, s.count(600), "standard output")


@scenario
def requeue_exit(s):
    """Sites where an exit code asks for the requeue."""
    job = s.submit("pckpt_job -- count --go go 600 100", PCKPT_REQUEUE_EXIT="85")
    job.wait_program()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))


@scenario
def requeued_from_outside(s):
    """scontrol requeue: SIGTERM, and KillWait to do something about it."""
    every = "--every 2s" if s.proctrack == "linuxproc" else ""
    job = s.submit(f"pckpt_job {every} -- count --go go 600 100")
    job.wait_program()
    if every:
        job.wait_event("dumped")
    job.progress()
    s.command("scontrol", "requeue", job.id)
    job.wait_program(1)
    expect(job.events("restored"), "it began again")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))


@scenario
def early_signal(s):
    """A warning before the library is there, before its traps are set, and before the program."""
    job = s.submit("""
again() { [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || kill -URG $$; }
again
source "$(pckpt slurm-lib)"
again
again &
pckpt_job -- count --go go 600 100
""", head=":")
    job.wait_program()
    job.progress(30)
    job.expect_end()
    expect(job.restarts <= 1, f"{job.describe()}: requeued more than once")
    job.expect_out(s.count(600))


@scenario
def three_warnings(s):
    """However many warnings come: one requeue, and never two programs at once."""
    job = s.submit("pckpt_job -- count --go go 600 100")
    job.wait_program()
    job.progress()
    shell, lines, deadline = job.shell(), job.lines(), time.monotonic() + 80
    job.warn()
    for _ in range(2):  # scancel would try again for seconds when the job is about to end
        with contextlib.suppress(ProcessLookupError):
            os.kill(shell, signal.SIGURG)
    most = 0
    while job.state != "COMPLETED":
        most = max(most, len(job.programs()))
        job.fail_if(time.monotonic() > deadline, "should have ended")
        if most and job.restarts and job.begun() > 1 and job.lines() > lines + 30:
            job.go()
        time.sleep(POLL)
    job.expect_end(restarts=1)
    expect(most == 1, f"{most} programs at once")
    job.expect_out(s.count(600))


@scenario
def array(s):
    """Two tasks are warned, among them the last, which has the number of the whole array."""
    job = s.submit("pckpt_job -- count --go go $((600 + SLURM_ARRAY_TASK_ID)) 100", "--array=1-3",
                   "--output=job_%a.out", "--error=job_%a.err")
    tasks = {number: s.array_task(job, number) for number in (1, 2, 3)}
    for task in tasks.values():
        task.wait_program()
        task.progress()
    tasks[1].warn()
    tasks[1].wait_run(1)
    tasks[3].warn()
    tasks[3].wait_run(1)
    for number, task in tasks.items():
        task.expect_end(restarts=0 if number == 2 else 1)
        task.expect_out(s.count(600 + number))


@scenario
def too_slow(s):
    """The last save is not done when Slurm loses patience: an earlier one is what there is."""
    job = s.submit("pckpt_job --every 3s -- count --go go 600 100")
    job.wait_program()
    job.wait_event("dumped")
    job.progress()
    # As good as a dump that takes for ever. Under linuxproc Slurm wakes it, and ends the program.
    for pid in job.named("pckpt", "run"):
        os.kill(pid, signal.SIGSTOP)
    s.command("scontrol", "requeue", job.id)
    job.wait_program(1)
    expect(job.events("restored"), "it began again")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
