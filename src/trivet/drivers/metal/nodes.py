"""Nodes: what Ironic says of a machine, and what we keep with it.

Ironic's `extra` of a node holds what a driver of machines calls marks, under a word of ours: which server has the
machine, and which boot and build of it. So whoever comes after a crash finds it with the machine itself.
"""

from typing import Any

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import Power

KEPT = "trivet"
UNDER_WAY = frozenset(
    ("deploying", "wait call-back", "deploy hold", "deleting", "cleaning", "clean wait", "clean hold", "unprovisioning")
)
"""Ironic is at work on it, and goes on by itself."""
CLEANING = frozenset(("deleting", "cleaning", "clean wait", "clean hold", "unprovisioning"))
DEPLOYING = frozenset(("deploying", "wait call-back", "deploy hold"))
BOOTS_RAMDISK = UNDER_WAY | {"inspecting", "inspect wait"}
SELLABLE = frozenset(("available", "active")) | UNDER_WAY
"""A machine in another state is its operator's business."""


class Card(msgspec.Struct, frozen=True):
    """A network card, and the switch's port that its cable ends in."""

    mac: str
    switch: str
    port: str
    fabric: str = ""


class Plugged(msgspec.Struct, frozen=True):
    mac: str
    vlan: int


class Kept(msgspec.Struct, frozen=True):
    """What is kept with a machine that a server has."""

    server: str
    hostname: str = ""
    builds: str = ""
    """Which build is on its way, or there."""
    marks: dict[str, str] = {}
    coming: dict[str, str] = {}
    """The marks that count as soon as it has power."""
    cards: dict[str, Plugged] = {}
    """By port of the cloud."""


class Node(msgspec.Struct, frozen=True):
    """The part of it that we read."""

    uuid: str
    provision_state: str
    name: str | None = None
    power_state: str | None = None
    target_power_state: str | None = None
    reservation: str | None = None
    """Who in Ironic is at work on it."""
    last_error: str | None = None
    fault: str | None = None
    maintenance: bool = False
    maintenance_reason: str | None = None
    resource_class: str | None = None
    instance_uuid: str | None = None
    extra: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    instance_info: dict[str, Any] = {}
    traits: list[str] = []
    deploy_step: dict[str, Any] | None = None
    clean_step: dict[str, Any] | None = None
    inspection_finished_at: str | None = None

    @property
    def kept(self) -> Kept | None:
        """None: no server has it, or what is kept is not ours."""
        try:
            return msgspec.convert(self.extra[KEPT], Kept)
        except (KeyError, msgspec.ValidationError):
            return None

    @property
    def fetches(self) -> str | None:
        """The URL of the image that is being put onto it."""
        return str(self.instance_info.get("image_source")) if self.provision_state in DEPLOYING else None

    @property
    def step(self) -> str:
        """What Ironic does at the moment, in its own words."""
        step = (self.deploy_step or self.clean_step or {}).get("step")
        return f"{self.provision_state} ({step})" if step else self.provision_state

    @property
    def is_on(self) -> bool:
        return self.power_state == "power on"


def node_of(said: Any) -> Node:
    return msgspec.convert(said, Node)


def card_of(said: Any) -> Card:
    link = said.get("local_link_connection") or {}
    return Card(
        mac=str(said["address"]).lower(),
        switch=str(link.get("switch_info") or link.get("switch_id") or ""),
        port=str(link.get("port_id") or ""),
        fabric=str(said.get("physical_network") or ""),
    )


def boots_first(port: dict[str, Any]) -> tuple[bool, str, str]:
    """Those that boot come first, as they were made known."""
    return not port.get("pxe_enabled", True), str(port.get("created_at") or ""), str(port["address"])


def power_of(node: Node) -> Power:
    """Of a machine that a server has."""
    if node.provision_state != "active":
        return "stopped"
    if node.power_state is None or node.fault == "power failure":
        raise DriverError("The machine's management controller does not answer.", again=True)
    return "running" if node.is_on else "stopped"


def marks_of(node: Node, kept: Kept) -> dict[str, str]:
    """Of a machine that is being deployed or cleaned none count: it is made anew, or goes."""
    if node.provision_state != "active":
        return {}
    marks = kept.coming if kept.coming and node.is_on else kept.marks
    return marks | {"nics": ",".join(kept.cards)}
