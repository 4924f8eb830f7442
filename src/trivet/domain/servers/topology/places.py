"""Places: which parts of which host each server holds, and the search for a host that has them.

A row says it, written in the transaction that claims the host. The claim holds the host's provider until the commit,
so who reads what others have of that host reads what stays so, and no CPU, page or device is given twice. Before any
claim all candidates are looked at without holding them, so that a host that cannot bear it costs no more than a look.
"""

from collections.abc import Collection, Mapping

import msgspec

from trivet.domain.hosts import hardware as host_hardware
from trivet.domain.hosts import hosts
from trivet.domain.hosts.hosts import Host
from trivet.domain.placement import choosing, claims
from trivet.domain.placement.choosing import Want
from trivet.domain.placement.claims import Consumer
from trivet.domain.servers.servers import FlavorOf, Server
from trivet.domain.servers.topology import asks, fitting, guest_cpus
from trivet.domain.servers.topology.asks import Ask
from trivet.domain.servers.topology.fitting import Fitted, Ground, Taken
from trivet.drivers.contracts.hardware import SMALL_KIB, Hardware
from trivet.drivers.contracts.topology import Topology
from trivet.store.tx import Tx
from trivet.store.where import Where

EXCLUSIVE = frozenset((host_hardware.DEDICATED,))
"""Classes of which two sizes of one server do not share what they hold."""
_AT_ONCE = 64
"""Hosts that are looked at together."""


class Wanted(msgspec.Struct, frozen=True):
    """What one size of a server wants of its host's inside."""

    flavor: FlavorOf
    properties: Mapping[str, str]
    ask: Ask


def wanted(flavor: FlavorOf, properties: Mapping[str, str]) -> Wanted | None:
    ask = asks.of(flavor, properties)
    return Wanted(flavor, properties, ask) if ask is not None else None


def base(flavor: FlavorOf, properties: Mapping[str, str], resources: dict[str, int]) -> dict[str, int]:
    """What is claimed of any host, before it is known which CPUs and pages it will be."""
    ask = asks.of(flavor, properties)
    if ask is None:
        return resources
    changed = resources | {"VCPU": flavor.vcpus - ask.pinned, "PCPU": ask.pinned + ask.isolated_emulator}
    if ask.policy == "shared" and "VCPU" in resources:
        changed["VCPU"] = resources["VCPU"]
    if ask.chooses_pages:
        changed.pop("MEMORY_MB", None)
    return {name: amount for name, amount in changed.items() if amount > 0}


def more(ask: Ask, topology: Topology) -> dict[str, int]:
    """What is claimed besides, of the host that it is."""
    amounts: dict[str, int] = {}
    held = len(topology.pins) + len(topology.reserved) - ask.pinned - ask.isolated_emulator
    if held > 0:
        amounts[host_hardware.DEDICATED] = held
    if ask.chooses_pages:
        for node in topology.nodes:
            small = node.page_kib == SMALL_KIB
            name = "MEMORY_MB" if small else host_hardware.pages_class(node.page_kib)
            amounts[name] = amounts.get(name, 0) + node.memory_mib
    for device in ask.devices:
        name = host_hardware.function_class(device.alias)
        amounts[name] = amounts.get(name, 0) + device.count
    return amounts


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


async def besides(tx: Tx, server: Server, flavor: FlavorOf) -> dict[str, int]:
    """What the server holds in that size over what any host would give."""
    ask = asks.of(flavor, server.properties)
    held = (await of_servers(tx, (server.id,))).get((server.id, server.host_id or "", flavor.id))
    return more(ask, held) if ask is not None and held is not None else {}


async def place(tx: Tx, consumer: Consumer, want: Want, what: Wanted) -> Host | None:
    """A host with room whose inside bears it, claimed, with the parts that the server has there from now on."""
    excluded = want.excluded
    want = msgspec.structs.replace(want, required=want.required | required(what.ask))

    async def settle(host_id: str) -> bool:
        return await take(tx, consumer, host_id, what)

    while found := await choosing.look(tx, msgspec.structs.replace(want, excluded=excluded), limit=_AT_ONCE):
        bearing = await _bearing(tx, found, what)
        if bearing:
            near = msgspec.structs.replace(want, only=frozenset(bearing), excluded=frozenset())
            host = await hosts.place(tx, consumer, near, settle)
            if host is not None:
                return host
        excluded |= set(found)
    return None


