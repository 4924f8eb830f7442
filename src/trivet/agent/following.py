"""Following one order: from what is seen on the host, the steps that make it equal to what is wanted.

It starts from the engine's own memory (the marks kept with the machine) every time, so it may be cut off
at any step and done again by whoever comes next.
"""

import logging
from typing import Any, Literal

import msgspec

from trivet.agent.config_drive import config_drive
from trivet.agent.device_places import placed
from trivet.agent.engines import Engines
from trivet.agent.guest_words import tell_guest
from trivet.agent.images import format_of, image_path
from trivet.agent.link import Link
from trivet.agent.moving import brought, hand_over
from trivet.agent.rescue import join_rescue
from trivet.agent.volumes import NO_FAULTS, Faults, join_volumes, usable
from trivet.domain.servers.orders import Order, Report
from trivet.domain.servers.words import ROOT_DISK
from trivet.drivers.contracts.container import LiveResizing
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.drivers.contracts.machine import (
    Disk,
    MachineDriver,
    MachineSpec,
    Nic,
    NicHotplug,
    Pausing,
    Placing,
    Resizing,
    Seen,
    Sheltering,
    Snapshotting,
    Suspending,
)
from trivet.drivers.contracts.network import Wire, netns_name, tap_name
from trivet.errors import Conflict, Invalid, OverQuota, TrivetError

_SEED = "/var/lib/cloud/seed/config_drive/"
"""The folder in which cloud-init looks for a config drive that is no drive; containers find the same data there."""
_BUG_TRIES = 3
"""What nobody foresaw may pass, but not for ever: then it is told as a failure for good."""
_GIVEN_UP = (
    f"An unexpected error happened {_BUG_TRIES} times on the host, and the host has given up. Try again; if it stays, "
    "ask the operator, whose log says why."
)
_logger = logging.getLogger(__name__)


async def follow(order: Order, engines: Engines, link: Link, tries: int = 0) -> Report:
    """Make it so; the report says what is there afterwards, error or not. `tries` have failed in a row before."""
    driver = engines.machines.get(order.kind)
    if driver is None:
        return _report(order, None, error=f"This host cannot run a {order.kind}.")
    faults = Faults({})
    try:
        steps = _steps(order, driver, engines, link, faults)
        filled = await foreseen(f"server {order.server_id}", steps, TrivetError)
        return _report(order, await _look(driver, order.server_id), filled=filled, faults=faults)
    except Unforeseen as error:
        return await _failed(order, driver, error if tries + 1 < _BUG_TRIES else DriverError(_GIVEN_UP, again=False))
    except DriverError as error:
        return await _failed(order, driver, error)


async def _steps(order: Order, driver: MachineDriver, engines: Engines, link: Link, faults: Faults) -> str | None:
    """The id of an image that was filled on the way. What volumes lack keeps nothing else from being done."""
    if order.want == "gone":
        if order.grace_s and await _look(driver, order.server_id) is not None:
            await driver.stop(order.server_id, order.grace_s)
        await _remove(order, driver, engines)
        engines.halted.discard(order.server_id)
        return None
    if order.keeps or order.leaves:
        await hand_over(order, driver, engines, link)
        return None
    await _build(order, driver, engines, link)
    await _join(order, driver, engines)
    await join_volumes(order, driver, faults)
    await join_rescue(order, driver, link)
    await _power(order, driver, engines, link)
    await tell_guest(order, driver, link)
    engines.halted.discard(order.server_id)
    return await _snapshot(order, driver, link)


async def _failed(order: Order, driver: MachineDriver, error: DriverError) -> Report:
    try:
        seen = await foreseen(f"server {order.server_id}", _left(order, driver, error))
    except DriverError as second:
        _logger.warning("Server %s failed, and what is left of it is not known: %s", order.server_id, second.why)
        return _report(order, None, error=error.why, again=True)
    return _report(order, seen, error=error.why, again=error.again)


async def _left(order: Order, driver: MachineDriver, error: DriverError) -> Seen | None:
    """What is there after a failure."""
    seen = await _look(driver, order.server_id)
    if not error.again and seen is not None and seen.marks.get("boots", "0") == "0":
        # It never ran, and may be placed elsewhere now: nothing may be left that somebody slow could still start.
        await driver.remove(order.server_id)
        return None
    return seen


async def clear(order: Order, engines: Engines) -> None:
    """Nothing of it stays here."""
    driver = engines.machines.get(order.kind)
    if driver is not None:
        await _remove(order, driver, engines)


async def _look(driver: MachineDriver, id: str) -> Seen | None:
    return (await driver.observe(id)).get(id)


