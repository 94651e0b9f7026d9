# SPDX-License-Identifier: Apache-2.0
"""A real Slurm in a scratch folder: munge, slurmctld, slurmd for each node, and a database.

Everything listens on the loopback device only, and everything that it writes is below the folder.
One process, the keeper, starts the daemons in the foreground and is the parent of all that comes
of them, also of what leaves its session or loses its parent. When it ends, and it ends with the
process that started it, it has ended all of that: jobs too.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
from harness import Failure, kill_all, own_descendants, wait_until  # noqa: E402

CPUS = 16  # that each node claims to have: jobs that wait need none
FREEZER = Path("/sys/fs/cgroup/freezer")

# Partition, the nodes that it has by number, and what else is said of it. Scenarios that take a
# node down, or jobs off it, have nodes of their own.
PARTITIONS = [
    ("debug", "1-2", "Default=YES PriorityTier=10 PreemptMode=OFF"),
    ("crash", "3-4", "PriorityTier=10 PreemptMode=OFF"),
    ("split", "5-6", "PriorityTier=10 PreemptMode=OFF"),
    ("grace", "7-8", "PriorityTier=1 PreemptMode=REQUEUE GraceTime=20"),
    ("nograce", "9-10", "PriorityTier=1 PreemptMode=REQUEUE"),
    ("high", "7-10", "PriorityTier=100 PreemptMode=OFF"),
]
NODES = 10
# After the nodes' ports: slurmctld and slurmdbd.
PORTS = NODES + 2

CONF = """\
ClusterName=pckpt
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={slurmctld_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,sched_interval=2,bf_interval=2,batch_sched_delay=0,bf_yield_interval=1000000,preempt_youngest_first
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
JobRequeue=1
KillWait=5
MinJobAge=3600
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
BatchStartTimeout=10
MessageTimeout=10
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=15
SlurmdParameters=config_overrides
RequeueExit=85
RequeueExitHold=86
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobcomp.txt
"""

CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CgroupMountpoint=/sys/fs/cgroup
ConstrainCores=no
ConstrainRAMSpace=no
"""

DATABASE_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={slurmdbd_port}
SlurmUser={user}
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={user}
StorageLoc=slurm
"""


class Settings(NamedTuple):
    """What one cluster is like."""

    folder: Path
    proctrack: str
    port: int
    database: bool

    def node(self, number):
        """Names of nodes name control groups, too: no two clusters have the same."""
        return f"n{self.port + number}"

    @property
    def nodes(self):
        return [self.node(number) for number in range(1, NODES + 1)]

    @property
    def environment(self):
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}


def proctracks():
    """The ways to follow processes that can be used here."""
    if os.geteuid() == 0 and FREEZER.is_dir() and os.access(FREEZER, os.W_OK):
        return ["linuxproc", "cgroup"]
    return ["linuxproc"]


def free_ports(count):
    """A row of ports that nobody listens on, as far as one can see; from a place that depends on
    who asks, so that several clusters that start at the same time find different ones."""
    base = 20000 + os.getpid() * 37 % 10000
    for first in range(base, 32000, count):
        if all(port_is_free(first + n) for n in range(count)):
            return first
    raise Failure(f"there are no {count} free ports in a row between {base} and 32000")


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


# ---- the keeper


class Keeper:
    """Writes the configuration, starts the daemons, and ends them."""

    def __init__(self, settings):
        self.settings = settings
        self.folder = settings.folder
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.daemons = {}

    def __call__(self):
        own_descendants()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner's: it tells us in time
        signal.signal(signal.SIGHUP, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGCHLD])
        try:
            self.configure()
            self.start()
            (self.folder / "ready").touch()
            while True:
                came = signal.sigwaitinfo([signal.SIGHUP, signal.SIGCHLD])
                self.reap()
                if came.si_signo == signal.SIGHUP:
                    self.start_nodes()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.stop()

    def reap(self):
        for process in self.daemons.values():
            process.poll()
        for pid in orphans({process.pid for process in self.daemons.values()}):
            os.waitpid(pid, os.WNOHANG)

    def configure(self):
        s, folder = self.settings, self.folder
        for name in "munge", "run", "log", "state", "spool":
            (folder / name).mkdir()
        (folder / "munge" / "key").write_bytes(os.urandom(128))
        (folder / "munge" / "key").chmod(0o400)
        text = {
            "folder": folder, "user": self.user, "proctrack": s.proctrack,
            "host": socket.gethostname().split(".")[0],
            "slurmctld_port": s.port, "slurmdbd_port": s.port + NODES + 1,
        }
        conf = CONF.format(**text)
        if s.database:
            conf += ("AccountingStorageType=accounting_storage/slurmdbd\n"
                     "AccountingStorageHost=127.0.0.1\n"
                     f"AccountingStoragePort={s.port + NODES + 1}\n"
                     f"AccountingStoragePass={folder}/munge/socket\n")
        else:
            conf += "AccountingStorageType=accounting_storage/none\n"
        conf += (f"NodeName=n[{s.port + 1}-{s.port + NODES}] NodeHostname={text['host']} "
                 f"NodeAddr=127.0.0.1 Port=[{s.port + 1}-{s.port + NODES}] CPUs={CPUS} Boards=1 "
                 f"SocketsPerBoard=1 CoresPerSocket={CPUS} ThreadsPerCore=1 RealMemory=8000 "
                 "State=UNKNOWN\n")
        for name, numbers, more in PARTITIONS:
            first, _, last = numbers.partition("-")
            conf += (f"PartitionName={name} "
                     f"Nodes=n[{s.port + int(first)}-{s.port + int(last or first)}] "
                     f"MaxTime=INFINITE DefaultTime=10 State=UP {more}\n")
        (folder / "slurm.conf").write_text(conf)
        (folder / "cgroup.conf").write_text(CGROUP_CONF)
        database = folder / "slurmdbd.conf"
        database.touch(mode=0o600)
        database.write_text(DATABASE_CONF.format(**text))

    def daemon(self, name, *command, **environment):
        with (self.folder / "log" / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                [found("setpriv"), "--pdeathsig=KILL", found(command[0]), *map(str, command[1:])],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder,
                start_new_session=True,
                env=os.environ | self.settings.environment | environment)

    def wait_for(self, what, name, limit=30):
        """Waits until something holds, while the daemon lives."""
        def holds():
            if self.daemons[name].poll() is not None:
                text = "\n".join(path.read_text(errors="replace")[-2000:] for path in
                                 (self.folder / "log").glob(f"{name}*"))
                raise Failure(f"{name} has ended:\n{text}")
            return what()

        wait_until(holds, f"{name} did not start: see {self.folder}/log", limit)

    def start(self):
        munge = self.folder / "munge"
        self.daemon("munged", "munged", "--foreground", "--force", f"--key-file={munge}/key",
                    f"--socket={munge}/socket", f"--pid-file={self.folder}/run/munged.pid",
                    f"--seed-file={munge}/seed", "--num-threads=2")
        if self.settings.database:
            self.start_database()
        self.wait_for((munge / "socket").exists, "munged")
        self.daemon("slurmctld", "slurmctld", "-D", "-f", self.folder / "slurm.conf")
        self.wait_for(lambda: not port_is_free(self.settings.port), "slurmctld")
        self.start_nodes()

    def start_database(self):
        folder = self.folder / "db"
        folder.mkdir()
        # At its start mariadbd removes all temporary tables there, also those of others.
        temporary = self.folder / "tmp"
        temporary.mkdir()
        shared = ["--no-defaults", f"--datadir={folder}", f"--socket={folder}/socket",
                  f"--user={self.user}", f"--tmpdir={temporary}",
                  "--skip-networking", "--innodb-buffer-pool-size=16M",
                  "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0"]
        made = subprocess.run(
            [found("mariadb-install-db"), *shared[:2], *shared[3:5], "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode:
            raise Failure(f"mariadb-install-db could not make a database:\n{made.stdout}")
        # No password, nobody asked: only this user reaches the socket.
        folder.chmod(0o700)
        self.daemon("mariadbd", "mariadbd", *shared, "--skip-grant-tables")
        self.wait_for((folder / "socket").exists, "mariadbd")
        self.daemon("slurmdbd", "slurmdbd", "-D", MYSQL_UNIX_PORT=str(folder / "socket"))
        self.wait_for(lambda: not port_is_free(self.settings.port + NODES + 1), "slurmdbd")
        wait_until(lambda: self.command("sacctmgr", "-i", "add", "cluster", "pckpt") == 0,
                   "sacctmgr could not add the cluster", 30)

    def command(self, *command):
        with (self.folder / "log" / "commands.out").open("ab") as out:
            return subprocess.run(command, env=os.environ | self.settings.environment, stdout=out,
                                  stderr=out, check=False).returncode

    def start_nodes(self):
        """Those that do not run: all at first, later those that a scenario has killed."""
        for node in self.settings.nodes:
            if node not in self.daemons or self.daemons[node].poll() is not None:
                self.daemon(node, "slurmd", "-D", "-N", node, "-f", self.folder / "slurm.conf")

    def stop(self):
        """Nothing here is worth an orderly end."""
        kill_all()
        if self.settings.proctrack == "cgroup":
            wait_until(self.remove_cgroups, f"{FREEZER}/slurm_*: could not be removed", 10)

    def remove_cgroups(self):
        for node in self.settings.nodes:
            for folder, _, _ in os.walk(FREEZER / f"slurm_{node}", topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return False
        return True


def found(program):
    """Daemons are where the path of an ordinary user does not lead."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Failure(f"there is no {program}: scripts/packages names what is needed")
    return path


def orphans(but):
    """What has become our child and has ended."""
    result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    while result:
        if result.si_pid in but:
            return
        yield result.si_pid
        result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)


