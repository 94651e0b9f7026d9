# SPDX-License-Identifier: Apache-2.0
"""Jobs that others push off their node."""

from jobs import expect, scenario


def preempt(s, partition, node, every="", **submit):
    job = s.submit(f"pckpt_job {every} -- count --go go 600 100", f"--partition={partition}",
                   f"--nodelist={s.node(node)}", "--exclusive", **submit)
    job.wait_program()
    if every:
        job.wait_event("dumped")
    job.progress()
    other = s.submit("sleep 2", "--partition=high", f"--nodelist={s.node(node)}", "--exclusive",
                     name="other", head=":", signal=None)
    other.wait_state("COMPLETED")
    job.wait_program(1)
    expect(job.events("restored"), "it began again")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))


@scenario
def preempted_with_warning(s):
    """A site that hands the warning to the batch shell at the beginning of the grace time."""
    preempt(s, "grace", 7)


@scenario
def preempted_in_silence(s):
    """The batch shell hears nothing until the grace time is over."""
    preempt(s, "grace", 8, "--every 4s", signal=None)


@scenario
def preempted_without_grace(s):
    """SIGTERM, SIGKILL: what there is, is the newest checkpoint, or one made in between."""
    preempt(s, "nograce", 9, "--every 4s" if s.proctrack == "linuxproc" else "", signal=None)
