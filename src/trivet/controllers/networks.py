"""The network controller: makes the engine equal to the rows, and the rows say what the engine sees.

Events only say where to look; what is applied is always the whole spec as the rows have it now. So events
may come twice, late, or be lost in a restart, after which `resync` applies everything and removes strays.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from trivet.controllers import network_rows
from trivet.domain import floating_ips, ports
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.network import NetworkDriver, Noun, RouterSpec
from trivet.errors import TrivetError
from trivet.store.log import Event
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_NOUNS: dict[str, Noun] = {
    "networks": "network",
    "ports": "port",
    "security_groups": "group",
    "routers": "router",
}
_ORDER: tuple[Noun, ...] = ("network", "group", "port", "router")
_AGAIN_S = 1.0
_SWEEP_S = 60.0
_BATCH_S = 0.01
_AT_ONCE = 400

_logger = logging.getLogger(__name__)


class NetworkController:
    def __init__(self, store: Store, driver: NetworkDriver) -> None:
        self._store = store
        self._driver = driver
        self._dirty: dict[Noun, set[str]] = {noun: set() for noun in _ORDER}
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()
        self._seen: dict[str, bool] = {}
        """Port id -> up, heard from the engine and not written yet."""
        self._flushing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._apply_dirty())
            group.create_task(self._listen())
            group.create_task(self._sweep())

    async def follow(self, event: Event) -> None:
        """Remember where to look; many events about one thing are one look."""
        noun = _NOUNS.get(event.noun)
        if noun is None or event.detail == "status":
            return
        self._dirty[noun].add(event.id)
        self._work.set()

    async def resync(self) -> None:
        """Everything, from nothing: at the start, and when too much was missed."""
        async with self._turn:
            async with self._store.read() as tx:
                networks = await network_rows.networks(tx, None)
                groups = await network_rows.groups(tx, None)
                plugs, _ = await network_rows.ports(tx, None)
                routers = await network_rows.routers(tx, None)
            driver = self._driver
            wanted: dict[Noun, set[str]] = {noun: set() for noun in _ORDER}
            for network in networks:
                wanted["network"].add(network.id)
                await self._try("network", network.id, driver.ensure_network(network))
            for group in groups:
                wanted["group"].add(group.id)
                await self._try("group", group.id, driver.ensure_group(group))
            for plug in plugs:
                wanted["port"].add(plug.id)
                await self._try("port", plug.id, driver.ensure_port(plug))
            done: list[RouterSpec] = []
            for router in routers:
                wanted["router"].add(router.id)
                if await self._try("router", router.id, driver.ensure_router(router)):
                    done.append(router)
            await self._remove_strays(wanted)
            await self._routers_are_up(done)
            await self._compare_ports(wanted["port"])

    # -- rows to engine

    async def _apply_dirty(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            async with self._turn:
                await self.apply()

    async def apply(self) -> None:
        """One pass over what is waiting."""
        dirty, self._dirty = self._dirty, {noun: set() for noun in _ORDER}
        if not any(dirty.values()):
            return
        async with self._store.read() as tx:
            plugs, via_ports = await network_rows.ports(tx, dirty["port"])
            dirty["router"] |= via_ports
            networks = await network_rows.networks(tx, dirty["network"])
            groups = await network_rows.groups(tx, dirty["group"])
            routers = await network_rows.routers(tx, dirty["router"])
        driver = self._driver
        for network in networks:
            await self._try("network", network.id, driver.ensure_network(network))
        for group in groups:
            await self._try("group", group.id, driver.ensure_group(group))
        for plug in plugs:
            await self._try("port", plug.id, driver.ensure_port(plug))
        done = [router for router in routers if await self._try("router", router.id, driver.ensure_router(router))]
        there: dict[Noun, set[str]] = {
            "network": {spec.id for spec in networks},
            "group": {spec.id for spec in groups},
            "port": {spec.id for spec in plugs},
            "router": {spec.id for spec in routers},
        }
        for noun in reversed(_ORDER):
            for id in sorted(dirty[noun] - there[noun]):
                await self._try(noun, id, driver.remove(noun, id))
        await self._routers_are_up(done)

    async def _try(self, noun: Noun, id: str, act: Awaitable[None]) -> bool:
        """What fails for now is tried again; what fails for good waits for its row to change."""
        try:
            await act
        except DriverError as error:
            _logger.warning("The network engine refuses %s %s: %s", noun, id, error.why)
            if error.again:
                asyncio.get_running_loop().call_later(_AGAIN_S, self._again, noun, id)
            return False
        return True

    def _again(self, noun: Noun, id: str) -> None:
        self._dirty[noun].add(id)
        self._work.set()

    async def _remove_strays(self, wanted: dict[Noun, set[str]]) -> None:
        seen = await self._driver.observe()
        for noun in reversed(_ORDER):
            for id in sorted(seen.get(noun, set()) - wanted[noun]):
                _logger.info("Removing stray %s %s", noun, id)
                await self._try(noun, id, self._driver.remove(noun, id))

    # -- engine to rows

    async def _routers_are_up(self, done: Sequence[RouterSpec]) -> None:
        """What the engine took is in force: its ports and floating IPs are active."""
        if not done:
            return
        up = [port.port_id for spec in done for port in spec.interfaces]
        up += [spec.gateway.port_id for spec in done if spec.gateway is not None]
        floating = [each.id for spec in done for each in spec.floating]

        async def act(tx: Tx) -> None:
            await ports.say_up(tx, up, [])
            await floating_ips.say_active(tx, floating)

        await transact(self._store, act)

    async def _listen(self) -> None:
        while True:
            try:
                async for port_id, up in self._driver.watch():
                    if not self._seen:
                        asyncio.get_running_loop().call_later(_BATCH_S, self._flush_soon)
                    self._seen[port_id] = up
            except DriverError as error:
                _logger.warning("The network engine stopped telling about ports: %s", error.why)
            await self._store.clock.sleep(_AGAIN_S)

    def _flush_soon(self) -> None:
        self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        """Many ports that come up together are one transaction."""
        seen, self._seen = self._seen, {}
        up = [id for id, is_up in seen.items() if is_up]
        down = [id for id, is_up in seen.items() if not is_up]
        try:
            await transact(self._store, lambda tx: ports.say_up(tx, up, down))
        except TrivetError as error:
            # The sweep will see it, too.
            _logger.warning("What the engine said of %s ports was not written: %s", len(seen), error.message)

    async def _sweep(self) -> None:
        """What a lost hint left wrong; soon after the start, since nobody listened before it."""
        wait_s = _AGAIN_S
        while True:
            await self._store.clock.sleep(wait_s)
            wait_s = _SWEEP_S
            async with self._turn:
                async with self._store.read() as tx:
                    plugs, _ = await network_rows.ports(tx, None)
                await self._compare_ports({plug.id for plug in plugs})

    async def _compare_ports(self, known: set[str]) -> None:
        try:
            up = await self._driver.ports_up()
        except DriverError as error:
            _logger.warning("The network engine does not say which ports are up: %s", error.why)
            return
        listed = sorted(known)
        for at in range(0, len(listed), _AT_ONCE):
            some = listed[at : at + _AT_ONCE]
            are_up = [id for id in some if id in up]
            are_down = [id for id in some if id not in up]
            async with self._store.read() as tx:
                if not await ports.differ(tx, are_up, are_down):
                    continue
            await transact(self._store, lambda tx, a=are_up, b=are_down: ports.say_up(tx, a, b))  # type: ignore[misc] # bound now
