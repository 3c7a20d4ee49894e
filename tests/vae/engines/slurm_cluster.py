"""A real Slurm of one node in a temporary folder: munged, slurmctld and slurmd with a configuration of their own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
CONFIG = """
ClusterName=elboroom
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
JobRequeue=1
SlurmctldTimeout=30
SlurmdTimeout=60
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Returns why no Slurm can be started here; "" where it can."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    if lacks := [name for name in NEEDED if shutil.which(name, path=path) is None]:
        return f"Slurm is not installed here: there is no {lacks[0]}"
    return "" if hasattr(os, "getuid") and os.getuid() == 0 else "slurmd starts for root alone"


class Cluster:
    """Its daemons in `folder`; `environment` is what a client needs to find it."""

    def __init__(self, folder: Path, cpus: int = 4) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("state", "spool"):
            (folder / name).mkdir()
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        config = folder / "slurm.conf"
        self.host = host = socket.gethostname().split(".")[0]
        # More cores are promised than there are, so that several jobs run side by side on a small machine.
        config.write_text(CONFIG.format(host=host, ports=free_ports(2), folder=folder, cpus=cpus))
        self.environment = {
            "SLURM_CONF": str(config),
            "PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]),
        }

    def begin(self) -> None:
        folder, key = self.folder, self.folder / "munge.key"
        self.start("munged", "-F", f"--key-file={key}", f"--socket={folder}/munge.socket",
                   f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
                   f"--seed-file={folder}/munged.seed", "--force")  # fmt: skip
        until(lambda: (folder / "munge.socket").exists())
        self.start_controller()
        self.start("slurmd", "-D", "-f", self.environment["SLURM_CONF"], "-N", self.host)
        until(lambda: "idle" in self.call("sinfo", "--noheader", "--format=%T", check=False), 180)

    def start(self, name: str, *words: str) -> None:
        out = open(self.folder / f"{name}.out", "ab")  # noqa: SIM115  it is the daemon's
        self.daemons[name] = subprocess.Popen(
            [name, *words], env={**os.environ, **self.environment}, stdout=out, stderr=out, start_new_session=True
        )
        out.close()

    def start_controller(self) -> None:
        self.start("slurmctld", "-D", "-i", "-f", self.environment["SLURM_CONF"])
        until(lambda: "is UP" in self.call("scontrol", "ping", check=False), 180)

    def stop_controller(self) -> None:
        self.end("slurmctld")

    def end(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(10)
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()

    def call(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """State by id of the jobs that are not over."""
        lines = self.call("squeue", "--array", "--noheader", "--format=%i|%T").split()
        return dict(line.split("|") for line in lines)

    @contextlib.contextmanager
    def nothing_starts(self) -> Iterator[None]:
        """Jobs are taken and wait."""
        self.call("scontrol", "update", "PartitionName=main", "State=DOWN")
        try:
            yield
        finally:
            self.call("scontrol", "update", "PartitionName=main", "State=UP")

    def hurry(self) -> None:
        """A job that queued again is held back for two minutes, so that a broken node can be found out."""
        for job, state in self.jobs().items():
            if state == "PENDING":
                self.call("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.call("scancel", "--user=root", check=False)
            until(lambda: not self.jobs(), 15)
        for name in ("slurmd", "slurmctld", "munged"):
            if name in self.daemons:
                self.end(name)


@contextlib.contextmanager
def cluster(folder: Path, cpus: int = 4) -> Iterator[Cluster]:
    made = Cluster(folder, cpus)
    try:
        made.begin()
        yield made
    finally:
        made.close()


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def until(met: Callable[[], object], seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.1)
