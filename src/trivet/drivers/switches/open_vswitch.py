"""Open vSwitch as a physical switch, by its own database protocol (OVSDB)."""

from typing import Any

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.switch import Carries
from trivet.drivers.ovn.ovsdb import NOTHING, Ovsdb

_COLUMNS = ["name", "tag", "trunks", "vlan_mode"]


class OpenVswitch:
    """SwitchDriver by OVSDB. `address`: tcp:HOST:PORT, or unix:PATH of one on this machine."""

    def __init__(self, address: str) -> None:
        self._db = Ovsdb(address, "Open_vSwitch")

    async def ports(self) -> dict[str, Carries]:
        return {str(row["name"]): _carries(row) for row in await self._db.select("Port", [], _COLUMNS)}

    async def read(self, port: str) -> Carries:
        rows = await self._db.select("Port", [["name", "==", port]], _COLUMNS)
        if not rows:
            raise DriverError(f"The switch has no port {port}.", again=False)
        return _carries(rows[0])

    async def carry(self, port: str, carries: Carries) -> None:
        tagged: Any = ["set", list(carries.tagged)]
        mode = "access" if not carries.tagged else "trunk" if carries.vlan is None else "native-untagged"
        row = {"tag": NOTHING if carries.vlan is None else carries.vlan, "trunks": tagged, "vlan_mode": mode}
        if carries.vlan is None and not carries.tagged:
            # With neither tag nor list a port carries everything, so it is switched to carry one that nobody has.
            raise DriverError("A switch's port that carries nothing is put into the parking VLAN.", again=False)
        [found] = await self._db.transact(
            [{"op": "update", "table": "Port", "where": [["name", "==", port]], "row": row}]
        )
        if found["count"] != 1:
            raise DriverError(f"The switch has no port {port}.", again=False)

    async def close(self) -> None:
        await self._db.close()


def _carries(row: dict[str, Any]) -> Carries:
    tag = row["tag"]
    trunks = row["trunks"]
    tagged = trunks[1] if isinstance(trunks, list) else [trunks]
    return Carries(vlan=tag if isinstance(tag, int) else None, tagged=tuple(sorted(tagged)))