def _report(
    order: Order,
    seen: Seen | None,
    *,
    error: str | None = None,
    again: bool = False,
    filled: str | None = None,
    faults: Faults = NO_FAULTS,
) -> Report:
    return Report(
        server_id=order.server_id,
        host_id=order.host_id,
        revision=order.revision,
        power=seen.power if seen else None,
        boots=int(seen.marks.get("boots", 0)) if seen else 0,
        builds=int(seen.marks.get("builds", 0)) if seen else 0,
        shape=seen.marks.get("shape", "") if seen else "",
        rescue=seen.marks.get("rescue", "") if seen else "",
        passwords=int(seen.marks.get("passwords", 0)) if seen else 0,
        exit_code=seen.exit_code if seen else None,
        health=seen.marks.get("health", "") if seen else "",
        snapshot_image_id=filled,
        volumes=usable(seen) if seen else (),
        volume_faults=faults.final,
        error=error or faults.passing,
        again=again or (error is None and faults.passing is not None),
    )


# -- steps, in order


async def _remove(order: Order, driver: MachineDriver, engines: Engines) -> None:
    if order.grace_s:
        # It may write to what outlives it: a volume, or whatever is at the other end of a wire.
        seen = await _look(driver, order.server_id)
        if seen is not None and seen.power == "running":
            await driver.stop(order.server_id, order.grace_s)
    await driver.remove(order.server_id)
    for wire in order.wires:
        await engines.wires.unplug(wire.port_id, wire.netns)


async def _build(order: Order, driver: MachineDriver, engines: Engines, link: Link) -> None:
    """A root disk of the wanted build, and a machine of the wanted shape."""
    seen = await _look(driver, order.server_id)
    if seen is not None and seen.marks.get("builds") == str(order.builds):
        if seen.marks.get("shape") != order.shape:
            await _reshape(order, driver, engines, link, seen)
        return
    if seen is not None:
        await driver.stop(order.server_id, 0)
        await driver.remove(order.server_id)
    if order.volumes_pending:
        raise DriverError("Its volumes are not ready yet.", again=True)
    if order.image is None and not order.brings and not any(volume.boots for volume in order.volumes):
        raise DriverError("The server has no image to start from.", again=False)
    disks = await brought(order, link)
    root = disks.get(ROOT_DISK) or await _root(order, link)
    await _plug(order, driver, engines)
    # A container has no drive and finds them in its files; a physical machine need not find our metadata service.
    files = await link.files(order.server_id) if order.config_drive or order.kind != "vm" else {}
    spec = msgspec.structs.replace(_spec(order, root, files), filled=_filled(disks))
    if spec.config_drive is not None and isinstance(driver, Placing):
        told = placed(files, driver.places(order.server_id, spec))
        spec = msgspec.structs.replace(spec, config_drive=config_drive(told))
    elif files:
        spec = _spec(order, root, placed(files, {}))
    await driver.create(spec)


async def _reshape(order: Order, driver: MachineDriver, engines: Engines, link: Link, seen: Seen) -> None:
    if not isinstance(driver, Resizing):
        raise DriverError("This kind of server cannot change its size.", again=False)
    if isinstance(driver, LiveResizing) and order.program is not None and _same_disk(order, seen):
        await driver.adjust(order.server_id, order.vcpus, order.memory_mib, order.cpus)
        return
    if seen.power != "stopped":
        await driver.stop(order.server_id, order.grace_s)
    await driver.resize(
        order.server_id, order.vcpus, order.memory_mib, order.disk_gib, order.empty, topology=order.topology
    )
    if order.want == "running":
        await _start(order, driver, engines, link)


def _same_disk(order: Order, seen: Seen) -> bool:
    return seen.marks.get("shape", "").split("/")[2:3] == order.shape.split("/")[2:3]


async def _join(order: Order, driver: MachineDriver, engines: Engines) -> None:
    """The wires that are wanted and no others. Plugging again what is plugged mends it after a host's reboot."""
    seen = await _look(driver, order.server_id)
    assert seen is not None
    here = {port for port in seen.marks.get("nics", "").split(",") if port}
    wanted = {wire.port_id: wire for wire in order.wires}
    await _plug(order, driver, engines)
    if here == set(wanted):
        return
    running = seen.power in ("running", "paused")
    if not isinstance(driver, NicHotplug) and running:
        raise DriverError("Interfaces of a running server of this kind cannot change; stop it first.", again=False)
    if isinstance(driver, NicHotplug):
        for port_id in here - set(wanted):
            await driver.detach_nic(order.server_id, port_id)
            await engines.wires.unplug(port_id)
        for port_id in set(wanted) - here:
            await driver.attach_nic(order.server_id, _nic(wanted[port_id]))


async def _plug(order: Order, driver: MachineDriver, engines: Engines) -> None:
    if isinstance(driver, Sheltering):
        await driver.shelter(order.server_id, netns_name(order.server_id))
    for wire in order.wires:
        await engines.wires.plug(wire)


async def _start(order: Order, driver: MachineDriver, engines: Engines, link: Link) -> None:
    await link.confirm()
    if isinstance(driver, Sheltering) and await driver.shelter(order.server_id, netns_name(order.server_id)):
        # It ran until now in one that was not its own.
        await _plug(order, driver, engines)
    await driver.start(order.server_id, _marks(order))


