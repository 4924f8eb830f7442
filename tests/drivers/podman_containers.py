"""Containers by the real podman, in network namespaces of our own, from the small OCI image that tools/ builds.

TRIVET_TEST_CONTAINER names that image. Each test has a store of its own, and what it leaves behind on the
host is looked for at its end.
"""

import asyncio
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from tests.drivers.engines import image_named, need

from trivet.drivers.contracts.machine import Disk, MachineSpec, Seen
from trivet.drivers.podman.engine import missing
from trivet.drivers.podman.machines import PodmanMachines

IMAGE = image_named("TRIVET_TEST_CONTAINER")
PATIENCE_S = 120.0
_STILL_S = 0.5
T = TypeVar("T")


def need_engine() -> None:
    need("containers", missing(), "TRIVET_TEST_CONTAINER", "tools/build-container.sh")


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[PodmanMachines]:
    need_engine()
    driver = PodmanMachines(tmp_path / "podman")
    yield driver
    for id in await driver.observe():
        await driver.remove(id)
    assert await driver.observe() == {}
    await no_process_names(tmp_path)
    assert [line for line in Path("/proc/mounts").read_text().splitlines() if str(tmp_path) in line] == []


async def wired(machines: PodmanMachines, spec: MachineSpec) -> MachineSpec:
    """With a network namespace, in which eth0 is at 10.99.7.5 and its other end is there as well."""
    name = f"px{spec.id[:8]}"
    assert await machines.shelter(spec.id, name)
    ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "far")
    for device in ("lo", "eth0", "far"):
        ip("-n", name, "link", "set", device, "up")
    ip("-n", name, "address", "add", "10.99.7.5/24", "dev", "eth0")
    return msgspec.structs.replace(spec, netns=name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


async def no_process_names(path: Path) -> None:
    """conmon tidies up for some tenths of a second after its container is gone."""
    await eventually(lambda: _processes_naming(path), lambda left: not left)


async def _processes_naming(path: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(path) in line:
                found.append(line)
    return found


def a_container(**changes: object) -> MachineSpec:
    spec = MachineSpec(
        id=str(uuid.uuid4()),
        hostname="web-one",
        vcpus=1,
        memory_mib=64,
        disk=Disk(path=IMAGE, format="oci"),
        marks={"boot": "1", "build": "7"},
    )
    return msgspec.structs.replace(spec, **changes)


def running_shell(script: str, **changes: object) -> MachineSpec:
    return a_container(command=("sh", "-c", script), **changes)


async def started(machines: PodmanMachines, spec: MachineSpec) -> str:
    await machines.create(spec)
    await machines.start(spec.id, spec.marks)
    return spec.id


async def look(machines: PodmanMachines, id: str) -> Seen:
    return (await machines.observe())[id]


def told(seen: Seen) -> dict[str, str]:
    """The marks that somebody wrote; the others the driver says by itself."""
    return {name: text for name, text in seen.marks.items() if name not in ("nics", "shape", "volumes")}


async def log_has(machines: PodmanMachines, id: str, text: str, times: int = 1) -> str:
    log = await eventually(lambda: machines.console_log(id, 100_000), lambda log: log.count(text.encode()) >= times)
    return log.decode()


async def silent_log(machines: PodmanMachines, id: str) -> bytes:
    """Once nothing comes any more: what it said last may still be on its way when it is frozen already."""
    before = b"?"

    async def look_again() -> tuple[bytes, bytes]:
        nonlocal before
        last, before = before, await machines.console_log(id, 100_000)
        await asyncio.sleep(_STILL_S)
        return last, before

    return (await eventually(look_again, lambda two: two[0] == two[1]))[0]


def inner_process(folder: Path, id: str) -> tuple[int, int]:
    """(conmon, the container's first process), as the host numbers them."""
    conmon = int((folder / "machines" / id / "conmon.pid").read_text())
    (child,) = Path(f"/proc/{conmon}/task/{conmon}/children").read_text().split()
    return conmon, int(child)


async def power_becomes(machines: PodmanMachines, id: str, power: str) -> None:
    await eventually(lambda: look(machines, id), lambda seen: seen.power == power)


async def eventually(find: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    """What is found once it is good."""
    deadline = time.monotonic() + PATIENCE_S
    while not good(found := await find()):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)
    return found
