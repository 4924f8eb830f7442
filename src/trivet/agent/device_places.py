"""Where a guest finds its tagged devices: the metadata names each, the machine's driver knows its bus and address."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from trivet.agent.engines import Engines
from trivet.domain.servers.words import AT
from trivet.drivers.contracts.machine import DevicePlace, MachineDriver, Placing

_NOWHERE = DevicePlace("none", "none")
_META = "/meta_data.json"
_HAS_DEVICES = b'"devices":[{'

Lookup = Callable[[str, str], Awaitable[dict[str, bytes] | None]]


def placed(files: dict[str, bytes], places: Mapping[str, DevicePlace]) -> dict[str, bytes]:
    return {path: _placed(text, places) if path.endswith(_META) else text for path, text in files.items()}


def of_hosts(lookup: Lookup, hosts: Mapping[str, Engines]) -> Lookup:
    """What the metadata service says, with the places of the machine of whoever asks."""

    async def found(network_id: str, ip: str) -> dict[str, bytes] | None:
        files = await lookup(network_id, ip)
        if files is None or not any(_HAS_DEVICES in text for path, text in files.items() if path.endswith(_META)):
            return files
        id = msgspec.json.decode(files["openstack/latest/meta_data.json"])["uuid"]
        drivers = (driver for engines in hosts.values() for driver in engines.machines.values())
        return placed(files, _of_one(drivers, id))

    return found


def _of_one(drivers: Iterable[MachineDriver], id: str) -> dict[str, DevicePlace]:
    for driver in drivers:
        if isinstance(driver, Placing) and (places := driver.places(id)):
            return places
    return {}


def _placed(text: bytes, places: Mapping[str, DevicePlace]) -> bytes:
    if _HAS_DEVICES not in text:
        return text
    document: dict[str, Any] = msgspec.json.decode(text)
    document["devices"] = [_one(device, places) for device in document["devices"]]
    return msgspec.json.encode(document)


def _one(device: dict[str, Any], places: Mapping[str, DevicePlace]) -> dict[str, Any]:
    place = places.get(device.get(AT, ""), _NOWHERE)
    told = {name: value for name, value in device.items() if name != AT} | {"bus": place.bus}
    return told | {"address": place.address} if place.address else told
