"""Hosts: machines that can run servers, or be one. A host exists whether or not an agent runs on it.

A host is also a provider of the same id, so what it can hold is claimed like everything else. Its agent's
sign of life is written past the log: it changes nothing that anybody would have to look at.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec

from trivet.domain.hosts import approvals, pulse
from trivet.domain.hosts import hardware as host_hardware
from trivet.domain.placement import choosing, claims, supply
from trivet.domain.placement.choosing import Want
from trivet.domain.placement.claims import Consumer
from trivet.drivers.contracts.hardware import Hardware
from trivet.errors import Busy, Conflict, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

DISABLED = "COMPUTE_STATUS_DISABLED"
_KIND = "CUSTOM_KIND_"
MACHINE = "CUSTOM_MACHINE"
"""The class of which a physical machine has one: whoever claims it has the machine whole."""
RATIOS = {"VCPU": 4.0, "MEMORY_MB": 1.0, "DISK_GB": 1.0}


class Host(Record, frozen=True, kw_only=True):
    """`id` is the provider's, too."""

    name: str
    kinds: tuple[str, ...]
    vcpus: int
    memory_mib: int
    disk_gib: int
    hypervisor_type: str
    created_at: float
    updated_at: float
    hypervisor_version: int = 1
    address: str = "127.0.0.1"
    """On the network between the hosts."""
    management_address: str = ""
    """Where its agent speaks from; empty: it has not said."""
    api_url: str = ""
    """The URL of the process that looks after the host now; its consoles are there."""
    zone: str | None = None
    """The zone that an aggregate gives to the host; None: it is in the default zone."""
    enabled: bool = True
    disabled_reason: str | None = None
    forced_down: bool = False
    agent_seen_at: float = 0.0
    """For people to read; whether it lives is counted (pulse.py)."""
    silent: bool = False
    dead: bool = False
    """More than its agent's silence says so (domain/health)."""
    booted_at: float | None = None
    """Since when the machine runs, if its agent can tell."""
    cpu_info: str | None = None
    """What processor it has; JSON, in nova's words."""


HOSTS = Table("hosts", Host)


def kind_trait(kind: str) -> str:
    """What a provider must have to run servers of a kind."""
    return _KIND + kind.upper()


def is_up(host: Host) -> bool:
    return not host.forced_down and not host.silent


async def register(
    tx: Tx,
    host: Host,
    ratios: dict[str, float] | None = None,
    more: Mapping[str, int] | None = None,
    hardware: Hardware | None = None,
) -> Host:
    """The host with its provider, capacity and traits; again is the same as once, and takes up what changed.

    `more`: what it has besides, by resource class. `hardware`: what it is made of inside, if it tells.
    What operators say of a host (enabled, forced down, its zone) stays as it is.
    """
    ratios = RATIOS | (ratios or {})
    known = await tx.find(HOSTS, "name = ?", host.name)
    if known is None:
        known = await tx.insert(HOSTS, host)
        await supply.begin(tx, host.id, host.name, host.created_at, host.updated_at)
    else:
        known = await _take_up(tx, known, host)
    await heard(tx, known.id, host.agent_seen_at)
    known = msgspec.structs.replace(known, agent_seen_at=host.agent_seen_at, silent=False, dead=False)
    await _ensure_totals(tx, known, ratios, hardware, await host_hardware.of(tx, known.id))
    if more:
        await supply.set_totals(tx, known.id, more, dict.fromkeys(more, 1.0))
    await _ensure_traits(tx, known, hardware)
    await host_hardware.keep(tx, known.id, hardware)
    return known


async def show_traits(tx: Tx, host: Host, traits: Collection[str]) -> None:
    """What was found out about it, besides what it says of itself and operators say of it."""
    has = await supply.traits_of(tx, host.id)
    wanted = _with_own(host, has | set(traits), await host_hardware.of(tx, host.id))
    await supply.set_traits(tx, host.id, has, wanted)


async def resize(tx: Tx, host: Host, *, vcpus: int, memory_mib: int, disk_gib: int) -> Host:
    """What it may sell from now on; what has been sold stays."""
    now = tx.clock.now()
    host = await tx.update(HOSTS, host, vcpus=vcpus, memory_mib=memory_mib, disk_gib=disk_gib, updated_at=now)
    await _ensure_totals(tx, host, RATIOS, await host_hardware.of(tx, host.id))
    return host


async def offer(tx: Tx, host: Host, kinds: tuple[str, ...]) -> Host:
    """Which kinds of servers may come from now on; what is there stays."""
    if kinds != host.kinds:
        host = await tx.update(HOSTS, host, kinds=kinds, updated_at=tx.clock.now())
        await _ensure_traits(tx, host, await host_hardware.of(tx, host.id))
    return host


async def _ensure_totals(
    tx: Tx, host: Host, ratios: dict[str, float], hardware: Hardware | None, before: Hardware | None = None
) -> None:
    """`before`: what it said last, of which nothing may stay that is no more."""
    totals = dict.fromkeys(host_hardware.sold(before, vcpus=0, memory_mib=0), 0) if before is not None else {}
    totals |= {"VCPU": host.vcpus, "MEMORY_MB": host.memory_mib, "DISK_GB": host.disk_gib}
    if hardware is not None:
        totals |= host_hardware.sold(hardware, vcpus=host.vcpus, memory_mib=host.memory_mib)
    await supply.set_totals(tx, host.id, totals, dict.fromkeys(totals, 1.0) | ratios)


