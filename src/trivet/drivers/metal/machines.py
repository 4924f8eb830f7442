"""One physical machine, by Ironic.

`create` deploys: Ironic's ramdisk writes the image, and leaves the machine off, for the last step of Ironic's own,
which would boot it, is left out. `start` puts its cards into the tenant's networks, reads that back from the switch,
and only then gives it power. `remove` has Ironic erase it, with its cards in the deploy network, and parks it.

Nothing is remembered here. Each verb looks where the machine is in Ironic's own order of states and goes on from
there, so whoever dies in between is followed by somebody who does the rest.
"""

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.machine import MachineSpec, Nic, Seen
from trivet.drivers.metal.cabling import Cabling
from trivet.drivers.metal.images import ImagePlace, Served
from trivet.drivers.metal.ironic import Ironic
from trivet.drivers.metal.nodes import (
    BOOTS_RAMDISK,
    CLEANING,
    DEPLOYING,
    KEPT,
    UNDER_WAY,
    Card,
    Kept,
    Node,
    Plugged,
    boots_first,
    card_of,
    marks_of,
    node_of,
    power_of,
)

_LOOK_EVERY_S = 1.0
_DEPLOY_S = 3000.0
_CLEAN_S = 500.0
_POWER_S = 120.0
_REMAINS_OFF = {"interface": "deploy", "step": "boot_instance", "priority": 0, "args": {}}


