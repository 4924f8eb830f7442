"""How soon faults are told: a hundred of several kinds on real hosts, and what a subscriber's receiver got, and when.

    python -m bench.doctor [--faults 100] [--out FILE]        (as root; three hosts of the lab, some twenty minutes)

Each fault is really done: a QEMU or a container's keeper is killed, a cable is cut, a host loses its power, an agent
stands still. Counted is what arrives at the receiver, once for each fault, and the time from the deed until then.
"""

import argparse
import datetime
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.hosts.conftest import IMAGES, LabCloud
from tests.hosts.receiver import Receiver, Told
from tests.programs import until

from trivet.lab.lab import Lab

_DOOMED = 2
_SECRET = "a secret of the benchmark"  # noqa: S105 - of a receiver that lives for this run
_AGENT = "trivet.cli.main join"
_QUIET_S = 2.0
"""How long nothing more may come of a fault once it is over."""


class Kind(NamedTuple):
    name: str
    share: int
    """How many of a hundred."""
    cause: str
    object_type: str
    do: "Callable[[Scene], None]"
    undo: "Callable[[Scene], None]"


class Scene:
    def __init__(self, cloud: LabCloud, receiver: Receiver) -> None:
        self.cloud, self.lab, self.receiver = cloud, cloud.lab, receiver
        self.host = cloud.lab.host(_DOOMED)
        self.servers: dict[str, Any] = {}

    def make(self) -> None:
        """On the host that faults befall; when its power goes they are made anew elsewhere, so they are moved back."""
        for kind in ("vm", "container"):
            if kind in self.servers:
                self.cloud.sdk.compute.delete_server(self.servers[kind].id)
                self.cloud.sdk.compute.wait_for_delete(self.servers[kind], wait=120)
            made = self.cloud.create(kind, kind, self.host.name, metadata={"HA_Enabled": "True"})
            self.servers[kind] = self.cloud.is_active(made)

    def here(self) -> bool:
        where = [self.cloud.sdk.compute.get_server(one.id).hypervisor_hostname for one in self.servers.values()]
        return where == [self.host.name] * len(where)

    def kill_machine(self) -> None:
        self._kill("qemu-system", self.servers["vm"].id)

    def kill_container(self) -> None:
        self._kill("conmon", self.servers["container"].id)

    def _kill(self, program: str, id: str) -> None:
        killed = self.host.run("pkill", "-KILL", "-f", f"{program}.*{id}")
        if killed.returncode:
            raise SystemExit(f"no {program} of {id} on {self.host.name}")

    def verdict(self) -> str:
        return str(self.cloud.get(f"/v1/hosts/{self.host.name}/health")["health"]["verdict"])

    def well(self) -> None:
        until(f"{self.host.name} is up", lambda: self.verdict() == "up", self.verdict, pause_s=0.2)

    def is_recovered(self) -> bool:
        failures = self.cloud.get(f"/v1/hosts/{self.host.name}/health")["health"]["failures"]
        return any(one["recovered_at"] and not one["ended_at"] for one in failures)

    def power_on(self) -> None:
        """Once what was on it is elsewhere: until then the fence would cut its power again. It has new cables, too."""
        until(f"{self.host.name} is fenced", self.is_recovered, self.verdict, pause_s=0.1)
        self.lab.power_on(_DOOMED)
        self.well()


def cables(*networks: str, up: bool) -> "Callable[[Scene], None]":
    def act(scene: Scene) -> None:
        for network in networks:
            scene.lab.fabric.set_cable(_DOOMED, network, up=up)

    return act


def stopped(scene: Scene) -> None:
    scene.host.run("pkill", "-STOP", "-f", _AGENT)


def went_on(scene: Scene) -> None:
    scene.host.run("pkill", "-CONT", "-f", _AGENT)


def nothing(scene: Scene) -> None:
    """It mends itself."""


KINDS = (
    Kind("a virtual machine's process is killed", 28, "Server failure", "server", Scene.kill_machine, nothing),
    Kind("a container's keeper is killed", 28, "Server failure", "server", Scene.kill_container, nothing),
    Kind("the tenants' cable is cut", 16, "Part of a host failed", "host", cables("tenant", up=False),
         cables("tenant", up=True)),
    Kind("the management cable is cut", 16, "Management network failure", "host", cables("mgmt", up=False),
         cables("mgmt", up=True)),
    Kind("the power is cut", 6, "Host failure", "host", lambda scene: scene.host.power_off(), Scene.power_on),
    Kind("both cables are cut", 4, "Host failure", "host", cables("mgmt", "tenant", up=False),
         Scene.power_on),
    Kind("the agent stands still", 2, "Agent failure", "host", stopped, went_on),
)  # fmt: skip


