"""Policy: what becomes of a server whose host has failed, as its owner wishes it.

    off       it stays where it is, and comes back with its host
    move      it goes elsewhere if nothing of it is lost by that: its disks are volumes, and they are not on that host
    rebuild   as move; and one whose disk was the host's is made anew from its image

Said by the server's metadata, or else by its flavor, or else by its image, or else by the cloud (the setting
recovery). `HA_Enabled`, as Masakari knows it, means rebuild or off.
"""

from collections.abc import Mapping
from typing import Literal

from trivet.domain.numbers import whole_number
from trivet.domain.servers.servers import Server

Wish = Literal["off", "move", "rebuild"]
WISHES: tuple[Wish, ...] = ("off", "move", "rebuild")
KEY, MASAKARI = "trivet:recovery", "HA_Enabled"
IMAGE_KEY = "trivet_recovery"
PRIORITY = "trivet:recovery_priority"
_MIDDLE = 50


def wish_of(server: Server, default: Wish) -> Wish:
    for said, key in (
        (server.metadata, KEY),
        (server.flavor.extra_specs, KEY),
        (server.properties, IMAGE_KEY),
    ):
        found = _wish(said, key)
        if found is not None:
            return found
    return default


def _wish(said: Mapping[str, str], key: str) -> Wish | None:
    word = said.get(key, "").strip().lower()
    if word in WISHES:
        return word
    masakari = said.get(MASAKARI)
    return None if masakari is None else "rebuild" if masakari.strip().lower() in ("true", "1", "yes") else "off"


def priority_of(server: Server) -> int:
    """Who comes back first: 0 before 100. What is no such number is in the middle."""
    word = server.metadata.get(PRIORITY) or server.flavor.extra_specs.get(PRIORITY) or ""
    number = whole_number(word)
    return number if number is not None and number <= 100 else _MIDDLE


def lost_with_host(server: Server) -> bool:
    """Whether a disk of it was its host's own."""
    return not server.boots_from_volume or bool(server.local_disks)