class IronicMachine:
    """MachineDriver of the one machine that is a host."""

    def __init__(self, node_id: str, ironic: Ironic, cabling: Cabling, images: ImagePlace) -> None:
        self._id = node_id
        self._ironic = ironic
        self._cabling = cabling
        self._images = images
        self._turn = asyncio.Lock()
        """Whoever moves its cables."""
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._last: tuple[str, str | None] | None = None

    # -- looking

    async def observe(self, only: str | None = None) -> dict[str, Seen]:
        node = await self._node()
        kept = node.kept
        if kept is None or only not in (None, kept.server):
            return {}
        return {kept.server: Seen(id=kept.server, power=power_of(node), marks=marks_of(node, kept))}

    async def console_log(self, id: str, limit_bytes: int) -> bytes:
        raise DriverError("The console of a physical machine is not recorded yet.", again=False)

    async def watch(self) -> AsyncIterator[str]:
        while True:
            yield await self._news.get()

    def saw(self, node: Node) -> None:
        """Somebody who looks at all machines at once has seen this one."""
        now = (node.provision_state, node.power_state)
        kept = node.kept
        if self._last not in (None, now) and kept is not None and node.target_power_state is None:
            self._news.put_nowait(kept.server)
        self._last = now

    async def settle(self) -> None:
        """Its cards are where they should be, whoever moved them, unless somebody is at it. One that no server has is
        in the deploy network while its operator has it inspected or erased, and parked otherwise."""
        if self._turn.locked():
            return
        async with self._turn:
            node = await self._node()
            cards = await self._cards()
            if node.kept is None and node.provision_state in BOOTS_RAMDISK:
                await self._cabling.deploy(cards)
            elif node.kept is None:
                await self._cabling.park(cards)
            elif node.provision_state == "active" and node.is_on:
                await self._cabling.put(cards, {card.mac: card.vlan for card in node.kept.cards.values()})

    # -- making and removing

    async def create(self, spec: MachineSpec) -> None:
        async with self._turn:
            await self._create(spec)

    async def _create(self, spec: MachineSpec) -> None:
        if spec.disk is None or spec.volumes or spec.empty:
            raise DriverError(
                "A physical machine boots from an image and has its own disks, and no others.", again=False
            )
        builds = spec.marks.get("builds", "")
        node = await self._node()
        if node.kept is not None and node.kept.server != spec.id:
            raise DriverError("The machine has another server.", again=False)
        if node.kept is not None and node.kept.builds != builds:
            node = await self._emptied(node)
        if node.provision_state == "available":
            await self._deploy(node, spec, builds)
        elif node.provision_state not in DEPLOYING | {"active"}:
            raise DriverError(_unfit(node), again=node.provision_state in CLEANING)
        node = await self._once_settled(_DEPLOY_S)
        if node.provision_state != "active":
            raise DriverError(f"The machine could not be deployed: {node.last_error or node.step}", again=False)
        await self._cabling.park(await self._cards())
        kept = _need(node, spec.id)
        await self._keep(msgspec.structs.replace(kept, marks=spec.marks, coming={}))

    async def _deploy(self, node: Node, spec: MachineSpec, builds: str) -> None:
        assert spec.disk is not None
        if node.maintenance:
            raise DriverError(_unfit(node), again=False)
        cards = await self._cards()
        plugged = {nic.port_id: _plugged(nic, cards) for nic in spec.nics}
        async with self._images.serving(spec.disk) as served:
            await self._cabling.deploy(cards)
            await self._order(spec, served, Kept(server=spec.id, hostname=spec.hostname, builds=builds, cards=plugged))

    async def _order(self, spec: MachineSpec, served: Served, kept: Kept) -> None:
        info = {"image_source": served.url, "image_checksum": served.sha256, "image_disk_format": served.format}
        await self._patch(
            [
                {"op": "add", "path": "/instance_info", "value": info | {"image_type": "whole-disk"}},
                {"op": "add", "path": "/instance_uuid", "value": spec.id},
                _keeping(kept),
            ]
        )
        order: dict[str, Any] = {"target": "active", "deploy_steps": [_REMAINS_OFF]}
        if spec.config_drive is not None:
            order["configdrive"] = base64.b64encode(gzip.compress(spec.config_drive, mtime=0)).decode()
        await self._ironic.call("PUT", f"/v1/nodes/{self._id}/states/provision", order)

    async def remove(self, id: str) -> None:
        async with self._turn:
            await self._remove(id)

    async def _remove(self, id: str) -> None:
        node = await self._node()
        if node.kept is None or node.kept.server != id:
            return
        await self._emptied(node)
        await self._patch([{"op": "remove", "path": f"/extra/{KEPT}"}])

    async def _emptied(self, node: Node) -> Node:
        """Whatever it has been through, nothing of its server is left on it; or it is parked, and its operator knows
        why."""
        cards = await self._cards()
        if node.provision_state in DEPLOYING:
            node = await self._interrupted(node)
        if node.provision_state not in CLEANING | {"available", "manageable", "clean failed"}:
            await self._off()
            await self._cabling.deploy(cards)
            await self._ironic.call("PUT", f"/v1/nodes/{self._id}/states/provision", {"target": "deleted"})
        node = await self._once_settled(_CLEAN_S)
        if node.provision_state not in ("available", "manageable", "clean failed"):
            raise DriverError(f"The machine could not be erased yet: {node.last_error or node.step}", again=True)
        await self._off()
        await self._cabling.park(cards)
        return node

    async def _interrupted(self, node: Node) -> Node:
        """Ironic can be interrupted only while it waits for the ramdisk."""
        while node.provision_state == "deploying":
            await asyncio.sleep(_LOOK_EVERY_S)
            node = await self._node()
        return node

    # -- power

    async def start(self, id: str, marks: dict[str, str]) -> None:
        async with self._turn:
            await self._start(id, marks)

    async def _start(self, id: str, marks: dict[str, str]) -> None:
        node = await self._node()
        kept = _need(node, id)
        if node.provision_state != "active":
            raise DriverError(_unfit(node), again=node.provision_state in UNDER_WAY)
        await self._cabling.put(await self._cards(), {card.mac: card.vlan for card in kept.cards.values()})
        if node.is_on and marks_of(node, kept) == marks_of(node, msgspec.structs.replace(kept, marks=marks, coming={})):
            return
        await self._keep(msgspec.structs.replace(kept, coming=marks))
        await self._power("power on", "power on")
        await self._keep(msgspec.structs.replace(kept, marks=marks, coming={}))

    async def stop(self, id: str, grace_s: float) -> bool:
        node = await self._node()
        _need(node, id)
        if not node.is_on:
            return True
        if grace_s >= 1:
            node = await self._power("soft power off", None, grace_s)
            if not node.is_on:
                return True
        await self._off()
        return False

    async def _off(self) -> None:
        if (await self._node()).is_on:
            await self._power("power off", "power off")

    async def _power(self, target: str, wanted: str | None, grace_s: float = 0.0) -> Node:
        order: dict[str, Any] = {"target": target}
        if grace_s:
            order["timeout"] = int(grace_s)
        await self._ironic.call("PUT", f"/v1/nodes/{self._id}/states/power", order)
        end = asyncio.get_running_loop().time() + _POWER_S + grace_s
        while True:
            node = await self._node()
            # What was asked is begun a moment later, but the machine is held from the asking on.
            done = node.reservation is None and node.target_power_state is None
            if done and wanted in (None, node.power_state):
                return node
            if asyncio.get_running_loop().time() > end or (done and node.last_error):
                raise DriverError(f"The machine did not take: {target}. {node.last_error or ''}".strip(), again=True)
            await asyncio.sleep(_LOOK_EVERY_S)

    # -- what some machines can do besides

    async def attach_nic(self, id: str, nic: Nic) -> None:
        async with self._turn:
            await self._attach_nic(id, nic)

    async def _attach_nic(self, id: str, nic: Nic) -> None:
        kept = _need(await self._node(), id)
        cards = await self._cards()
        kept = msgspec.structs.replace(kept, cards=kept.cards | {nic.port_id: _plugged(nic, cards)})
        await self._keep(kept)
        await self._cabling.put(cards, {card.mac: card.vlan for card in kept.cards.values()})

    async def detach_nic(self, id: str, port_id: str) -> None:
        async with self._turn:
            await self._detach_nic(id, port_id)

    async def _detach_nic(self, id: str, port_id: str) -> None:
        kept = _need(await self._node(), id)
        left = {port: card for port, card in kept.cards.items() if port != port_id}
        await self._cabling.put(await self._cards(), {card.mac: card.vlan for card in left.values()})
        await self._keep(msgspec.structs.replace(kept, cards=left))

    async def inject_nmi(self, id: str, marks: dict[str, str]) -> None:
        kept = _need(await self._node(), id)
        await self._ironic.call("PUT", f"/v1/nodes/{self._id}/management/inject_nmi", {})
        await self._keep(msgspec.structs.replace(kept, marks=kept.marks | marks))

    # -- Ironic

    async def _node(self) -> Node:
        return node_of(await self._ironic.call("GET", f"/v1/nodes/{self._id}"))

    async def _cards(self) -> list[Card]:
        """In the order in which they were made known."""
        found = await self._ironic.call("GET", f"/v1/ports?node={self._id}&detail=True")
        ports = sorted(found["ports"], key=boots_first)
        return [card_of(port) for port in ports]

    async def _once_settled(self, within_s: float) -> Node:
        """Whoever is still at work on it has not yet said why it failed."""
        end = asyncio.get_running_loop().time() + within_s
        while (node := await self._node()).provision_state in UNDER_WAY or node.reservation is not None:
            if asyncio.get_running_loop().time() > end:
                raise DriverError(f"The machine is still busy: {node.step}.", again=True)
            await asyncio.sleep(_LOOK_EVERY_S)
        return node

    async def _keep(self, kept: Kept) -> None:
        await self._patch([_keeping(kept)])

    async def _patch(self, changes: list[dict[str, Any]]) -> None:
        await self._ironic.call("PATCH", f"/v1/nodes/{self._id}", changes)


def _keeping(kept: Kept) -> dict[str, Any]:
    return {"op": "add", "path": f"/extra/{KEPT}", "value": msgspec.to_builtins(kept)}


def _need(node: Node, id: str) -> Kept:
    kept = node.kept
    if kept is None or kept.server != id:
        raise DriverError("The machine has no such server.", again=False)
    return kept


def _plugged(nic: Nic, cards: list[Card]) -> Plugged:
    if nic.mac.lower() not in {card.mac for card in cards}:
        raise DriverError(f"The machine has only {len(cards)} network cards, one for each port.", again=False)
    if not nic.vlan:
        raise DriverError("The port's network has no VLAN where the machine is.", again=True)
    return Plugged(nic.mac.lower(), nic.vlan)


def _unfit(node: Node) -> str:
    reason = node.maintenance_reason if node.maintenance else node.last_error
    state = "in maintenance" if node.maintenance else node.provision_state
    return f"The machine cannot be used: it is {state}{f' ({reason})' if reason else ''}."