def of(kind: Kind, told: list[Told], event: str = "raised") -> list[Told]:
    return [
        one
        for one in told
        if one.body["type"] == f"trivet.alarm.{event}"
        and one.body["data"]["probable_cause"] == kind.cause
        and one.body["data"]["managed_object"]["type"] == kind.object_type
    ]


class Measured(NamedTuple):
    since_fault_s: float
    since_seen_s: float
    """From when the cloud wrote it down."""
    times: int


def measure(scene: Scene, kind: Kind) -> Measured:
    scene.receiver.told.clear()
    began, began_at = time.monotonic(), time.time()
    kind.do(scene)
    until(f"somebody is told that {kind.name}", lambda: of(kind, scene.receiver.told), scene.verdict, pause_s=0.01)
    first = of(kind, scene.receiver.told)[0]
    raised = _seconds(first.body["data"]["alarm_raised_time"])
    kind.undo(scene)
    scene.well()
    until("it is over", lambda: of(kind, scene.receiver.told, "cleared"), scene.verdict, pause_s=0.1)
    time.sleep(_QUIET_S)
    since = first.at - began
    return Measured(since, since - max(0.0, raised - began_at), len(of(kind, scene.receiver.told)))


def _seconds(iso: str) -> float:
    return datetime.datetime.fromisoformat(iso).timestamp()


def run(faults: int, directory: Path) -> dict[str, Any]:
    os.environ["TRIVET_WEB_ALLOW"] = "172.31.0.0/16"
    os.environ["TRIVET_FENCING_MOST"] = "1000"
    lab = Lab(directory, "doctor")
    kinds = [kind for kind in KINDS for _ in range(round(kind.share * faults / 100))]
    random.Random(1).shuffle(kinds)  # noqa: S311 - the same order in every run
    found: dict[str, list[Measured]] = {kind.name: [] for kind in KINDS if kind.share}
    try:
        lab.up(3, lambda said: print(said, file=sys.stderr))
        cloud = LabCloud(lab)
        cloud.prepare()
        receiver = Receiver(lab.fabric.own_address)
        for host in lab.hosts():
            cloud.put(f"/v1/hosts/{host.name}/bmc", {"bmc": lab.bmcs.access(host.number)})
        cloud.post(
            "/v1/alarms/subscriptions", {"subscription": {"url": receiver.url, "secret": _SECRET, "all_projects": True}}
        )
        scene = Scene(cloud, receiver)
        scene.make()
        for number, kind in enumerate(kinds, 1):
            if not scene.here():
                scene.make()
            seen = measure(scene, kind)
            found[kind.name].append(seen)
            print(f"{number:3}/{len(kinds)}  {seen.since_fault_s:6.2f} s  {seen.times}x  {kind.name}", file=sys.stderr)
        receiver.close()
    finally:
        lab.remove()
    return {name: summary(measured) for name, measured in found.items() if measured}


def summary(measured: list[Measured]) -> dict[str, Any]:
    from_fault = sorted(one.since_fault_s for one in measured)
    from_seen = sorted(one.since_seen_s for one in measured)
    return {
        "faults": len(measured),
        "told once": sum(one.times == 1 for one in measured),
        "from the fault, p50 s": round(statistics.median(from_fault), 3),
        "from the fault, worst s": round(from_fault[-1], 3),
        "from when it was seen, p50 s": round(statistics.median(from_seen), 3),
        "from when it was seen, worst s": round(from_seen[-1], 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    absent = [variable for variable, _, _ in IMAGES.values() if not Path(os.environ.get(variable, "")).is_file()]
    if absent or os.geteuid() != 0:
        raise SystemExit(f"needs root and {', '.join(absent) or 'nothing else'} (make images)")
    with tempfile.TemporaryDirectory(prefix="trivet-doctor-") as directory:
        figures = run(chosen.faults, Path(directory) / "lab")
    text = json.dumps(figures, indent=2)
    print(text)
    if chosen.out is not None:
        chosen.out.write_text(text + "\n")
    return 0 if all(one["told once"] == one["faults"] for one in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