async def _take_up(tx: Tx, known: Host, host: Host) -> Host:
    facts = (
        "kinds",
        "vcpus",
        "memory_mib",
        "disk_gib",
        "hypervisor_type",
        "hypervisor_version",
        "address",
        "management_address",
        "booted_at",
        "cpu_info",
    )
    changes = {name: getattr(host, name) for name in facts if getattr(host, name) != getattr(known, name)}
    if changes:
        known = await tx.update(HOSTS, known, **changes, updated_at=tx.clock.now())
    return known


async def _ensure_traits(tx: Tx, host: Host, hardware: Hardware | None) -> None:
    has = await supply.traits_of(tx, host.id)
    await supply.set_traits(tx, host.id, has, _with_own(host, has, hardware))


async def with_own_traits(tx: Tx, provider_id: str, traits: set[str]) -> set[str]:
    """What a provider may be given: if it is a host, what that says of itself stays as it says, or nothing could be
    placed there any more."""
    host = await tx.get(HOSTS, provider_id)
    return traits if host is None else _with_own(host, traits, await host_hardware.of(tx, host.id))


def _with_own(host: Host, traits: set[str], hardware: Hardware | None) -> set[str]:
    others = {trait for trait in traits if trait != DISABLED and not trait.startswith(_KIND)}
    others -= host_hardware.OWN_TRAITS
    own = {kind_trait(kind) for kind in host.kinds} | host_hardware.traits(hardware)
    return others | own | (set() if host.enabled else {DISABLED})


async def look_after(tx: Tx, host_ids: Collection[str], api_url: str) -> None:
    """Records that the process at `api_url` looks after these hosts from now on."""
    where = Where().any_of("id", host_ids)
    await tx.run(f"UPDATE hosts SET api_url = ?{where.sql}", api_url, *where.values)


async def heard(tx: Tx, host_id: str, at: float) -> None:
    """Its agent gave a sign of life."""
    await pulse.heard(tx, host_id, at)


async def by_name(tx: Tx, name: str) -> Host:
    host = await tx.find(HOSTS, "name = ?", name)
    if host is None:
        raise NotFound("host.absent", f"Compute host {name} could not be found.")
    return host


async def id_of(tx: Tx, name: str) -> str | None:
    row = await tx.row("SELECT id FROM hosts WHERE name = ?", name)
    return str(row[0]) if row is not None else None


async def of_type(tx: Tx, hypervisor_type: str) -> list[Host]:
    return await tx.select(HOSTS, Where().equal("hypervisor_type", hypervisor_type))


async def names_of(tx: Tx, ids: Collection[str]) -> dict[str, str]:
    """id -> name, of those that there are."""
    if not ids:
        return {}
    where = Where().any_of("id", sorted(ids))
    return {str(row[0]): str(row[1]) for row in await tx.rows(f"SELECT id, name FROM hosts{where.sql}", *where.values)}


async def place(
    tx: Tx, consumer: Consumer, want: Want, settle: Callable[[str], Awaitable[bool]] | None = None
) -> Host | None:
    """Choose a host that has room and whose agent is alive, and claim there. None if there is none.

    `settle` takes what else is wanted of the host that was chosen, which nobody else changes meanwhile; False if it
    has not all of it. Busy when that cannot be told at the moment: hosts are silent, and their silence is everybody's.
    """
    want = msgspec.structs.replace(want, forbidden=want.forbidden | {DISABLED})
    silent, unfit = frozenset[str](), frozenset[str]()
    while True:
        await tx.savepoint()
        out = want.excluded | silent | unfit
        chosen = await choosing.place(tx, consumer, msgspec.structs.replace(want, excluded=out))
        host = await tx.get(HOSTS, chosen) if chosen is not None else None
        if chosen is None or (host is not None and host.enabled and is_up(host)):
            if chosen is not None and settle is not None and not await settle(chosen):
                await tx.undo()
                unfit |= {chosen}
                continue
            await tx.keep()
            if host is None and silent and await pulse.spared(tx):
                raise _none_heard()
            return host
        await tx.undo()
        if host is not None and host.silent and await pulse.shared(tx):
            raise _none_heard()
        silent |= {chosen}


def _none_heard() -> Busy:
    return Busy("hosts.silent", "No host has given a sign of life for a while, or only some of them have; try again.")


async def switch(tx: Tx, host: Host, *, enabled: bool, reason: str | None) -> Host:
    """Whether new servers may be placed on it."""
    host = await tx.update(
        HOSTS, host, enabled=enabled, disabled_reason=None if enabled else reason, updated_at=tx.clock.now()
    )
    await _ensure_traits(tx, host, await host_hardware.of(tx, host.id))
    return host


async def force_down(tx: Tx, host: Host, *, down: bool) -> Host:
    """An operator says that it is dead, whatever its agent says."""
    return await tx.update(HOSTS, host, forced_down=down, updated_at=tx.clock.now())


async def forget(tx: Tx, host: Host) -> None:
    """A host that is gone for good. Conflict while something is on it."""
    await approvals.forget(tx, host.name)
    await tx.delete(HOSTS, host)
    await claims.hold(tx, host.id)
    busy = await tx.row("SELECT 1 FROM servers WHERE host_id = ? AND deleted_at IS NULL LIMIT 1", host.id)
    if busy is None:
        busy = await tx.row("SELECT 1 FROM claims WHERE provider_id = ? LIMIT 1", host.id)
    if busy is not None:
        raise Conflict(
            "host.in_use",
            "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.",
        )
    await supply.end(tx, host.id)
    await host_hardware.forget(tx, host.id)
    await tx.run("DELETE FROM host_cards WHERE host_id = ?", host.id)
