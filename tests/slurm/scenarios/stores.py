# SPDX-License-Identifier: Apache-2.0
"""Stores that fail when they are needed."""

import os
import subprocess

from jobs import expect, scenario, scenario_of_root


@scenario_of_root
def store_repaired(s):
    """The store cannot be written, then it is full, then it is good again. Until then the job runs
    on, and is not requeued."""
    store = s.folder / "store"
    store.mkdir()
    s.command("mount", "-t", "tmpfs", "-o", f"size=32m,uid={s.user.pw_uid},mode=755", "pckpt-test",
              store, root=True)
    job = s.submit(f"pckpt_job --store '{store}' -- count --mib 4 --go go 600 100")
    job.wait_program()
    job.progress()

    store.chmod(0o555)
    os.chown(store, 0, 0)
    job.warn()
    job.wait_event("dump failed", 1)
    job.progress(10)

    os.chown(store, s.user.pw_uid, s.user.pw_gid)
    store.chmod(0o755)
    filler = store / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], stderr=subprocess.DEVNULL,
                   check=False)
    job.warn()
    job.wait_event("dump failed", 2)
    job.progress(10)
    expect(job.restarts == 0 and job.state == "RUNNING", job.describe())

    filler.unlink()
    job.warn()
    job.wait_program(1)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600, "--mib", 4))


@scenario
def damaged_checkpoint(s):
    """The newest checkpoint has been damaged: the one before it is taken."""
    job = s.submit("pckpt_job --every 2s --store store -- count --go go 600 100")
    job.wait_program()
    job.wait_event("dumped", 2)
    job.warn()
    job.wait_state("PENDING")
    newest = max(path.parent for path in (s.folder / "store").glob("*/commit"))
    for path in newest.glob("*.pk"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xff
        path.write_bytes(content)
    job.wait_program(1)
    expect(newest.name in job.err, f"nothing is said of {newest.name}")
    expect(job.events("restored"), "it began again")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
