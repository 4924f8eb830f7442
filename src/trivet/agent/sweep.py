"""The sweep: everything on the hosts compared with everything on record.

It looks at the hosts first and at the records second: what stood on a host before the records were read, and is in
no record, is a stray and goes. Of what does not answer nothing is concluded.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping

from trivet.agent.engines import Engines
from trivet.agent.link import Link
from trivet.agent.metadata import MetadataService
from trivet.agent.server_orders import ServerOrders
from trivet.agent.trouble import hangs, is_bug, went_well
from trivet.agent.volumes import plugged
from trivet.domain.servers.orders import Order
from trivet.domain.servers.words import Kind
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.machine import Seen
from trivet.errors import TrivetError

Place = tuple[str, str]
"""(host, server or port)"""
_logger = logging.getLogger(__name__)


class Sweep:
    def __init__(
        self, hosts: dict[str, Engines], link: Link, orders: ServerOrders, metadata: MetadataService | None
    ) -> None:
        self._hosts = hosts
        self._link = link
        self._orders_due = orders
        self._metadata = metadata

    async def once(self) -> None:
        seen, silent = await self._look_around()
        plugs = await self._plugs()
        unclear: dict[str, str | None]
        try:
            told = await foreseen("orders of all servers", self._link.orders(self._hosts), TrivetError)
            found, unclear, whole = told.orders, {**told.unclear}, True
        except (TrivetError, DriverError) as error:
            if not is_bug(error):
                raise
            whole = False
            found, unclear = await self._orders_due.orders_of({id for _, id in seen})
        orders = {(order.host_id, order.server_id): order for order in found}
        self._hint_at_what_differs(orders, seen, silent)
        await self._serve_everybody(orders.values())
        for (host_id, id), (kind, _) in seen.items():
            if (host_id, id) in orders or self._orders_due.busy(id) or id in unclear or (host_id, kind) in silent:
                continue
            _logger.info("Removing stray machine %s from host %s", id, host_id)
            if await hangs(f"Stray machine {id}", self._hosts[host_id].machines[kind].remove(id)):
                silent.add((host_id, kind))
        if whole:
            # What is plugged in for one of which nothing is known cannot be told from a stray.
            plugs -= {(host_id, port_id) for host_id, port_id in plugs if host_id in unclear.values()}
            await self._unplug_strays(plugs, list(orders.values()))
        if whole and not unclear:
            await self._leave_networks(orders.values())

    async def _serve_everybody(self, orders: Collection[Order]) -> None:
        """Serves metadata to every server that is there, as far as the network's engine answers."""
        hanging: set[str] = set()
        for order in orders:
            if order.want == "gone" or order.host_id in hanging:
                continue
            if await hangs(f"Metadata of server {order.server_id}", self._orders_due.serve_metadata(order)):
                hanging.add(order.host_id)

    async def _look_around(self) -> tuple[dict[Place, tuple[Kind, Seen]], set[tuple[str, Kind]]]:
        """(what is on the hosts, engines that do not say)."""
        seen: dict[Place, tuple[Kind, Seen]] = {}
        silent: set[tuple[str, Kind]] = set()
        kinds = {kind: None for engines in self._hosts.values() for kind in engines.machines}
        for kind, found in zip(kinds, await asyncio.gather(*map(self._look_for, kinds)), strict=True):
            for host_id, there in found.items():
                if there is None:
                    silent.add((host_id, kind))
                else:
                    seen |= {(host_id, id): (kind, machine) for id, machine in there.items()}
        return seen, silent

    async def _look_for(self, kind: Kind) -> dict[str, dict[str, Seen] | None]:
        """What each host's engine has, by host; None where the engine does not answer."""
        found: dict[str, dict[str, Seen] | None] = {}
        for host_id, engines in list(self._hosts.items()):
            if kind in engines.machines:
                try:
                    found[host_id] = await foreseen(f"looking for every {kind}", engines.machines[kind].observe())
                except DriverError as error:
                    _logger.warning("It cannot be seen which %ss are here: %s", kind, error.why)
                    found[host_id] = None
        return found

    async def _plugs(self) -> set[Place]:
        found: set[Place] = set()
        for host_id, engines in list(self._hosts.items()):
            try:
                ports = await foreseen("looking for plugs", engines.wires.plugged())
            except DriverError as error:
                _logger.warning("It cannot be seen what is plugged in here: %s", error.why)
                continue
            found |= {(host_id, port_id) for port_id in ports}
        return found

    def _hint_at_what_differs(
        self,
        orders: Mapping[Place, Order],
        seen: Mapping[Place, tuple[Kind, Seen]],
        silent: Collection[tuple[str, Kind]],
    ) -> None:
        for place, order in orders.items():
            unknown = order.settled and (order.host_id, order.kind) in silent
            # What failed has its own pause.
            if not unknown and not _holds(order, seen.get(place)) and not self._orders_due.pausing(order.server_id):
                self._orders_due.hint({order.server_id: 0})

    async def _unplug_strays(self, plugs: set[Place], orders: Collection[Order]) -> None:
        wires = {(order.host_id, wire.port_id) for order in orders for wire in order.wires}
        hanging: set[str] = set()
        for host_id, port_id in sorted(plugs - wires):
            if host_id in hanging:
                continue
            _logger.info("Unplugging stray wire %s from host %s", port_id, host_id)
            if await hangs(f"Stray wire {port_id}", self._hosts[host_id].wires.unplug(port_id)):
                hanging.add(host_id)

    async def _leave_networks(self, orders: Collection[Order]) -> None:
        """Nobody asks for metadata where no server is any more."""
        wanted = {wire.network_id for order in orders for wire in order.wires}
        if self._metadata is not None:
            for network_id in self._metadata.networks - wanted:
                for engines in self._hosts.values():
                    leaving = self._metadata.leave(network_id, engines.wires)
                    await went_well(f"Metadata on network {network_id}", leaving)


def _holds(order: Order, found: tuple[Kind, Seen] | None) -> bool:
    """Whether a settled order is still true on the host.

    What crashed may be plainly stopped by now, by a call that its engine carried out late: that is worth a report.
    """
    if not order.settled or order.volumes_moving or order.crashed or found is None:
        return False
    machine = found[1]
    if order.keeps:
        return machine.power == "stopped"
    if machine.marks.get("rescue", "") != order.rescue_mark:
        return False
    if plugged(machine) != {volume.id: volume.size_gib for volume in order.volumes}:
        return False
    return machine.power == order.want and machine.marks.get("boots") == str(order.boots)
