# SPDX-License-Identifier: Apache-2.0
"""Every file of scripts/slurm/examples, and jobs that pckpt-sbatch writes."""

import math
import os

from jobs import expect, expect_same, read, scenario, wait_for

COUNT = "exec $examples/count.sh 250 0.1"
COUNTED = "".join(f"{n}\n" for n in range(1, 251))
EXAMPLES = "share/pckpt/slurm/examples"


def submit(s, example, *options, name="job", **environment):
    """An example as its user would submit it."""
    environment.setdefault("COMMAND", COUNT.replace("$examples", f"{s.stage}/{EXAMPLES}"))
    return s.sbatch(f"--output={name}.out", f"--error={name}.err", *options,
                    s.stage / EXAMPLES / example, name=name, **environment)


def interrupt(job, signal="URG"):
    """Warned once, and continued."""
    job.wait_program()
    job.progress()
    job.warn(signal)
    job.wait_program(1)


def numbers(text):
    """What the program has written, without what the script says itself."""
    return "".join(line for line in text.splitlines(True) if line.strip().isdigit())


@scenario
def example_serial(s):
    job = submit(s, "serial.sh")
    interrupt(job)
    job.expect_end(restarts=1)
    job.expect_out(COUNTED)


@scenario
def example_array(s):
    job = submit(s, "array.sh", "--output=job_%a.out", "--error=job_%a.err", "--array=1-2")
    tasks = [s.array_task(job, number) for number in (1, 2)]
    interrupt(tasks[0])
    for number, task in enumerate(tasks):
        task.expect_end(restarts=1 - number)
        task.expect_out(COUNTED)


@scenario
def example_openmp(s):
    job = submit(s, "openmp.sh", COMMAND="", STEPS="200")
    interrupt(job)
    job.expect_end(restarts=1, limit=150)
    job.expect_out("".join(f"step {n}\n" for n in range(1, 201)) + f"pi {math.pi:.6f}\n")


@scenario
def example_mpirun(s):
    """Two ranks, whose lines come as they come."""
    job = submit(s, "mpirun.sh",
                 COMMAND=f"exec mpirun -n 2 {s.stage}/{EXAMPLES}/count.sh 250 0.1")
    interrupt(job)
    job.expect_end(restarts=1)
    expect_same("\n".join(sorted(job.out.split())), "\n".join(sorted(COUNTED.split() * 2)),
                "standard output of both ranks, sorted")


@scenario
def example_srun(s):
    job = submit(s, "srun.sh")
    job.wait_run()
    job.progress(8)
    job.warn()
    job.wait_run(1)
    job.expect_end(restarts=1)
    for rank in range(4):
        lines = [line.partition(": ")[2] for line in job.out.splitlines(True)
                 if line.startswith(f"{rank}: ")]
        expect_same("".join(lines), COUNTED, f"standard output of rank {rank}")


@scenario
def example_preemptible(s):
    job = submit(s, "preemptible.sh", "--partition=nograce", f"--nodelist={s.node(10)}",
                 "--exclusive", "--signal=B:URG@1", EVERY="3s",
                 COMMAND=f"exec {s.stage}/{EXAMPLES}/count.sh 400 0.1")
    job.wait_program()
    job.wait_event("dumped")
    job.progress()
    other = s.submit("sleep 2", "--partition=high", f"--nodelist={s.node(10)}", "--exclusive",
                     name="other", head=":", signal=None)
    other.wait_state("COMPLETED")
    job.wait_program(1)
    expect(job.events("restored"), "it began again")
    job.expect_end(restarts=1)
    job.expect_out("".join(f"{n}\n" for n in range(1, 401)))


@scenario
def example_traps(s):
    job = submit(s, "traps.sh")
    interrupt(job, "USR1")
    job.expect_end(restarts=1)
    expect_same(numbers(job.out), COUNTED, "standard output")


@scenario
def example_submit_resume(s):
    """Two scripts, each with its own output."""
    first = submit(s, "submit.sh", name="first")
    second = submit(s, "resume.sh", f"--dependency=afternotok:{first.id}", name="second")
    first.wait_program()
    first.progress()
    first.warn("USR1")
    first.expect_end("FAILED", "75:0", restarts=0)
    second.expect_end(restarts=0)
    expect_same(numbers(first.out + second.out), COUNTED, "what both have written")


@scenario
def sbatch_command(s):
    job = s.sbatch("--time=10", "--output=job.out", "--error=job.err", "--", "count", 600, 100, "--go", "go",
                   "--result", "a result", command="pckpt-sbatch")
    interrupt(job)
    job.expect_end(restarts=1)
    job.expect_out(s.count(600))
    expect(read(s.folder / "a result") == s.count(600).splitlines(True)[-1], "another result")


@scenario
def sbatch_script(s):
    """A job script that knows nothing of it, saved with its shell."""
    script = s.write("job.sh", """#!/bin/bash
#SBATCH --time=10 --output=job.out --error=job.err
part() { count "$1" 100 | sed -u "s/^/part $1: /"; }
echo "begun with $1"
part 150
part 151
echo "done"
""")
    should = s.uninterrupted("bash", "-c", s.write(
        "plain.sh", read(script).replace(" 100 |", " 0 |")).read_text(), "plain", "a word")
    job = s.sbatch(script, "a word", command="pckpt-sbatch")
    interrupt(job)
    job.progress()
    job.warn()
    job.wait_program(2)
    job.expect_end(restarts=2)
    job.expect_out(should)


@scenario
def sbatch_dry_run(s):
    said = s.command("pckpt-sbatch", "--dry-run", "--time=60", "--", "count", "10", "0")
    for word in "#!/bin/bash", "--signal=B:URG@", "--requeue", "--open-mode=append", "count 10 0":
        expect(word in said, f"{word} is missing: {said}")
    wait_for(lambda: s.watch.jobs, "slurmctld knows of no job")
    mine = [job for job in s.watch.jobs.values() if str(s.folder) in job.get("WorkDir", "")]
    expect(not mine and not os.listdir(s.folder), "it has submitted something")
