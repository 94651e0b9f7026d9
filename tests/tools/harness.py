# SPDX-License-Identifier: Apache-2.0
"""What moments and killtest share: start a program, call pckpt, compare results, leave nothing."""

import argparse
import contextlib
import ctypes
import difflib
import os
import pwd
import random
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LIMIT = 60  # seconds for any one step
ATTEMPTS = 12  # that a trial is drawn again
SKIPPED = 77
TRY_AGAIN, AGAIN = 75, 5  # the exit code, and how often a user would
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Failure(Exception):
    """Something that pckpt promises did not hold."""


class TooLate(Exception):
    """The program was done before the moment had come: nothing is wrong, draw again."""


class Result(NamedTuple):
    """What a program leaves to be judged by."""

    out: bytes
    err: bytes
    code: int


# ---- processes


def own_descendants():
    """Whatever loses its parent below us becomes our child, and we end, orderly, with our parent:
    nothing escapes, and nothing is left."""
    prctl = ctypes.CDLL(None).prctl
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def children_of(pid):
    """The living and the dead children of all threads of a process."""
    pids = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            text = Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii")
            pids += map(int, text.split())
    return pids


def descendants_of(pid):
    return [each for child in children_of(pid) for each in [child, *descendants_of(child)]]


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def other_children(but=None):
    """Our children, after the dead ones are reaped, but for one."""
    pids = [pid for pid in children_of("self") if pid != but]
    return [pid for pid in pids if os.waitpid(pid, os.WNOHANG)[0] == 0]


def kill_all(but=None):
    """Ends every process below us, but for one."""
    while pids := other_children(but):
        for pid in pids:
            kill(pid)


def kill_tree(process):
    """Ends a program with all that descends from it, or a `pckpt restore`."""
    for pid in [process.pid, *descendants_of(process.pid)]:
        kill(pid)
    process.wait()
    kill_all()


def expect_nothing_left(but=None):
    """pckpt must have no process left; its helpers get a moment to go."""
    wait_until(lambda: not other_children(but),
               lambda: f"processes are left: {[describe(p) for p in other_children(but)]}", 5)


def describe(pid):
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        command = "gone"
    return f"{pid} {command.strip()}"


def wait_until(holds, otherwise, limit=LIMIT):
    """Waits for holds(), or fails with the text (or what a function says) after limit seconds."""
    deadline = time.monotonic() + limit
    while not (value := holds()):
        if time.monotonic() > deadline:
            raise Failure(otherwise() if callable(otherwise) else otherwise)
        time.sleep(0.001)
    return value


def wait_for_end(process, what, limit=LIMIT):
    """The exit code, 128+N for a signal: as pckpt restore passes it on."""
    try:
        code = process.wait(timeout=limit)
        return code if code >= 0 else 128 - code
    except subprocess.TimeoutExpired:
        raise Failure(f"{what} did not end within {limit:.0f} s") from None


# ---- programs


class Program:
    """A command line, and what an uninterrupted run of it gives."""

    def __init__(self, text, scale):
        self.command = shlex.split(text)
        self.command[0] = str(Path(self.command[0]).resolve())
        self.name = Path(self.command[0]).name
        self.scale = scale
        self.result = None
        self.seconds = None

    def start(self, folder):
        return Run(self, folder)

    def measure(self, folder):
        """The uninterrupted run."""
        started = time.monotonic()
        run = self.start(folder)
        code = wait_for_end(run.process, "the uninterrupted run", LIMIT * self.scale)
        self.seconds = time.monotonic() - started
        self.result = run.result(code)
        if not self.result.out or self.result.err:
            raise Failure(f"the uninterrupted run printed {self.result}")


    def lengthen(self, folder):
        """Twice as long from now on."""
        self.scale *= 2
        self.measure(folder)
        shutil.rmtree(folder)


