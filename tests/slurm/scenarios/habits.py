# SPDX-License-Identifier: Apache-2.0
"""What users' programs do already, and go on doing."""

from jobs import expect, expect_same, read, scenario

SAVER = """#!/usr/bin/python3
import time

n = 0
try:
    while True:
        n += 1
        print(n, flush=True)
        time.sleep(0.1)
except KeyboardInterrupt:
    with open("state", "w") as f:
        f.write(f"{n} ")
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            f.write("and a second time ")
        f.write("saved\\n")
"""


def interrupted(s, body, *cancel):
    """Saved by pckpt and continued, it hears SIGINT once, and saves itself."""
    s.write("saver.py", SAVER)
    job = s.submit(body)
    job.wait_run()
    job.progress()
    job.warn()
    job.wait_program(1)
    job.progress()
    s.command("scancel", *cancel, "-s", "INT", job.id)
    job.expect_end(restarts=1)
    last = int(job.out.splitlines()[-1])
    expect_same(job.out, "".join(f"{i}\n" for i in range(1, last + 1)), "standard output")
    state = read(s.folder / "state")
    expect(state == f"{last} saved\n", f"after {last} lines it saved '{state}'")


@scenario
def saves_itself(s):
    """A program that saves itself on SIGINT, which comes to the batch shell."""
    interrupted(s, "pckpt_job -- ./saver.py", "-b")


@scenario
def saves_itself_step(s):
    """The same as the task of a step, where SIGINT comes to all its processes."""
    interrupted(s, "pckpt_job --srun -- ./saver.py")