async def _power(order: Order, driver: MachineDriver, engines: Engines, link: Link) -> None:
    seen = await _look(driver, order.server_id)
    assert seen is not None
    same_boot = seen.marks.get("boots") == str(order.boots)
    if order.want == "running":
        await _run(order, driver, engines, link, seen, same_boot=same_boot)
    elif order.want in ("stopped", "shelved"):
        if seen.power not in ("stopped", "crashed"):
            await driver.stop(order.server_id, order.grace_s if seen.power == "running" else 0)
    elif order.want == "paused" and seen.power == "running":
        if not isinstance(driver, Pausing):
            raise DriverError("This kind of server cannot be paused.", again=False)
        await driver.pause(order.server_id)
    elif order.want == "suspended" and seen.power in ("running", "paused"):
        if not isinstance(driver, Suspending):
            raise DriverError("This kind of server cannot be suspended.", again=False)
        await driver.suspend(order.server_id)


async def _run(
    order: Order, driver: MachineDriver, engines: Engines, link: Link, seen: Seen, *, same_boot: bool
) -> None:
    id = order.server_id
    halted = id in engines.halted
    if not same_boot:
        if seen.power not in ("stopped", "crashed"):
            await driver.stop(id, order.grace_s if seen.power == "running" else 0)
        await _start(order, driver, engines, link)
    elif seen.power == "paused" and isinstance(driver, Pausing):
        await driver.unpause(id)
    elif seen.power == "suspended" and isinstance(driver, Suspending):
        await driver.resume(id)
    elif (halted and seen.power == "stopped") or (seen.power == "crashed" and (halted or seen.exit_code is None)):
        # The engine or the host went away under it: nobody asked for that, so it comes back by itself.
        # A container that ended with an exit code ended by its own doing.
        if not halted:
            await link.report([msgspec.structs.replace(_report(order, seen), mending=True)])
        await _start(order, driver, engines, link)


async def _snapshot(order: Order, driver: MachineDriver, link: Link) -> str | None:
    if order.snapshot_image_id is None:
        return None
    if not isinstance(driver, Snapshotting):
        raise DriverError("This kind of server cannot be made into an image.", again=False)
    path = link.scratch(order.snapshot_image_id)
    written = await driver.snapshot(order.server_id, path)
    await _hand_over(order.snapshot_image_id, path, written, link)
    return order.snapshot_image_id


async def _hand_over(image_id: str, path: str, format: str, link: Link) -> None:
    """A refusal that would be the same next time, such as a full quota, ends the snapshot."""
    try:
        await link.upload(image_id, path, format)
    except (Invalid, OverQuota) as refusal:
        raise DriverError(refusal.message, again=False) from refusal
    except Conflict as refusal:
        if refusal.code != "image.status":
            raise
        # Whoever was here before us filled it, and died before saying so.
        _logger.info("Image %s waits for no snapshot any more", image_id)


# -- words for drivers


def _marks(order: Order) -> dict[str, str]:
    return {
        "boots": str(order.boots),
        "builds": str(order.builds),
        "shape": order.shape,
        "interrupts": str(order.interrupts),
        "passwords": str(order.passwords),
        "nics": ",".join(wire.port_id for wire in order.wires),
    }


def _nic(wire: Wire) -> Nic:
    device = tap_name(wire.port_id) if wire.kind == "tap" else wire.device
    return Nic(port_id=wire.port_id, mac=wire.mac, device=device, mtu=wire.mtu, vlan=wire.vlan)


async def _root(order: Order, link: Link) -> Disk | None:
    if order.image is None:
        return None
    path = await image_path(order.image, link)
    return Disk(path=path, format=format_of(order.image.format), size_gib=order.disk_gib)


def _filled(disks: dict[str, Disk]) -> dict[str, Disk]:
    return {name: disk for name, disk in disks.items() if name != ROOT_DISK}


def _spec(order: Order, disk: Disk | None, files: dict[str, bytes]) -> MachineSpec:
    container = order.kind == "container"
    return MachineSpec(
        id=order.server_id,
        hostname=order.hostname,
        vcpus=order.vcpus,
        memory_mib=order.memory_mib,
        disk=disk,
        nics=tuple(_nic(wire) for wire in order.wires),
        empty=() if container else order.empty,
        volumes=() if container else order.volumes,
        netns=netns_name(order.server_id) if container else None,
        config_drive=config_drive(files) if files and not container else None,
        files={_laid(path): content for path, content in files.items()} if container else {},
        cpus=order.cpus,
        **_program(order),
        properties=order.properties,
        # Nothing was booted yet: the first start writes the real count.
        marks=_marks(order) | {"boots": "0"},
        topology=order.topology,
    )


def _laid(path: str) -> str:
    """Where a file lies in a container: where its owner said, or else where cloud-init looks."""
    return path if path.startswith("/") else _SEED + path


def _program(order: Order) -> dict[str, Any]:
    program = order.program
    if program is None:
        return {
            "command": tuple(order.properties.get("container_command", "").split()),
            "restart": _RESTARTS.get(order.properties.get("container_restart", ""), "no"),
        }
    return msgspec.structs.asdict(program)


_RESTARTS: dict[str, Literal["no", "on-failure", "always"]] = {"on-failure": "on-failure", "always": "always"}