# ---- for runners


class Cluster:
    """A cluster that a keeper keeps."""

    def __init__(self, settings, process):
        self.settings = settings
        self.folder = settings.folder
        self.process = process

    def wait_until_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise Failure(f"the cluster did not start:\n{self.keeper_log()}")
            return (self.folder / "ready").exists() and self.nodes_are_idle()

        wait_until(ready, lambda: f"the cluster did not start: see {self.folder}/log", 60)

    def keeper_log(self):
        return Path(f"{self.folder}.log").read_text(errors="replace")[-4000:]

    def nodes_are_idle(self):
        time.sleep(0.1)
        out = subprocess.run(["sinfo", "-h", "-o", "%T %D"], env=os.environ | self.settings.environment,
                             capture_output=True, text=True, check=False).stdout
        return {line.split()[0] for line in out.splitlines()} == {"idle"}

    def restart_nodes(self):
        """Starts each slurmd that was killed."""
        self.process.send_signal(signal.SIGHUP)

    def slurmd(self, number):
        """The process number of a node's slurmd."""
        return int((self.folder / "run" / f"{self.settings.node(number)}.pid").read_text())

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()


def start(folder, proctrack, port, database):
    """Starts a keeper, which ends with the calling thread's process."""
    folder.mkdir()
    settings = Settings(folder, proctrack, port, database)
    with Path(f"{folder}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, Path(__file__), str(folder), proctrack, str(port), str(int(database))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    return Cluster(settings, process)


if __name__ == "__main__":
    Keeper(Settings(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"))()
