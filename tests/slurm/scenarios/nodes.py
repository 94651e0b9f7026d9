# SPDX-License-Identifier: Apache-2.0
"""Nodes that are lost, with the job or without."""

import contextlib
import os
import signal
from pathlib import Path

from cluster import NODES
from jobs import expect, scenario, wait_for


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def stepds(job):
    """The slurmstepds of a job on the nodes of its cluster."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{entry}/cmdline").read_bytes()
            if line.startswith(b"slurmstepd: [%s." % job.id.encode()) and is_of(job, entry):
                found.append(int(entry))
    return found


def is_of(job, pid):
    """Two clusters may have a job of the same number."""
    folder = str(job.context.cluster.folder)
    return any(os.readlink(f"/proc/{pid}/fd/{fd}").startswith(folder)
               for fd in os.listdir(f"/proc/{pid}/fd"))


def start(s, partition):
    job = s.submit("pckpt_job --every 2s -- count --go go 1500 100", f"--partition={partition}")
    job.wait_program()
    job.wait_event("dumped", 2)
    job.progress()
    node = job.record["NodeList"]
    number = next(n for n in range(1, NODES + 1) if s.node(n) == node)
    return job, node, s.cluster.slurmd(number)


@scenario
def node_crash(s):
    """A node is gone with all that ran there. Slurm starts the job on the other one, half a
    minute later."""
    job, node, slurmd = start(s, "crash")
    lost = [slurmd, *stepds(job)]
    expect(len(lost) > 1, "no slurmstepd found")
    for pid in lost:
        os.kill(pid, signal.SIGSTOP)  # not a word to anybody
    lost += job.processes()
    for pid in lost:
        kill(pid)
    job.wait_program(1)
    expect(job.record["NodeList"] != node, f"{job.describe()}: it is on the lost node")
    expect(job.events("restored"), "it began again")
    job.expect_end(restarts=1, limit=150)
    job.expect_out(s.count(1500))


@scenario
def node_lost_alive(s):
    """Slurm has lost a node, but the job still runs there when its next run begins."""
    job, node, slurmd = start(s, "split")
    old = wait_for(job.programs, "no program runs")
    expect(len(old) == 1, f"{len(old)} programs run")
    os.kill(slurmd, signal.SIGKILL)
    job.wait_program(1)
    expect(job.record["NodeList"] != node, f"{job.describe()}: it is on the lost node")
    wait_for(lambda: old[0] not in job.programs(), "the old program still runs", 30)
    job.expect_end(restarts=1, limit=150)
    job.expect_out(s.count(1500))
    job.expect_nothing_left()