async def is_borne(tx: Tx, want: Want, what: Wanted) -> bool:
    """Whether some host would bear it now. Nothing is claimed."""
    while found := await choosing.look(tx, want, limit=_AT_ONCE):
        if await _looked_at(tx, found, what):
            return True
        want = msgspec.structs.replace(want, excluded=want.excluded | set(found))
    return False


def required(ask: Ask) -> frozenset[str]:
    """Traits of a host that could bear it at all."""
    threads = {host_hardware.THREADS} if ask.pinned and ask.threads == "require" else set[str]()
    return frozenset({host_hardware.TELLS} | threads)


async def take(tx: Tx, consumer: Consumer, host_id: str, what: Wanted) -> bool:
    """The parts of a host on which the consumer holds a claim, so that nobody else takes any meanwhile."""
    found = (await _looked_at(tx, (host_id,), what)).get(host_id)
    if found is None:
        return False
    topology = _topology(what, found)
    besides = more(what.ask, topology)
    if besides and not await claims.take(tx, consumer, {host_id: besides}):
        return False
    await tx.run(
        "INSERT INTO server_topologies (server_id, host_id, name, topology) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (server_id, host_id, name) DO UPDATE SET topology = excluded.topology",
        consumer.id,
        host_id,
        topology.name,
        msgspec.json.encode(topology).decode(),
    )
    return True


async def leave(tx: Tx, server_id: str, *, but: tuple[str, str] | None = None) -> None:
    """Gives back what a server holds; all of it but the parts on a host of one name."""
    where = Where().equal("server_id", server_id)
    if but is not None:
        where.add("NOT (host_id = ? AND name = ?)", *but)
    await tx.run(f"DELETE FROM server_topologies{where.sql}", *where.values)


async def swap(tx: Tx, one: str, other: str) -> None:
    """What each of two holders has is the other's from now on; they hold parts of different hosts."""
    await tx.run(
        "UPDATE server_topologies SET server_id = CASE server_id WHEN ? THEN ? ELSE ? END WHERE server_id IN (?, ?)",
        one, other, one, one, other,
    )  # fmt: skip


async def of_servers(tx: Tx, server_ids: Collection[str]) -> dict[tuple[str, str, str], Topology]:
    """By server, host and name."""
    if not server_ids:
        return {}
    where = Where().any_of("server_id", sorted(server_ids))
    rows = await tx.rows(f"SELECT server_id, host_id, name, topology FROM server_topologies{where.sql}", *where.values)
    return {
        (str(id), str(host_id), str(name)): msgspec.json.decode(str(text), type=Topology)
        for id, host_id, name, text in rows
    }


async def _bearing(tx: Tx, host_ids: Collection[str], what: Wanted) -> list[str]:
    return list(await _looked_at(tx, host_ids, what))


async def _looked_at(tx: Tx, host_ids: Collection[str], what: Wanted) -> dict[str, Fitted]:
    """Host -> how it would bear it, of those that do."""
    known = await host_hardware.of_hosts(tx, host_ids)
    taken = await _taken(tx, known)
    ratios = await _ratios(tx, known)
    found = {}
    for id, hardware in known.items():
        fitted = fitting.fit(Ground(hardware, taken[id], ratios.get(id, 1.0)), what.ask)
        if fitted is not None:
            found[id] = fitted
    return found


async def _taken(tx: Tx, known: Mapping[str, Hardware]) -> dict[str, Taken]:
    found = {id: Taken() for id in known}
    if known:
        where = Where().any_of("host_id", sorted(known))
        for id, text in await tx.rows(f"SELECT host_id, topology FROM server_topologies{where.sql}", *where.values):
            found[str(id)].add(msgspec.json.decode(str(text), type=Topology))
    return found


async def _ratios(tx: Tx, known: Mapping[str, Hardware]) -> dict[str, float]:
    """How many CPUs of machines share one."""
    if not known:
        return {}
    where = Where().any_of("provider_id", sorted(known)).equal("class", "VCPU")
    rows = await tx.rows(f"SELECT provider_id, allocation_ratio FROM inventories{where.sql}", *where.values)
    return {str(id): float(ratio) for id, ratio in rows}


def _topology(what: Wanted, fitted: Fitted) -> Topology:
    shape = guest_cpus.shape_of(what.flavor, what.properties, fitted.threads) or guest_cpus.plain(what.flavor.vcpus)
    return Topology(
        name=what.flavor.id,
        sockets=shape.sockets,
        cores=shape.cores,
        threads=shape.threads,
        nodes=fitted.nodes,
        pins=fitted.pins,
        reserved=fitted.reserved,
        emulator=fitted.emulator,
        functions=fitted.functions,
    )