class Run:
    """A program, started in a folder of its own as a batch system does: no terminal, two files."""

    def __init__(self, program, folder):
        folder.mkdir()
        self.out, self.err = folder / "stdout", folder / "stderr"
        env = os.environ | {"SCALE": str(program.scale), "HOME": str(folder), "TMPDIR": str(folder)}
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                program.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder,
                env=env, start_new_session=True)
        self.program = program

    @property
    def pid(self):
        return self.process.pid

    def result(self, code):
        return Result(self.out.read_bytes(), self.err.read_bytes(), code)

    def expect_result(self, code):
        """Compares with the uninterrupted run."""
        compare(self.result(code), self.program.result)

    @contextlib.contextmanager
    def unless_done(self):
        """What goes wrong with a program that has nothing left to do, and may be ending, does not
        count. Without its files in /proc it has ended."""
        try:
            yield
        except (Failure, OSError) as problem:
            if self.out.read_bytes() == self.program.result.out:
                raise TooLate from None
            if isinstance(problem, Failure):
                raise
            code = wait_for_end(self.process, f"the program ({problem})")
            raise Failure(f"the program has ended, with {code}: {self.err.read_text()}") from None


def compare(got, expected):
    if got == expected:
        return
    lines = []
    if got.code != expected.code:
        lines.append(f"exit code {got.code}, should be {expected.code}")
    for name in "out", "err":
        lines += difflib.unified_diff(
            getattr(expected, name).decode(errors="replace").splitlines(),
            getattr(got, name).decode(errors="replace").splitlines(),
            f"std{name} uninterrupted", f"std{name} restored", n=1, lineterm="")
    raise Failure("another result than the uninterrupted run's:\n" + "\n".join(lines[:24]))


# ---- pckpt


class Pckpt:
    """Calls pckpt; what it says is kept in a log."""

    def __init__(self, path, log):
        self.path = path
        self.log = log

    def start(self, *arguments, out=None):
        command = [self.path, *map(str, arguments)]
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(command)}\n")
            log.flush()
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out or log,
                                    stderr=log, start_new_session=True)

    def run(self, *arguments):
        """Runs to the end: the exit code and what it printed to stdout."""
        with tempfile.TemporaryFile() as out:
            process = self.start(*arguments, out=out)
            code = wait_for_end(process, f"pckpt {arguments[0]}")
            out.seek(0)
            return code, out.read().decode()

    def dump_patiently(self, pid, store, *how):
        """A dump that may say that trying again may help, and then does so soon."""
        for _ in range(AGAIN):
            code, out = self.run("dump", "-o", store, *how, pid)
            if code != TRY_AGAIN:
                break
            time.sleep(0.05)
        return self.expect_dumped(code, out, store)

    def dump(self, pid, store, *how):
        """A dump that must succeed: the checkpoint's path."""
        return self.expect_dumped(*self.run("dump", "-o", store, *how, pid), store)

    @staticmethod
    def expect_dumped(code, out, store):
        if code:
            raise Failure(f"pckpt dump exited with {code}")
        checkpoint = Path(out.strip())
        if checkpoint.parent != store or not checkpoint.is_dir():
            raise Failure(f"pckpt dump printed {out!r}")
        return checkpoint

    def verify(self, checkpoint):
        code, _ = self.run("verify", checkpoint)
        if code:
            raise Failure(f"pckpt verify {checkpoint} exited with {code}")


# ---- who it runs as


def leave_root(script, arguments):
    """Runs the script again as an ordinary user without any capability, from copies that the user
    can reach, and returns its exit code."""
    user = test_user()

    def run(folder):
        shutil.copytree(Path(script).parent, folder / "tools", ignore=shutil.ignore_patterns("__*"))
        arguments.pckpt = shutil.copy(arguments.pckpt, folder / "pckpt")
        arguments.programs = [copy_program(folder / "programs", text)
                              for text in arguments.programs]
        env = os.environ | {"TMPDIR": str(folder), "HOME": str(folder),
                            "PCKPT_TEST_COMMAND": shlex.join(sys.argv)}
        return subprocess.run(
            ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
             "--inh-caps=-all", "--bounding-set=-all", sys.executable,
             folder / "tools" / Path(script).name, *command_line(arguments)],
            env=env, cwd=folder, check=False).returncode

    return in_scratch_folder(run, owner=user)


