# SPDX-License-Identifier: Apache-2.0
"""Jobs that start their program by srun."""

from jobs import expect, expect_same, scenario


def expect_ranks(s, job, n, ranks, *options):
    """Every rank's lines, in order; those of different ranks come as they come."""
    for rank in range(ranks):
        lines = "".join(line.split(" ", 1)[1] for line in job.out.splitlines(True)
                        if line.startswith(f"{rank} "))
        expect_same(lines, s.count(n, *options), f"standard output of rank {rank}")
    expect(job.lines() == ranks * (n + 1), f"{job.lines()} lines instead of {ranks * (n + 1)}")


@scenario
def four_ranks(s):
    """Four tasks on two nodes, saved twice."""
    job = s.submit("pckpt_job --srun -- count --rank --go go 600 100", "--nodes=2", "--ntasks=4",
                   "--ntasks-per-node=2")
    for restart in range(2):
        job.wait_run(restart)
        job.progress(12)
        job.warn()
    job.wait_run(2)
    job.expect_end(restarts=2)
    expect_ranks(s, job, 600, 4)


@scenario
def slow_rank(s):
    """srun -K ends the step as soon as one task ends: none may before the slowest is saved."""
    job = s.submit("""
cat >rank.sh <<'END'
#!/bin/bash
case $SLURM_PROCID in 1) exec count --rank --mib 400 --go go 600 100 ;; *) exec count --rank --go go 600 100 ;; esac
END
chmod +x rank.sh
pckpt_job --srun --srun-args -K -- ./rank.sh
""", "--nodes=2", "--ntasks=3")
    job.wait_run()
    job.progress(12)
    job.warn()
    job.wait_run(1)
    job.expect_end(restarts=1, limit=120)
    for rank in range(3):
        lines = "".join(line.split(" ", 1)[1] for line in job.out.splitlines(True)
                        if line.startswith(f"{rank} "))
        expect_same(lines, s.count(600, *(["--mib", 400] if rank == 1 else [])),
                    f"standard output of rank {rank}")


@scenario
def refused(s):
    """What could not be saved later is refused before it has done any work."""
    job = s.submit("""
for args in -u --mpi=pmi2; do
	pckpt_job --srun --srun-args "$args" -- count --go go 600 100 && exit 3
done
srun -u "$(dirname "$(pckpt slurm-lib)")/pckpt-task" --control "$PWD/store" -- count --go go 600 100 && exit 4
exit 0
""")
    job.expect_end()
    expect(not job.out, f"the program ran: {job.out}")
    for word in "srun -u", "srun --mpi=pmi2", "terminal":
        expect(word in job.err, f"nothing is said of {word}: {job.err}")
    expect(job.err.count("  try: ") >= 3, f"no remedy: {job.err}")
