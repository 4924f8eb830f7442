"""A small real guest for the tests of the QEMU driver: boot it, and type on its serial port."""

import asyncio
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.drivers.engines import image_named, need

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Disk, MachineSpec, Nic, Seen
from trivet.drivers.qemu.machines import QemuMachines
from trivet.drivers.qemu.options import Options, missing

IMAGE = image_named("TRIVET_TEST_GUEST")
PATIENCE_S = 300.0
"""A machine that emulates its CPU on a busy host takes its time."""


def need_engine() -> None:
    need("virtual machines", missing(), "TRIVET_TEST_GUEST", "tools/build-guest.sh")


def processes_in(folder: Path) -> list[int]:
    """QEMUs that name the folder in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words.startswith(b"qemu-system") and os.fsencode(folder) + b"/" in words:
            found.append(int(path.parent.name))
    return found


def machines_folder(machines: QemuMachines, id: str) -> Path:
    return Path(machines.serial_path(id)).parent


@pytest.fixture(autouse=True)
def engine_is_here() -> None:
    need_engine()


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[QemuMachines]:
    driver = QemuMachines(tmp_path / "vms", Options(host_checksum=False))
    yield driver
    for id in await driver.observe():
        await driver.remove(id)
    assert not processes_in(tmp_path)
    bases = tmp_path / "vms" / "_base"
    assert not bases.exists() or not list(bases.iterdir())


def guest_spec(
    image: str = IMAGE,
    *,
    nics: tuple[Nic, ...] = (),
    config_drive: bytes | None = None,
    memory_mib: int = 128,
    **properties: str,
) -> MachineSpec:
    return MachineSpec(
        id=str(uuid.uuid4()),
        hostname="guest",
        vcpus=1,
        memory_mib=memory_mib,
        disk=Disk(image, "qcow2"),
        nics=nics,
        config_drive=config_drive,
        properties=properties,
        marks={"boots": "0"},
    )


async def booted(machines: QemuMachines, spec: MachineSpec) -> str:
    await machines.create(spec)
    await machines.start(spec.id, {"boots": "1"})
    await console_shows(machines, spec.id, "GUEST-READY")
    return spec.id


async def look(machines: QemuMachines, id: str) -> Seen:
    return (await machines.observe(id))[id]


async def console_shows(machines: QemuMachines, id: str, words: str, times: int = 1) -> None:
    async def shown() -> bool:
        return (await machines.console_log(id, 1 << 20)).count(words.encode()) >= times

    await eventually(shown, f"{words!r} on the console")


async def eventually(true: Callable[[], Awaitable[bool]], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not await true():
        assert time.monotonic() < until, f"never: {what}"
        await asyncio.sleep(0.1)


async def in_the_end(verb: Callable[[], Awaitable[None]]) -> None:
    """As whoever is responsible does: what a driver says may pass is tried again."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await verb()
        except DriverError as error:
            assert error.again and time.monotonic() < until, error.why


async def typed(machines: QemuMachines, id: str, command: str) -> str:
    """Run a command in the guest's root shell and return what it printed."""
    reader, writer = await asyncio.open_unix_connection(machines.serial_path(id))
    try:
        # The shell asks the terminal for its size after a newline, and eats what comes meanwhile.
        writer.write(b"\n")
        await asyncio.sleep(0.5)
        writer.write(f"echo BEG''IN; {command}; echo E''ND\n".encode())
        heard = b""
        async with asyncio.timeout(PATIENCE_S):
            while b"END\r\n" not in heard:
                more = await reader.read(4096)
                assert more, "the serial port was closed"
                heard += more
        found = re.search(rb"BEGIN\r\n(.*?)END\r\n", heard, re.DOTALL)
        assert found, heard
        return found[1].decode().replace("\r\n", "\n").strip()
    finally:
        writer.close()
