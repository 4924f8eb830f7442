"""The integration bridge of this host's OVS: which links are plugged into it, and for which OVN port."""

import asyncio
from contextlib import suppress

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.ovn.central.rows import row_uuid
from trivet.drivers.ovn.ovsdb import Json, Ovsdb, mapping, pairs

_SETTLE_S = 10.0
_OURS = pairs({"trivet": "1"})


class Plug(msgspec.Struct, frozen=True):
    device: str
    port_id: str
    netns: str
    index: int
    """The kernel's index of the link when it was plugged in."""


class Switch:
    def __init__(self, socket: str, bridge: str) -> None:
        self._db = Ovsdb(socket, "Open_vSwitch")
        self._bridge = bridge

    async def plugs(self, port_id: str | None = None) -> list[Plug]:
        """All of ours, or those of one OVN port."""
        wanted = _OURS if port_id is None else pairs({"trivet": "1", "iface-id": port_id})
        rows = await self._db.select("Interface", [["external_ids", "includes", wanted]], ["name", "external_ids"])
        return [_plug(row) for row in rows]

    async def add(self, plug: Plug) -> None:
        """Returns when the switch has taken the link."""
        facts = {"trivet": "1", "iface-id": plug.port_id, "netns": plug.netns, "index": str(plug.index)}
        port, interface = row_uuid("switch-port", plug.device), row_uuid("interface", plug.device)
        await self._settle(
            [
                _insert("Interface", interface, {"name": plug.device, "external_ids": pairs(facts)}),
                _insert("Port", port, {"name": plug.device, "interfaces": ["uuid", interface]}),
                self._on_bridge("insert", port),
            ]
        )
        [row] = await self._db.select("Interface", [["name", "==", plug.device]], ["error"]) or [{"error": ""}]
        if isinstance(row["error"], str):
            raise DriverError(f"The switch refused a link: {row['error'] or 'it is gone again'}", again=True)

    async def remove(self, plug: Plug) -> None:
        """Returns when the switch has let go: a link of the same name may be added right after."""
        await self._settle([self._on_bridge("delete", row_uuid("switch-port", plug.device))])

    async def close(self) -> None:
        await self._db.close()

    async def _settle(self, operations: list[dict[str, Json]]) -> None:
        """Do it, and wait until the switch says that it has done everything up to here."""
        everything = {"op": "mutate", "table": "Open_vSwitch", "where": []}
        count = {**everything, "mutations": [["next_cfg", "+=", 1]]}
        read: dict[str, Json] = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}
        results = await self._db.transact([*operations, count, read])
        goal = results[-1]["rows"][0]["next_cfg"]
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                while (await self._db.select("Open_vSwitch", [], ["cur_cfg"]))[0]["cur_cfg"] < goal:
                    await asyncio.sleep(0.005)
                return
        raise DriverError("The switch of this host does not answer.", again=True)

    def _on_bridge(self, mutator: str, port: str) -> dict[str, Json]:
        mutations = [["ports", mutator, ["uuid", port]]]
        return {"op": "mutate", "table": "Bridge", "where": [["name", "==", self._bridge]], "mutations": mutations}


def _insert(table: str, uuid: str, row: dict[str, Json]) -> dict[str, Json]:
    return {"op": "insert", "table": table, "uuid": uuid, "row": row}


def _plug(row: dict[str, Json]) -> Plug:
    facts = mapping(row["external_ids"])
    return Plug(device=row["name"], port_id=facts["iface-id"], netns=facts["netns"], index=int(facts["index"]))
