# SPDX-License-Identifier: Apache-2.0
"""Stores that fail when they are needed."""

import os
import subprocess

from jobs import expect, read, scenario, scenario_of_root, wait_for


@scenario_of_root
def store_repaired(s):
    """The store cannot be written, then its disk is full, then all is well. Until then the job runs
    on, and is not requeued; pckpt tries again by itself."""
    disk = s.folder / "disk"
    disk.mkdir()
    s.command("mount", "-t", "tmpfs", "-o", f"size=32m,uid={s.user.pw_uid},mode=755", "pckpt-test",
              disk, root=True)
    store = disk / "store"
    job = s.submit(f"pckpt_job --store '{store}' -- count --mib 4 --go go 600 100")
    job.wait_program()
    job.progress()

    store.chmod(0o555)
    os.chown(store, 0, 0)
    job.warn()
    expect("not write" in job.wait_event("dump failed") or "Permission" in job.err, job.err)
    job.progress()

    filler = disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], stderr=subprocess.DEVNULL,
                   check=False)
    os.chown(store, s.user.pw_uid, s.user.pw_gid)
    store.chmod(0o755)
    wait_for(lambda: "No space left" in job.err, lambda: f"no word of the full disk: {job.err}")
    job.progress()
    expect(job.restarts == 0 and job.state == "RUNNING", job.describe())

    filler.unlink()
    job.wait_program(1)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600, "--mib", 4))


@scenario
def damaged_checkpoint(s):
    """The newest checkpoint has been damaged: the one before it is taken."""
    job = s.submit("""
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
	newest=$(ls -d store/[0-9]*[0-9] | tail -n 1)
	for file in "$newest"/*.pk; do
		printf damaged | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc
	done 2>/dev/null
	echo "${newest#*/}" >damaged
fi
pckpt_job --every 2s --store store -- count --go go 600 100
""")
    job.wait_program()
    job.wait_event("dumped", 2)
    job.warn()
    job.wait_program(1)
    newest = read(s.folder / "damaged").strip()
    said = [line for line in job.events() if newest in line and "restored" not in line]
    expect(said, f"nothing is said of {newest}: {job.err}")
    expect(f"restored {int(newest) - 1:06}" in job.err, f"another one was restored: {job.err}")
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
