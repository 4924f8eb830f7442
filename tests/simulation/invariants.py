"""What must hold when the dust has settled, whatever happened before. Each returns what is wrong, in sentences."""

from typing import Any

from tests.simulation.world import PROJECT, World
from trivet.controllers.network import rows as network_rows
from trivet.domain.network.ports.ports import PORTS
from trivet.domain.servers.orders import rescue_mark
from trivet.domain.servers.servers import SERVERS
from trivet.store.tx import Tx
from trivet.store.where import Where


async def check(world: World) -> list[str]:
    async with world.plain.read() as tx:
        found = [*world.wrong]
        for invariant in (_capacity, _claims_have_owners, _quota, _settled, _migrations, _log_is_whole, _ports):
            found += await invariant(tx)
        found += await _hosts_equal_rows(tx, world)
        found += await _network_equals_rows(tx, world)
        found += await _wires(tx, world)
    return found


async def _capacity(tx: Tx) -> list[str]:
    """Nothing was sold twice, and what counts as used is what is claimed."""
    rows = await tx.rows(
        "SELECT i.provider_id, i.class, i.capacity, i.used, i.free, COALESCE(SUM(c.used), 0) FROM inventories i"
        " LEFT JOIN claims c ON c.provider_id = i.provider_id AND c.class = i.class"
        " GROUP BY i.provider_id, i.class, i.capacity, i.used, i.free"
    )
    return [
        f"{provider} {name}: capacity {capacity}, used {used}, free {free}, claimed {claimed}"
        for provider, name, capacity, used, free, claimed in rows
        if used > capacity or used != claimed or free != capacity - used
    ]


async def _claims_have_owners(tx: Tx) -> list[str]:
    rows = await tx.rows(
        "SELECT c.consumer_id, c.provider_id FROM claims c LEFT JOIN servers s"
        " ON s.id = c.consumer_id AND s.deleted_at IS NULL AND s.host_id = c.provider_id WHERE s.id IS NULL"
    )
    moving = {
        (server.move.id, server.other_host_id)
        for server in await tx.select(SERVERS, Where().add("deleted_at IS NULL"))
        if server.move is not None
    }
    rows = [(consumer, provider) for consumer, provider in rows if (consumer, provider) not in moving]
    wrong = [f"claim of {consumer} on {provider} has no server there" for consumer, provider in rows]
    rows = await tx.rows(
        "SELECT s.id FROM servers s WHERE s.deleted_at IS NULL AND s.host_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.consumer_id = s.id)"
    )
    return wrong + [f"server {row[0]} is on a host without a claim" for row in rows]


async def _quota(tx: Tx) -> list[str]:
    row = await tx.row("SELECT COUNT(*) FROM servers WHERE deleted_at IS NULL AND host_id IS NOT NULL")
    used = await tx.row("SELECT used FROM quota_usages WHERE scope_id = ? AND resource = 'servers'", PROJECT)
    there, counted = int(row[0]) if row else 0, int(used[0]) if used else 0
    return [] if there == counted else [f"quota counts {counted} servers, there are {there}"]


async def _settled(tx: Tx) -> list[str]:
    busy = await tx.select(SERVERS, Where().add("deleted_at IS NULL AND task IS NOT NULL"))
    wrong = [f"server {server.id} is still {server.task} ({server.status})" for server in busy]
    there = await tx.select(SERVERS, Where().add("deleted_at IS NULL AND want = 'gone'"))
    return wrong + [f"server {server.id} was deleted, and is still there ({server.status})" for server in there]


async def _migrations(tx: Tx) -> list[str]:
    """One that has not ended is what a server waits in."""
    rows = await tx.rows(
        "SELECT m.server_id, m.status FROM server_migrations m LEFT JOIN servers s ON s.id = m.server_id"
        " AND s.deleted_at IS NULL AND s.old_flavor IS NOT NULL"
        " WHERE m.status NOT IN ('confirmed', 'reverted', 'error', 'done') AND s.id IS NULL"
    )
    return [f"server {id} has a migration that is {status} for ever" for id, status in rows]


