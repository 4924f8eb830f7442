"""The console of a container: a shell for one visitor, gone with them."""

import asyncio

import pytest
from tests.drivers.podman_containers import (
    PATIENCE_S,
    a_container,
    eventually,
    log_has,
    machines,
    running_shell,
    started,
)

from trivet.drivers.podman.machines import PodmanMachines

__all__ = ["machines"]

pytestmark = pytest.mark.dataplane


async def test_the_console_is_a_shell_for_one_at_a_time(machines: PodmanMachines) -> None:
    id = await started(machines, a_container())
    path = machines.serial_path(id)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"echo answer-$((6*7)); hostname\n")
    seen = await asyncio.wait_for(reader.readuntil(b"answer-42"), PATIENCE_S)
    assert seen
    second, its_writer = await asyncio.open_unix_connection(path)
    assert b"Another session" in await asyncio.wait_for(second.read(), PATIENCE_S)
    its_writer.close()
    writer.write(b"exit\n")
    await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    reader, writer = await asyncio.open_unix_connection(machines.serial_path(id))
    writer.write(b"echo again-$((1+1))\n")
    await asyncio.wait_for(reader.readuntil(b"again-2"), PATIENCE_S)
    writer.close()


async def test_who_leaves_the_console_leaves_no_shell_behind(machines: PodmanMachines) -> None:
    id = await started(machines, running_shell("while sleep 0.2; do echo shells $(ps | grep -c '[s]h -l'); done"))
    await log_has(machines, id, "shells 0")
    reader, writer = await asyncio.open_unix_connection(machines.serial_path(id))
    writer.write(b"echo here-$((1+1))\n")
    await asyncio.wait_for(reader.readuntil(b"here-2"), PATIENCE_S)
    await log_has(machines, id, "shells 1")
    writer.close()
    await eventually(lambda: machines.console_log(id, 9), lambda end: end == b"shells 0\n")
