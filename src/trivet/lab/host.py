"""A host of the lab: a process that is the first of its own world, and everything below it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from trivet.drivers import durable
from trivet.lab.fabric import Fabric

_SPACES = ("--mount", "--uts", "--net", "--pid", "--fork", "--mount-proc", "--propagation", "private")
_FIRST = """
set -e
hostname "$HOST"
ip link set lo up
# Of the machine's own, what a host must not share: links as the kernel shows them, names of namespaces, locks.
mkdir -p "$WORLD/cgroup"
mount --rbind /sys/fs/cgroup "$WORLD/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$WORLD/cgroup" /sys/fs/cgroup
for place in /run /dev/shm; do mount -t tmpfs tmpfs $place; done
mkdir -p /run/netns /run/lock
until [ -e /sys/class/net/mgmt0 ] && [ -e /sys/class/net/tenant0 ]; do sleep 0.05; done
ip address add "$ADDRESS/24" dev mgmt0
ip link set mgmt0 up
# Not exec: the first process of a world takes in the orphans, and a program that has none of its own would not.
"$@" >>"$WORLD/log" 2>&1 &
child=$!
trap 'kill -TERM $child' TERM
while kill -0 $child 2>/dev/null; do wait $child || true; done
"""
_APART = 'log=$0; setsid "$@" </dev/null >/dev/null 2>>"$log" & echo $!'
"""No child of ours: hosts go on when whoever gave them power has gone."""
_POWER = "-- power"
"""Between one life and the next, in the host's log."""
_WORDS = 3000
_START_S = 10.0
_STOP_S = 60.0


class LabHost(msgspec.Struct, frozen=True):
    fabric: Fabric
    directory: Path
    """Of this host: what it has on its disk outlives its power."""
    number: int

    @property
    def name(self) -> str:
        return f"h{self.number}"

    @property
    def address(self) -> str:
        return self.fabric.address(self.number)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def last_words(self) -> str:
        """Since it got its power last."""
        try:
            return self.log.read_text(errors="replace").rpartition(_POWER)[2][-_WORDS:]
        except FileNotFoundError:
            return ""

    def pid(self) -> int | None:
        """Of its first process, if it has power."""
        try:
            text = (self.directory / "power").read_text()
            pid, began = (int(word) for word in text.split())
            return pid if _began(pid) == began else None
        except (OSError, ValueError):
            return None

    def power_on(self, *command: str) -> None:
        """With that as what it runs. One that has power already is left alone."""
        if self.pid() is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "HOST": self.name, "ADDRESS": self.address, "WORLD": str(self.directory)}
        with self.log.open("a") as log:
            log.write(_POWER + "\n")
        words = ("unshare", *_SPACES, "bash", "-c", _FIRST, "host", *command)
        outer = subprocess.run(
            ["bash", "-c", _APART, str(self.log), *words], env=environment, check=True, capture_output=True, text=True
        )
        pid = _only_child(int(outer.stdout))
        durable.write(self.directory / "power", f"{pid} {_began(pid)}".encode())
        self.fabric.plug(self.number, pid)

    def power_off(self) -> None:
        """As if the plug were pulled: nothing of it has the time for a last word."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.fabric.unplug(self.number)
            _until(lambda: self.pid() is None, _START_S, f"{self.name} lost its power")

    def shut_down(self) -> None:
        """Its program is asked to end, and has a minute for it."""
        pid = self.pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        with suppress(TimeoutError):
            _until(lambda: self.pid() is None, _STOP_S, f"{self.name} ended")
        self.power_off()

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Something else, in the host's world."""
        pid = self.pid()
        if pid is None:
            raise ProcessLookupError(f"host {self.name} has no power")
        inside = ("nsenter", "-t", str(pid), "--mount", "--uts", "--net", "--pid", "--")
        return subprocess.run([*inside, *command], check=False, capture_output=True, text=True)


def trivet(*words: str) -> tuple[str, ...]:
    """The same Trivet as this one."""
    return (sys.executable, "-m", "trivet.cli.main", *words)


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    _until(lambda: bool(children.read_text().split()), _START_S, "a host has its first process")
    return int(children.read_text().split()[0])


def _began(pid: int) -> int:
    """When the process began, in the kernel's ticks: so another one of the same number is not taken for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if fields[0] == "Z":
        raise ValueError("it has ended")
    return int(fields[19])


def _until(true: Callable[[], bool], within_s: float, what: str) -> None:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"It took too long until {what}.")
        time.sleep(0.02)
