"""The network controller: makes the engine equal to the rows, and the rows say what the engine sees.

Events only say where to look; what is applied is always the whole spec as the rows have it now. So events
may come twice, late, or be lost in a restart, after which everything is applied. The sweep looks at the
engine first and at the rows second: what stood there before the rows were read, and is in none, is a stray.

What it says of the rows counts only while the lease is its own: each of its transactions is fenced, and one that
comes too late ends the controller.
"""

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from trivet.clock import pause_s
from trivet.controllers.network import rows as network_rows
from trivet.domain.network.ports import ports
from trivet.domain.network.routers import floating_ips
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import Unforeseen, foreseen
from trivet.drivers.contracts.network import NetworkDriver, Noun, RouterSpec
from trivet.errors import Busy
from trivet.store.leases import Lease, Lost, fence
from trivet.store.log import Event
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_NOUNS: dict[str, Noun] = {
    "networks": "network",
    "ports": "port",
    "address_groups": "addresses",
    "security_groups": "group",
    "routers": "router",
}
_ORDER: tuple[Noun, ...] = ("network", "addresses", "group", "port", "router")
_AGAIN_S = 1.0
_SWEEP_S = 60.0
_BATCH_S = 0.01
_AT_ONCE = 400
_SLICES = 15
"""Each sweep applies one of so many slices of everything anew."""

_logger = logging.getLogger(__name__)
S = TypeVar("S")
T = TypeVar("T")


