"""The rack: physical machines that Ironic knows are hosts of this cloud, each of which is one server at most.

Looked at again and again: a machine that was enrolled and inspected is offered without anybody's doing, one that its
operator took into maintenance or that could not be erased is not, and what one has is what inspection found.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from trivet.agent.engines import Engines
from trivet.domain.hosts import cards, hosts
from trivet.domain.hosts.cards import Card
from trivet.domain.hosts.hosts import Host
from trivet.domain.placement.standard_traits import STANDARD_TRAITS
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import NetworkDriver
from trivet.drivers.contracts.patience import patient
from trivet.drivers.contracts.switch import SWITCHES, SwitchDriver
from trivet.drivers.metal.cabling import Cabling, Vlans
from trivet.drivers.metal.images import ImagePlace
from trivet.drivers.metal.ironic import Ironic, OurIronic, Refused
from trivet.drivers.metal.machines import IronicMachine
from trivet.drivers.metal.nodes import SELLABLE, Node, boots_first, card_of, node_of
from trivet.drivers.metal.wires import Cables
from trivet.drivers.switches.open_vswitch import OpenVswitch
from trivet.hosting.hosts_here import Hosting
from trivet.hosting.metal_engine import wanted_by
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

_TYPE = "ironic"
_IMAGES = "images"
_WORD = 63
_SETTLE_S = 10.0
_logger = logging.getLogger(__name__)


class Rack:
    def __init__(
        self, parts: Parts, own_url: str, ironic: Ironic, switches: Mapping[str, SwitchDriver], images: ImagePlace
    ) -> None:
        settings = parts.settings
        self._parts = parts
        self._own_url = own_url
        self._ironic = ironic
        self._switches = switches
        vlans = Vlans(deploy=settings.metal_deploy_vlan, parking=settings.metal_parking_vlan)
        self._cabling = Cabling({name: patient(switch, SWITCHES) for name, switch in switches.items()}, vlans)
        self._images = images
        self._machines: dict[str, IronicMachine] = {}
        self._told: dict[str, object] = {}
        """Node -> what was last written of it."""
        self._found: dict[str, tuple[str | None, dict[str, Any]]] = {}
        """Node -> when it was inspected, and what was found."""
        self._nodes: dict[str, str] = {}
        """Host -> node: a machine that was enrolled anew is the host that it was."""
        self._there: set[str] | None = None
        """Names of those that there were when it was last looked."""
        self.engines: dict[str, Engines] = {}

    async def tend(self) -> None:
        """All machines, as they are now."""
        nodes = [node_of(said) for said in (await self._ironic.call("GET", "/v1/nodes?detail=True"))["nodes"]]
        ports: dict[str, list[Any]] = {}
        for port in (await self._ironic.call("GET", "/v1/ports?detail=True"))["ports"]:
            ports.setdefault(port["node_uuid"], []).append(port)
        for node in nodes:
            machine = self._machines.setdefault(
                node.uuid, IronicMachine(node.uuid, self._ironic, self._cabling, self._images)
            )
            machine.saw(node)
            await self._see(node, ports.get(node.uuid, []))
            await self._settle(node, machine)
        await self._images.forget({node.fetches for node in nodes if node.fetches})
        await self._withdraw({node.name or node.uuid for node in nodes}, {node.uuid for node in nodes})

    async def adopt(self) -> None:
        """Before the agent begins. An engine that is not there yet is no reason not to."""
        try:
            await self.tend()
        except DriverError as error:
            _logger.warning("It is not known yet which machines there are: %s", error.why)

    async def _withdraw(self, there: set[str], nodes: set[str]) -> None:
        """Nothing comes onto machines that Ironic does not know any more; their rows are the operator's to remove."""
        if there == self._there:
            return

        async def act(tx: Tx) -> None:
            for host in await hosts.of_type(tx, _TYPE):
                if host.name not in there:
                    await hosts.offer(tx, host, ())

        await transact(self._parts.store, act)
        for gone in self._told.keys() - nodes:
            del self._told[gone]
        self._there = there

    async def _settle(self, node: Node, machine: IronicMachine) -> None:
        """One whose switch does not answer keeps no other waiting for long."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                await machine.settle()
        except (DriverError, TimeoutError) as error:
            _logger.warning("The cards of machine %s are not known to be where they should be: %s", node.name, error)

    async def _see(self, node: Node, ports: list[Any]) -> None:
        found = await self._inspected(node)
        host, more, traits = self._host(node, found)
        if host is None:
            return
        name, first, last = self._parts.settings.fabric
        own = [
            Card(mac=card.mac, fabric=card.fabric or name, first_vlan=first, last_vlan=last)
            for card in map(card_of, sorted(ports, key=boots_first))
        ]
        facts = (host.kinds, host.vcpus, host.memory_mib, host.disk_gib, more, traits, own)
        if self._told.get(node.uuid) == facts:
            return
        known = await transact(self._parts.store, partial(self._write, host, more, traits, own))
        self._told[node.uuid] = facts
        if self._nodes.get(known.id) != node.uuid:
            self._nodes[known.id] = node.uuid
            self.engines[known.id] = Engines({"metal": self._machines[node.uuid]}, Cables())

    async def _write(
        self, host: Host, more: Mapping[str, int], traits: frozenset[str], own: list[Card], tx: Tx
    ) -> Host:
        known = await hosts.register(tx, host, {"VCPU": 1.0}, more)
        await hosts.show_traits(tx, known, traits)
        await cards.set_cards(tx, known.id, own)
        await hosts.look_after(tx, [known.id], self._own_url)
        return known

    async def _inspected(self, node: Node) -> dict[str, Any]:
        if node.inspection_finished_at is None:
            return {}
        at, found = self._found.get(node.uuid, (None, {}))
        if at != node.inspection_finished_at:
            try:
                found = (await self._ironic.call("GET", f"/v1/nodes/{node.uuid}/inventory"))["inventory"]
            except Refused as error:
                if error.status != 404:
                    raise
                found = {}
            self._found[node.uuid] = (node.inspection_finished_at, found)
        return found

    def _host(self, node: Node, found: dict[str, Any]) -> tuple[Host | None, dict[str, int], frozenset[str]]:
        """None: nobody knows yet what it has."""
        processor, disks = found.get("cpu") or {}, found.get("disks") or []
        vcpus = int(processor.get("count") or node.properties.get("cpus") or 0)
        memory = int((found.get("memory") or {}).get("physical_mb") or node.properties.get("memory_mb") or 0)
        disk = max((int(disk["size"]) >> 30 for disk in disks), default=int(node.properties.get("local_gb") or 0))
        if not vcpus or not memory or not disk:
            return None, {}, frozenset()
        now = self._parts.clock.now()
        sold = not node.maintenance and node.provision_state in SELLABLE
        host = Host(
            id=node.uuid,
            name=node.name or node.uuid,
            kinds=("metal",) if sold else (),
            vcpus=vcpus,
            memory_mib=memory,
            disk_gib=disk,
            hypervisor_type=_TYPE,
            created_at=now,
            updated_at=now,
            agent_seen_at=now,
        )
        return host, _more(node, processor, disks), _traits(node, processor)

    async def close(self) -> None:
        for switch in self._switches.values():
            await switch.close()


def rack(parts: Parts, own_url: str, network: NetworkDriver) -> Hosting | None:
    """None where the cloud has no engine for physical machines. `network` is others' duty."""
    settings = parts.settings
    if parts.metal is None or not settings.metal_vlans:
        return None
    switches = {name: OpenVswitch(address) for name, address in settings.switches.items()}
    engine = wanted_by(settings)
    images = ImagePlace(engine.files / _IMAGES, f"{engine.door_url}/{_IMAGES}")
    found = Rack(parts, own_url, OurIronic(parts.metal), switches, images)
    return Hosting(
        name="of the rack",
        engines=found.engines,
        network=network,
        metadata=False,
        tend=found.tend,
        adopt=found.adopt,
        closers=[found.close],
    )


def _more(node: Node, processor: dict[str, Any], disks: list[Any]) -> dict[str, int]:
    """What flavors may ask for by number."""
    amounts = {hosts.MACHINE: 1, "CUSTOM_DRIVES": len(disks)}
    amounts["CUSTOM_NVME_DRIVES"] = sum("nvme" in str(disk.get("name")) for disk in disks)
    amounts["CUSTOM_CPU_SOCKETS"] = int(processor.get("socket_count") or 0)
    if node.resource_class:
        amounts[f"CUSTOM_{_custom(node.resource_class)}"] = 1
    return {name: amount for name, amount in amounts.items() if amount}


def _traits(node: Node, processor: dict[str, Any]) -> frozenset[str]:
    flags = {f"HW_CPU_X86_{str(flag).upper()}" for flag in processor.get("flags") or ()}
    said = {trait for trait in node.traits if trait.startswith("CUSTOM_") or trait in STANDARD_TRAITS}
    return frozenset(flags & set(STANDARD_TRAITS)) | said


def _custom(text: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text.upper())[:_WORD]