async def _log_is_whole(tx: Tx) -> list[str]:
    """Every revision of every server is in the log, in order."""
    wrong = []
    told: dict[str, list[int]] = {}
    for id, revision in await tx.rows("SELECT noun_id, revision FROM events WHERE noun = 'servers' ORDER BY seq"):
        # One that is on two hosts is told to both.
        if told.setdefault(id, [])[-1:] != [revision]:
            told[id].append(revision)
    for server in await tx.select(SERVERS):
        if told.get(server.id) != list(range(1, server.revision + 1)):
            wrong.append(
                f"the log tells revisions {told.get(server.id)} of server {server.id}, not 1..{server.revision}"
            )
    return wrong


async def _ports(tx: Tx) -> list[str]:
    rows = await tx.rows(
        "SELECT p.id FROM ports p LEFT JOIN servers s ON s.id = p.device_id AND s.deleted_at IS NULL"
        " WHERE p.device_owner LIKE 'compute:%' AND s.id IS NULL"
    )
    return [f"port {row[0]} belongs to a server that is gone" for row in rows]


async def _hosts_equal_rows(tx: Tx, world: World) -> list[str]:
    """On the hosts is what the rows say, no more and no less."""
    wanted = {
        (server.host_id or "", server.id): server
        for server in await tx.select(SERVERS, Where().add("deleted_at IS NULL AND host_id IS NOT NULL"))
    }
    there = {
        (host, id): seen for host, machines in world.machines.items() for id, seen in (await machines.observe()).items()
    }
    kept = {
        (server.other_host_id or "", server.id)
        for server in wanted.values()
        if server.move is not None and server.move.stage in ("moved", "returning")
    }
    strays = there.keys() - wanted.keys() - kept
    wrong = [f"machine {id} on {host} belongs to nobody" for host, id in strays]
    wrong += [f"{id} is not kept on {host}" for host, id in kept if (host, id) not in there]
    wrong += [f"{id} runs on {host}, where it is only kept" for host, id in kept & there.keys()
              if there[host, id].power != "stopped"]  # fmt: skip
    for place, server in wanted.items():
        if server.status == "error":
            continue
        seen = there.get(place)
        # One whose boot failed, and that was stopped then, is a boot behind until it is started again.
        off = seen is not None and seen.power in ("stopped", "crashed")
        behind = seen is not None and not off and seen.marks.get("boots") != str(server.boots)
        rescue = rescue_mark(server.rescue.number if server.rescue is not None else None)
        if seen is None or seen.power != server.power or behind or seen.marks.get("rescue", "") != rescue:
            wrong.append(
                f"server {server.id} is {server.status}/{server.power} boot {server.boots}, on its host: {seen}"
            )
    return wrong


async def _network_equals_rows(tx: Tx, world: World) -> list[str]:
    """The engine of the network holds what the rows say, as they say it."""
    wanted: dict[str, Any] = {
        "network": await network_rows.networks(tx, None),
        "addresses": await network_rows.addresses(tx, None),
        "group": await network_rows.groups(tx, None),
        "port": (await network_rows.ports(tx, None))[0],
        "router": await network_rows.routers(tx, None),
    }
    wrong = []
    for noun, specs in world.network.specs.items():
        wrong += [f"{noun} {id} belongs to nobody" for id in specs.keys() - wanted[noun].keys()]
        wrong += [f"{noun} {id} is not there" for id in wanted[noun].keys() - specs.keys()]
        both = specs.keys() & wanted[noun].keys()
        wrong += [f"{noun} {id} is {specs[id]}" for id in sorted(both) if specs[id] != wanted[noun][id]()]
    return wrong


async def _wires(tx: Tx, world: World) -> list[str]:
    """Every port of a server is plugged in on its host, and says whether it is up."""
    plugged = {port for wires in world.wires.values() for port in await wires.plugged()}
    up = await world.network.ports_up()
    found = {port.id: port for port in await tx.select(PORTS)}
    failed = {server.id for server in await tx.select(SERVERS, Where().add("status = 'error'"))}
    wrong = [f"wire of {id} belongs to nobody" for id in plugged - found.keys()]
    for id, port in found.items():
        if port.device_id in failed:
            continue
        if port.device_owner.startswith("compute:") != (id in plugged):
            wrong.append(f"port {id} of {port.device_id or 'nobody'} is {'' if id in plugged else 'not '}plugged in")
        if (port.status == "ACTIVE") != (id in up):
            wrong.append(f"port {id} says {port.status}, and the engine {'up' if id in up else 'down'}")
    return wrong
