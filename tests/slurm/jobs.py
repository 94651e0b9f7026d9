# SPDX-License-Identifier: Apache-2.0
"""What scenarios are made of: jobs, their states as Slurm has them, and their programs."""

import os
import re
import shlex
import subprocess
import threading
import time
from pathlib import Path

from harness import Failure

POLL = 0.2
LIMIT = 90  # seconds for any one thing that a scenario waits for
ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
         "DEADLINE", "BOOT_FAIL"}
# Of these a job's record is made; what may hold spaces is left out.
FIELDS = ("JobId", "ArrayJobId", "ArrayTaskId", "JobState", "Reason", "Restarts", "ExitCode",
          "NodeList", "WorkDir")
LIBRARY = 'source "$(pckpt slurm-lib)"'
SCENARIOS = {}


def scenario(function):
    """Marks a function of scenarios/*.py as one: its name is the scenario's."""
    if function.__name__ in SCENARIOS:
        raise Failure(f"two scenarios have the name {function.__name__}")
    SCENARIOS[function.__name__] = function
    return function


def scenario_of_root(function):
    """One that an ordinary user cannot run."""
    if os.geteuid() == 0:
        return scenario(function)
    print(f"{function.__name__} is left out: it needs root")
    return function


def wait_for(holds, otherwise, limit=LIMIT):
    """What holds() gives as soon as that is true; a failure after limit seconds."""
    deadline = time.monotonic() + limit
    while not (value := holds()):
        if time.monotonic() > deadline:
            raise Failure(f"{otherwise() if callable(otherwise) else otherwise} "
                          f"(waited {limit:.0f} s)")
        time.sleep(POLL)
    return value


