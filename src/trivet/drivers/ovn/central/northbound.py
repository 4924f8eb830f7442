"""The central half: makes OVN's northbound database equal to what is wanted, one transaction per noun.

Nothing is remembered between calls, so any number of processes may write, and each may die at any point.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import (
    AddressesSpec,
    GroupSpec,
    NetworkSpec,
    Noun,
    PortSpec,
    RouterSpec,
    chassis_of,
)
from trivet.drivers.ovn.central import groups, networks, ports, routers
from trivet.drivers.ovn.central.rows import RowChange, row_uuid
from trivet.drivers.ovn.engine import OvnEngine
from trivet.drivers.ovn.ovsdb import Json, Key, Ovsdb, Raced, mapping, pairs
from trivet.drivers.ovn.seats import Alone

_OURS = [["external_ids", "includes", pairs({"trivet": "1"})]]
_TABLES: dict[Noun, str] = {
    "network": "Logical_Switch",
    "port": "Logical_Switch_Port",
    "addresses": "Address_Set",
    "group": "Port_Group",
    "router": "Logical_Router",
}
_RECONNECT_S = 1.0
_ATTEMPTS = 20


class OvnNetwork:
    """NetworkDriver on OVN."""

    def __init__(self, engine: OvnEngine) -> None:
        self._chassis = engine.chassis
        self._alone = isinstance(engine.seat, Alone)
        self._db = Ovsdb(engine.database_socket, "OVN_Northbound")

    async def ensure_network(self, spec: NetworkSpec) -> None:
        await self._settle([_key("network", spec.id)], lambda there: networks.network_change(spec, there))

    async def ensure_port(self, spec: PortSpec) -> None:
        only = self._only_place(spec)
        await self._settle([_key("port", spec.id)], lambda there: ports.port_change(spec, there, only, self._chassis))

    def _only_place(self, spec: PortSpec) -> str | None:
        """Where alone the port may be bound: a host that was given up may run on with what is no longer its own."""
        return None if self._alone or spec.host is None or spec.outside else chassis_of(spec.host)

    async def ensure_addresses(self, spec: AddressesSpec) -> None:
        await self._settle([], lambda there: groups.addresses_change(spec))

    async def ensure_group(self, spec: GroupSpec) -> None:
        await self._settle([], lambda there: groups.group_change(spec))

    async def ensure_router(self, spec: RouterSpec) -> None:
        keys = [_key("router", spec.id), *routers.facts_keys(spec)]
        await self._settle(keys, lambda there: routers.router_change(spec, self._chassis, there))

    async def remove(self, noun: Noun, id: str) -> None:
        match noun:
            case "network":
                await self._settle([_key(noun, id)], lambda there: networks.network_removal(id, there))
            case "port":
                await self._settle([_key(noun, id)], lambda there: ports.port_removal(id, there))
            case "addresses":
                await self._settle([], lambda there: groups.addresses_removal(id))
            case "group":
                await self._settle([], lambda there: groups.group_removal(id))
            case "router":
                await self._settle([_key(noun, id)], lambda there: routers.router_removal(id, there))

    async def observe(self) -> dict[Noun, set[str]]:
        seen: dict[Noun, set[str]] = {}
        for noun, table in _TABLES.items():
            tagged = [["external_ids", "includes", pairs({"trivet": "1", "noun": noun})]]
            rows = await self._db.select(table, tagged, ["external_ids"])
            seen[noun] = {mapping(row["external_ids"])["id"] for row in rows}
        return seen

    async def ports_up(self) -> set[str]:
        rows = await self._db.select("Logical_Switch_Port", [*_OURS, ["up", "==", True]], ["external_ids"])
        return {port for row in rows if (port := _port_of(row)) is not None}

    async def watch(self) -> AsyncIterator[tuple[str, bool]]:
        while True:
            try:
                async for update in self._db.monitor("Logical_Switch_Port", ["up", "external_ids"]):
                    for change in update.values():
                        row = change.get("new") or change["old"]
                        port = _port_of(row)
                        if port is not None and "up" in change["old"]:
                            yield port, "new" in change and row["up"] is True
            except DriverError:
                pass  # the next round connects again; a watch is only a hint
            await asyncio.sleep(_RECONNECT_S)

    async def close(self) -> None:
        await self._db.close()

    async def _settle(self, keys: list[Key], wanted: Callable[[dict[Key, dict[str, Json]]], RowChange]) -> None:
        before = {key: ["external_ids"] for key in keys}
        for _ in range(_ATTEMPTS):
            change = _with_drop_group(wanted(await self._db.read(before)))
            operations = change.operations(await self._db.read(change.compared()))
            try:
                await self._db.transact(operations)
            except Raced:
                continue
            return
        raise DriverError("The network engine's database is written by others all the time.", again=True)


def _with_drop_group(change: RowChange) -> RowChange:
    """A port joins the group that drops; whoever writes the first port finds the group made."""
    if not any(member.uuid == groups.DROP_GROUP and member.present for member in change.members):
        return change
    drop = groups.drop_change()
    return RowChange(rows=(*drop.rows, *change.rows), members=change.members, gone=change.gone, also=change.also)


def _key(noun: Noun, id: str) -> Key:
    return _TABLES[noun], row_uuid(noun, id)


def _port_of(row: dict[str, Json]) -> str | None:
    tags = mapping(row["external_ids"]) if "external_ids" in row else {}
    return tags["id"] if tags.get("noun") == "port" else None