class NetworkController:
    """Applies networks under one lease. The next holder of the duty, perhaps this process again, makes another one."""

    def __init__(self, store: Store, driver: NetworkDriver, lease: Lease) -> None:
        self._store = store
        self._driver = driver
        self._lease = lease
        self._dirty: dict[Noun, set[str]] = {noun: set() for noun in _ORDER}
        self._everything = False
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failures: dict[tuple[Noun, str], int] = {}
        self._waiting: dict[tuple[Noun, str], asyncio.TimerHandle] = {}
        """What failed for now, until it is tried again."""
        self._heard: dict[str, bool] = {}
        """Port id -> up, as the engine said it, and not written yet."""
        self._news = asyncio.Event()
        self._silences = 0
        self._slice = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._apply_dirty())
            group.create_task(self._listen())
            group.create_task(self._write_heard())
            group.create_task(self._sweep_now_and_then())

    async def follow(self, event: Event) -> None:
        """Remember where to look; many events about one thing are one look."""
        noun = _NOUNS.get(event.noun)
        if noun is None or event.detail == "status":
            return
        self._dirty[noun].add(event.id)
        self._work.set()

    async def resync(self) -> None:
        """Remember to look at everything: at the start, and when too much was missed."""
        self._everything = True
        self._work.set()

    # -- rows to engine

    async def _apply_dirty(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self.apply()

    async def apply(self) -> None:
        """One pass over what is waiting."""
        async with self._turn:
            everything, self._everything = self._everything, False
            dirty, self._dirty = self._dirty, {noun: set() for noun in _ORDER}
            if everything:
                await self._apply_everything()
            elif any(dirty.values()):
                await self._apply_some(dirty)

    async def _apply_everything(self) -> None:
        async with self._store.read() as tx:
            networks = await network_rows.networks(tx, None)
            addresses = await network_rows.addresses(tx, None)
            groups = await network_rows.groups(tx, None)
            plugs, _ = await network_rows.ports(tx, None)
            routers = await network_rows.routers(tx, None)
        driver = self._driver
        await self._ensure("network", networks, driver.ensure_network)
        await self._ensure("addresses", addresses, driver.ensure_addresses)
        await self._ensure("group", groups, driver.ensure_group)
        await self._ensure("port", plugs, driver.ensure_port)
        await self._routers_are_up(await self._ensure("router", routers, driver.ensure_router))
        await self._compare()

    async def _apply_some(self, dirty: dict[Noun, set[str]]) -> None:
        async with self._store.read() as tx:
            plugs, via_ports = await network_rows.ports(tx, dirty["port"])
            dirty["router"] |= via_ports
            networks = await network_rows.networks(tx, dirty["network"])
            addresses = await network_rows.addresses(tx, dirty["addresses"])
            groups = await network_rows.groups(tx, dirty["group"])
            routers = await network_rows.routers(tx, dirty["router"])
        driver = self._driver
        await self._ensure("network", networks, driver.ensure_network)
        await self._ensure("addresses", addresses, driver.ensure_addresses)
        await self._ensure("group", groups, driver.ensure_group)
        await self._ensure("port", plugs, driver.ensure_port)
        done = await self._ensure("router", routers, driver.ensure_router)
        there = {
            "network": networks.keys(),
            "addresses": addresses.keys(),
            "group": groups.keys(),
            "port": plugs.keys(),
            "router": routers.keys(),
        }
        for noun in reversed(_ORDER):
            for id in sorted(dirty[noun] - there[noun]):
                await self._try(noun, id, driver.remove(noun, id))
        await self._routers_are_up(done)

    async def _ensure(
        self, noun: Noun, specs: Mapping[str, Callable[[], S]], ensure: Callable[[S], Awaitable[None]]
    ) -> list[S]:
        """Applies specs, and gives back those that the engine took."""
        taken = []
        for id, spec in specs.items():
            made = await self._try(noun, id, _made(spec, ensure))
            if made is not None:
                taken.append(made)
        return taken

    async def _try(self, noun: Noun, id: str, act: Awaitable[T]) -> T | None:
        """What fails for now is tried again, ever later; what fails for good waits for its row to change."""
        key = (noun, id)
        try:
            found = await foreseen(f"{noun} {id}", act)
        except DriverError as error:
            if not isinstance(error, Unforeseen):
                _logger.warning("The network engine refuses %s %s: %s", noun, id, error.why)
            if error.again:
                self._try_later(key)
            else:
                self._failures.pop(key, None)
            return None
        self._failures.pop(key, None)
        return found

    def _try_later(self, key: tuple[Noun, str]) -> None:
        if key in self._waiting:
            return
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._waiting[key] = asyncio.get_running_loop().call_later(pause_s(failures), self._again, key)

    def _again(self, key: tuple[Noun, str]) -> None:
        del self._waiting[key]
        noun, id = key
        self._dirty[noun].add(id)
        self._work.set()

    async def _routers_are_up(self, done: Sequence[RouterSpec]) -> None:
        """What the engine took is in force: its ports and floating IPs are active."""
        if not done:
            return
        up = [port.port_id for spec in done for port in spec.interfaces]
        up += [spec.gateway.port_id for spec in done if spec.gateway is not None]
        floating = [each.id for spec in done for each in spec.floating]

        async def act(tx: Tx) -> None:
            await fence(tx, self._lease)
            await ports.say_up(tx, up, [])
            await floating_ips.say_active(tx, floating)

        await transact(self._store, act)

    # -- engine to rows

    async def _listen(self) -> None:
        while True:
            try:
                await foreseen("hearing of ports", self._hear())
            except DriverError as error:
                _logger.warning("The network engine stopped telling about ports: %s", error.why)
            self._silences += 1
            await self._store.clock.sleep(pause_s(self._silences))

    async def _hear(self) -> None:
        async for port_id, up in self._driver.watch():
            self._silences = 0
            self._heard[port_id] = up
            self._news.set()

    async def _write_heard(self) -> None:
        """Many ports that come up together are one transaction."""
        while True:
            await self._news.wait()
            await self._store.clock.sleep(_BATCH_S)
            self._news.clear()
            heard, self._heard = self._heard, {}
            try:
                await self._say(sorted(heard.items()))
            except Busy as error:
                _logger.warning("What the engine said of %s ports was not written: %s", len(heard), error.message)
                self._heard = heard | self._heard
                self._news.set()
                await self._store.clock.sleep(_AGAIN_S)

    async def _say(self, heard: list[tuple[str, bool]]) -> None:
        """A port of which it cannot be said takes the others not with it."""
        up = [id for id, is_up in heard if is_up]
        down = [id for id, is_up in heard if not is_up]
        what = f"port {heard[0][0]}" if len(heard) == 1 else f"{len(heard)} ports"

        async def act(tx: Tx) -> None:
            await fence(tx, self._lease)
            await ports.say_up(tx, up, down)

        try:
            await foreseen(what, transact(self._store, act), Busy, Lost)
        except Unforeseen:
            for half in (heard[: len(heard) // 2], heard[len(heard) // 2 :]) if len(heard) > 1 else ():
                await self._say(half)

    async def _sweep_now_and_then(self) -> None:
        """What a lost hint left wrong; soon after the start, since nobody listened before it."""
        wait_s = _AGAIN_S
        while True:
            await self._store.clock.sleep(wait_s)
            wait_s = _SWEEP_S
            await self.sweep()

    async def sweep(self) -> None:
        """What is there and whether it is up; and of what it looks like, a part each time.

        An order of who had this duty before may take effect late, and an engine forgets or is tampered with: no
        row changes then, so nobody would ever look.
        """
        async with self._turn:
            await self._compare()
            async with self._store.read() as tx:
                wanted = await network_rows.there(tx)
        self._slice = (self._slice + 1) % _SLICES
        for noun, ids in wanted.items():
            part = {id for id in ids if zlib.crc32(id.encode()) % _SLICES == self._slice}
            # What failed has its own pause.
            self._dirty[noun] |= {id for id in part if (noun, id) not in self._waiting}
        self._work.set()

    async def _compare(self) -> None:
        """The engine first, the rows second. One that does not answer is asked again by the next sweep."""
        try:
            seen = await foreseen("looking at the network engine", self._driver.observe())
            up = await foreseen("asking which ports are up", self._driver.ports_up())
        except DriverError as error:
            _logger.warning("The network engine does not say what is there: %s", error.why)
            return
        async with self._store.read() as tx:
            wanted = await network_rows.there(tx)
        for noun in reversed(_ORDER):
            for id in sorted(seen.get(noun, set()) - wanted[noun]):
                _logger.info("Removing stray %s %s", noun, id)
                await self._try(noun, id, self._driver.remove(noun, id))
        listed = sorted(wanted["port"])
        for at in range(0, len(listed), _AT_ONCE):
            some = listed[at : at + _AT_ONCE]
            are_up = [id for id in some if id in up]
            are_down = [id for id in some if id not in up]
            async with self._store.read() as tx:
                if not await ports.differ(tx, are_up, are_down):
                    continue
            await self._say([(id, id in up) for id in some])


async def _made(spec: Callable[[], S], ensure: Callable[[S], Awaitable[None]]) -> S:
    made = spec()
    await ensure(made)
    return made