class Watch:
    """Asks slurmctld for all jobs, twice a second for everybody."""

    def __init__(self, cluster):
        self.environment = os.environ | cluster.settings.environment
        self.jobs = {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            self.look()
            time.sleep(0.5)

    def look(self):
        out = subprocess.run(["scontrol", "show", "job", "-o"], env=self.environment,
                             capture_output=True, text=True, errors="replace", check=False).stdout
        jobs = {}
        for line in out.splitlines():
            record = dict(re.findall(rf"(?:^| )({'|'.join(FIELDS)})=(\S*)", line))
            if "JobId" in record:
                jobs[record["JobId"]] = record
        if jobs:
            self.jobs = jobs


class Scenario:
    """One run of a scenario: its folder, its cluster, who it runs as."""

    def __init__(self, name, cluster, watch, stage, folder, user):
        self.name = name
        self.cluster = cluster
        self.proctrack = cluster.settings.proctrack
        self.watch = watch
        self.stage = stage
        self.folder = folder
        self.user = user
        self.jobs = []
        folder.mkdir(parents=True)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        self.environment = {
            "PATH": f"{stage}/bin:{stage}/programs:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder), "LANG": "C.UTF-8", "TMPDIR": "/tmp",
        } | cluster.settings.environment

    def node(self, number):
        return self.cluster.settings.node(number)

    def command(self, *command, root=False, cwd=None, check=True, **environment):
        """Runs a command as the user: what it printed, both streams. SIGPIPE stays ignored: Slurm's
        commands try again when a busy daemon drops them."""
        who = {}
        if self.user and not root:
            who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        done = subprocess.run([str(word) for word in command], cwd=cwd or self.folder,
                              env=self.environment | environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", check=False, restore_signals=False, **who)
        if check and done.returncode:
            raise Failure(f"{shlex.join(map(str, command))} exited with {done.returncode}: "
                          f"{done.stdout}")
        return done.stdout

    def write(self, name, text):
        """A file of the user's."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def submit(self, body, *options, name="job", signal="B:URG@60", head=LIBRARY, **environment):
        """A job script of body, after what everybody's begins with. The time that it has is long
        enough for the warning never to come by itself."""
        lines = ["#!/bin/bash", "#SBATCH --open-mode=append", "#SBATCH --requeue"]
        if signal:
            lines.append(f"#SBATCH --signal={signal}")
        lines += [head, body, ""]
        script = self.write(f"{name}.sh", "\n".join(lines))
        return self.sbatch("--time=10", f"--output={name}.out", f"--error={name}.err", *options,
                           script, name=name, **environment)

    def sbatch(self, *arguments, name="job", cwd=None, command="sbatch", **environment):
        said = self.command(command, *arguments, cwd=cwd, **environment)
        found = re.search(r"Submitted batch job (\d+)", said)
        if not found:
            raise Failure(f"{command} said: {said}")
        job = Job(self, found.group(1), name, cwd or self.folder)
        self.jobs.append(job)
        return job

    def array_task(self, job, task):
        """A task of an array: a job with a record of its own once it has started."""
        def find():
            for record in self.watch.jobs.values():
                if (record.get("ArrayJobId") == job.id
                        and record.get("ArrayTaskId") == str(task)):
                    return record["JobId"]
            return None

        return Job(self, wait_for(find, f"task {task} of {job.id} is not there"),
                   f"{job.name}_{task}", job.folder, f"{job.id}_{task}")

    def uninterrupted(self, *command, cwd=None):
        """What a program prints when nothing happens to it."""
        return self.command(*command, cwd=cwd)

    def count(self, n, *options):
        """What `count n MILLISECONDS options` prints."""
        return self.uninterrupted("count", n, 0, *options)


class Job:
    """A batch job."""

    def __init__(self, context, number, name, folder, shown=None):
        self.context = context
        self.id = number
        self.name = name
        self.folder = folder
        self.shown = shown or number
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"

    # ---- as Slurm sees it

    @property
    def record(self):
        return self.context.watch.jobs.get(self.id, {})

    @property
    def state(self):
        return self.record.get("JobState", "?")

    @property
    def restarts(self):
        return int(self.record.get("Restarts", "0"))

    def describe(self):
        r = self.record
        return (f"job {self.shown} is {self.state}, reason {r.get('Reason')}, "
                f"{self.restarts} restarts, exit code {r.get('ExitCode')}")

    def wait_run(self, restarts=0, limit=LIMIT):
        """Until it runs for that time again."""
        ended = None

        def runs():
            nonlocal ended
            # What has ended may be requeued, but then within moments.
            ended = (ended or time.monotonic()) if self.state in ENDED else None
            self.fail_if(ended and time.monotonic() > ended + 5, f"should run, {restarts} restarts")
            self.fail_if(self.restarts > restarts, f"should run with {restarts} restarts")
            return self.state == "RUNNING" and self.restarts == restarts

        wait_for(runs, lambda: f"{self.describe()}: should run with {restarts} restarts", limit)

    def fail_if(self, condition, should):
        if condition:
            raise Failure(f"{self.describe()}: {should}")

    def expect_end(self, state="COMPLETED", code="0:0", restarts=None, limit=LIMIT):
        self.go()
        wait_for(lambda: self.state in ENDED,
                 lambda: f"{self.describe()}: should have ended", limit)
        self.fail_if(self.state != state or code not in (None, self.record["ExitCode"]),
                     f"should be {state} {code or ''}")
        self.fail_if(restarts is not None and self.restarts != restarts,
                     f"should have {restarts} restarts")

    # ---- what is done to it

    def warn(self, signal="URG"):
        """What Slurm sends before the end of the time, now."""
        self.context.command("scancel", "-b", "-s", signal, self.shown)

    def go(self):
        """Nothing more happens to it: programs that look for this file need not pause any more."""
        (self.folder / "go").touch()

    def cancel(self, *options):
        self.context.command("scancel", *options, self.shown)

    def wait_state(self, state, limit=LIMIT):
        wait_for(lambda: self.state == state,
                 lambda: f"{self.describe()}: should be {state}", limit)

    def wait_program(self, restarts=0, limit=LIMIT):
        """Until it runs for that time again, and its program does."""
        self.wait_run(restarts, limit)
        wait_for(lambda: self.begun() > restarts or self.state in ENDED,
                 lambda: f"run {restarts} did not start its program", limit)
        self.fail_if(self.begun() <= restarts, "the program did not start")

    def begun(self):
        return len(self.events("restored")) + len(self.events("started"))

    # ---- what it writes

    @property
    def out(self):
        return read(self.out_path)

    @property
    def err(self):
        return read(self.err_path)

    def lines(self):
        return self.out.count("\n")

    def progress(self, lines=3, limit=LIMIT):
        """Until it has written that many more lines."""
        goal = self.lines() + lines
        wait_for(lambda: self.lines() >= goal or self.state in ENDED,
                 lambda: f"{self.describe()} and does not get on", limit)

    def events(self, word=""):
        """The lines of pckpt about an event."""
        return [line for line in self.err.splitlines() if line.startswith(f"pckpt: {word}")]

    def wait_event(self, word, count=1, limit=LIMIT):
        wait_for(lambda: len(self.events(word)) >= count or self.state in ENDED,
                 lambda: f"{self.describe()}: no event {count} of `{word}`", limit)
        self.fail_if(len(self.events(word)) < count, f"no event {count} of `{word}`")
        return self.events(word)[count - 1]

    def expect_out(self, text):
        """Standard output is that of an uninterrupted run."""
        expect_same(self.out, text, "standard output")

    # ---- its processes

    def processes(self):
        """All processes with its environment: {pid: command line}."""
        found = {}
        want = {f"SLURM_JOB_ID={self.id}".encode(), f"SLURM_CONF={self.slurm_conf}".encode()}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                words = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
                if want <= set(words):
                    line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry)] = line.decode(errors="replace").strip()
            except OSError:
                continue
        return found

    @property
    def slurm_conf(self):
        return self.context.cluster.settings.environment["SLURM_CONF"]

    def programs(self, name="count"):
        """Those that run the program, and are not stopped as they are while they are dumped."""
        def runs(pid, line):
            words = line.split()
            if not words or Path(words[0]).name != name:
                return False
            try:
                stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
            except OSError:
                return False
            return stat.rpartition(")")[2].split()[0] in "RSD"

        return [pid for pid, line in self.processes().items() if runs(pid, line)]

    def named(self, *words):
        """Those whose command line begins like that."""
        return [pid for pid, line in self.processes().items() if line.split()[:len(words)] ==
                list(words)]

    def shell(self):
        """The one that runs the batch script."""
        found = [pid for pid, line in self.processes().items() if "/slurm_script" in line]
        return min(found, key=lambda pid: Path(f"/proc/{pid}").stat().st_ctime_ns)

    def expect_nothing_left(self, limit=20):
        wait_for(lambda: not self.processes(),
                 lambda: f"processes of {self.describe()} are left: {self.processes()}", limit)


def read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def expect_same(got, should, what):
    if got == should:
        return
    a, b = got.splitlines(), should.splitlines()
    at = next((n for n, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    raise Failure(f"{what} is not that of an uninterrupted run: {len(a)} lines instead of {len(b)}; "
                  f"line {at + 1} is {a[at:at + 1]} after {a[max(0, at - 2):at]}, "
                  f"should be {b[at:at + 1]}")


def expect(condition, text):
    if not condition:
        raise Failure(text)