def test_user():
    name = os.environ.get("PCKPT_TEST_USER", "pckpt-test")

    def entry():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)

    if not entry():
        # Another test may do the same at the same time: what counts is that the user is there.
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", name],
                       stderr=subprocess.DEVNULL, check=False)
    return wait_until(entry, f"could not create the user {name}", 10)


def copy_program(folder, text):
    folder.mkdir(exist_ok=True)
    path, *rest = shlex.split(text)
    return shlex.join([shutil.copy(path, folder), *rest])


def command_line(arguments):
    """The options again, as argparse read them."""
    given = [f"--{name.rstrip('_')}={value}" for name, value in vars(arguments).items()
             if name != "programs" and value is not None]
    return [*given, *arguments.programs]


def in_scratch_folder(run, owner=None):
    """Calls run(folder) for an exit code. If that is not 0 and $PCKPT_KEEP is set, the folder is
    kept."""
    folder = Path(tempfile.mkdtemp(prefix="pckpt-test."))
    folder.chmod(0o755)
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    failed = True
    try:
        code = run(folder)
        failed = code != 0
        return code
    finally:
        if not (failed and os.environ.get("PCKPT_KEEP")):
            shutil.rmtree(folder, ignore_errors=True)


def main(script, parser, run):
    """Parses, changes the user if asked, calls run(arguments, folder) and cleans up."""
    arguments = parser.parse_args()
    arguments.pckpt = shutil.which(arguments.pckpt) or parser.error(f"no {arguments.pckpt}")
    if arguments.as_ == "root" and os.geteuid() != 0:
        print("skipped: needs root")
        return SKIPPED
    if arguments.as_ == "user" and os.geteuid() == 0:
        return leave_root(script, arguments)
    own_descendants()
    try:
        return in_scratch_folder(lambda folder: run(arguments, folder))
    finally:
        kill_all()


class Moment:
    """Called with a number of seconds: a random time up to that, or up to a part of that."""

    def __init__(self, seed, part):
        self.random = random.Random(seed)
        self.part = part

    def __call__(self, seconds):
        return self.random.uniform(0, seconds * self.part)


def draw(folder, seed, trial, program):
    """Calls trial(folder, moment) until it is not too late; what it returned. The moments come
    earlier each time, for a machine that has become faster since the program was measured, and the
    program runs longer when that does not help."""
    for attempt in range(ATTEMPTS):
        if attempt and attempt % 4 == 0:
            program.lengthen(folder)
        folder.mkdir()
        try:
            value = trial(folder, Moment(f"{seed} {attempt}", 0.85**attempt))
            expect_nothing_left()
            shutil.rmtree(folder)
            return value
        except TooLate:
            kill_all()
            shutil.rmtree(folder)
    raise Failure(f"the program was done before the moment, {ATTEMPTS} times")


def options(description):
    """The options that both scripts have."""
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as", dest="as_", choices=["user", "root"], default=who(),
                        help="user: $PCKPT_TEST_USER (pckpt-test), without any capability")
    parser.add_argument("--scale", type=int, default=int(os.environ.get("PCKPT_SCALE", "1")),
                        help="how many times longer the programs run")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--trial", type=int, help="only the one with this number")
    parser.add_argument("--pckpt", default=os.environ.get("PCKPT", "pckpt"))
    parser.add_argument("programs", nargs="+", metavar="PROGRAM",
                        help="a command line, as one word")
    return parser


def who():
    return "user" if os.geteuid() else "root"


def report(title, failure, log, again):
    """What one needs to see, and to do it again."""
    print(f"FAIL  {title}: {failure}")
    if log.exists():
        print("---- pckpt's last words")
        print(*log.read_text(errors="replace").splitlines()[-20:], sep="\n")
    command = os.environ.get("PCKPT_TEST_COMMAND", shlex.join(sys.argv))
    print(f"---- again: {command} {again}")
    if os.environ.get("PCKPT_KEEP"):
        print(f"---- kept: {log.parent}")
    sys.stdout.flush()
