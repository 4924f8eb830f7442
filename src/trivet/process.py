"""The only place where parts are put together. Read it from top to bottom: settings in, a running cloud out.

One process is the whole cloud: it serves the API, offers to do every duty, and looks after its hosts. Any
number of them are equal as long as they share a database.
"""

import asyncio
import importlib.util
import logging
import os
import pkgutil
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trivet.api
from trivet.agent import device_places
from trivet.agent.agent import Agent
from trivet.agent.metadata import MetadataService
from trivet.api.console.sockets import ConsoleSockets
from trivet.api.kit.app import App
from trivet.api.kit.service import Service
from trivet.clock import Clock, SystemClock
from trivet.controllers.alarms import AlarmDeliverer
from trivet.controllers.causes import CauseController
from trivet.controllers.duties import Duties
from trivet.controllers.forgetting import Forgetting
from trivet.controllers.health.health import HealthController
from trivet.controllers.holders import Holders
from trivet.controllers.hosts import HostController
from trivet.controllers.images import ImageController
from trivet.controllers.network.networks import NetworkController
from trivet.controllers.objects.upkeep import ObjectUpkeep
from trivet.controllers.registry.garbage import RegistryController
from trivet.controllers.servers.console_reads import ConsoleReads
from trivet.controllers.servers.servers import ServerController
from trivet.controllers.signing_keys import KeyController
from trivet.controllers.volumes.volumes import VolumeController
from trivet.domain import seeds
from trivet.domain.hosts import hosts
from trivet.domain.identity.people.passwords import Passwords
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.tokens import signing_keys
from trivet.domain.identity.tokens.revocations import IdentityListener
from trivet.domain.identity.tokens.tokens import Tokens
from trivet.domain.images.stores import kind_of
from trivet.domain.limits import limits
from trivet.domain.network.nets import seeds as network_seeds
from trivet.domain.secrets import Secrets
from trivet.domain.seeds import Offer
from trivet.domain.servers import flavors
from trivet.drivers import durable
from trivet.drivers.blob_stores import BlobStores
from trivet.drivers.contracts.blobs import Blobs
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.contracts.patience import patient
from trivet.drivers.contracts.power import PowerDriver
from trivet.drivers.files import FileBlobs
from trivet.drivers.ironic.engine import Engine
from trivet.drivers.redfish.bmc import RedfishPower
from trivet.errors import Invalid
from trivet.hosting.eyes import eyes
from trivet.hosting.host_engines import host_engines
from trivet.hosting.hosts_here import Hosting
from trivet.hosting.local_link import LocalLink
from trivet.hosting.metal_engine import metal_engine
from trivet.hosting.rack import rack
from trivet.ids import Ids, SystemIds
from trivet.parts import Parts
from trivet.serving.doors import Doors
from trivet.settings import POSTGRESQL, Settings
from trivet.store import leases
from trivet.store.follower import Follower
from trivet.store.leases import Lease
from trivet.store.log import Event
from trivet.store.postgres import PostgresStore
from trivet.store.sqlite import SqliteStore
from trivet.store.store import Store, transact
from trivet.store.tx import Tx

_TEND_EVERY_S = 5.0
_KEY_BYTES = 32
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Process:
    """A cloud that runs in this process."""

    parts: Parts
    app: App
    follower: Follower
    duties: Duties
    hosting: Hosting | None
    doors: Doors
    admin_password: str | None
    """Only where this very start made the admin."""
    number: int = 0
    """Among the workers of one machine."""


def services() -> list[Service]:
    """The dialects: every folder of api/ that has a service.py."""
    found = []
    for entry in sorted(pkgutil.iter_modules(trivet.api.__path__), key=lambda entry: entry.name):
        if entry.ispkg and entry.name != "kit" and importlib.util.find_spec(f"trivet.api.{entry.name}.service"):
            found.append(importlib.import_module(f"trivet.api.{entry.name}.service").SERVICE)
    return found


def make_store(settings: Settings, clock: Clock, ids: Ids) -> Store:
    if settings.database.startswith(POSTGRESQL):
        return PostgresStore(settings.database, clock, ids)
    return SqliteStore(settings.database_file or settings.database, clock, ids)


def make_parts(settings: Settings, store: Store, clock: Clock, ids: Ids) -> Parts:
    return Parts(
        settings=settings,
        clock=clock,
        ids=ids,
        store=store,
        tokens=Tokens(clock, strict_scope=settings.strict_scope),
        passwords=Passwords(),
        blobs=make_blobs(settings),
    )


def make_blobs(settings: Settings) -> Blobs:
    own = FileBlobs(Path(settings.data) / "blobs")
    further: dict[str, Blobs] = {kind_of(name): FileBlobs(folder) for name, folder in settings.stores.items()}
    return BlobStores(own, further) if further else own


@asynccontextmanager
async def running(
    settings: Settings, *, with_hosts: bool = True, clock: Clock | None = None, ids: Ids | None = None
) -> AsyncIterator[Process]:
    """Everything but the HTTP server, started and, at the end, stopped in the opposite order."""
    clock, ids = clock or SystemClock(), ids or SystemIds()
    store = make_store(settings, clock, ids)
    parts = make_parts(settings, store, clock, ids)
    async with AsyncExitStack() as stack:
        doors = stack.enter_context(Doors(settings))
        await store.open()
        stack.push_async_callback(store.close)
        stack.callback(parts.passwords.close)
        await store.migrate()
        password = await _first_start(parts)
        follower = Follower(store)
        await follower.start()
        parts.host_changes.follow(follower)
        listener = IdentityListener(store, parts.tokens, parts.identity_memory, parts.secrets, settings.token_s)
        await listener.on_resync()
        follower.listen("identity", listener.on_events, listener.on_resync)
        hosting = await host_engines(parts) if with_hosts else None
        if hosting is not None:
            stack.push_async_callback(hosting.close)
        holders = Holders(Path(settings.data), f"{socket.gethostname()}:{os.getpid()}:{ids.hex()[:8]}")
        stack.callback(holders.close)
        duties = Duties(store, holders.me, holders.died)
        offer_duties(parts, follower, duties, hosting, doors.own_url)
        engine = metal_engine(parts)
        if engine is not None:
            duties.offer("metal engine", partial(_keep, engine))
        machines = rack(parts, doors.own_url, hosting.network) if hosting is not None else None
        if machines is not None:
            stack.push_async_callback(machines.close)
            offer_agent(parts, follower, duties, machines, doors.own_url)
        offer_watches(parts, follower, duties, doors.own_url)
        find = hosting.console_path if hosting else lambda _: None
        consoles = ConsoleSockets(parts, find, doors.own_url, doors.trust)
        app = App(parts, services(), consoles.paths())
        parts.measures.position = lambda: follower.position
        parts.measures.duties = lambda: duties.held
        process = Process(parts, app, follower, duties, hosting, doors, password)
        await stack.enter_async_context(background(follower.run(), "log"))
        await stack.enter_async_context(background(duties.run(), "duties"))
        stack.push_async_callback(duties.give_back)
        yield process


def offered(settings: Settings) -> list[Service]:
    """Those that this cloud has something behind."""
    return [service for service in services() if service.name != "ironic" or settings.metal]


def offers(of: Iterable[Service]) -> list[Offer]:
    """What the services want to stand in the catalog for."""
    return [
        Offer(
            kind,
            service.name,
            service.prefix + service.catalog_path,
            limits=service.limits if kind == service.types[0] else {},
        )
        for service in of
        for kind in service.types
    ]


async def _keep(engine: Engine, _: Lease) -> None:
    await engine.keep()


async def _first_start(parts: Parts) -> str | None:
    """Keys, and on an empty database the admin, the catalog and what else a cloud begins with."""
    password = parts.settings.admin_password or secrets.token_urlsafe(18)
    hashed = await parts.passwords.hash(password)

    parts.secrets = Secrets(_secret(Path(parts.settings.data) / "secret"))

    async def begin(tx: Tx) -> bool:
        # Several processes may start on one empty database: this row makes them take turns.
        await leases.take_turn(tx, "first start")
        await signing_keys.load(tx, parts.tokens, parts.secrets)
        fresh = await seeds.start(tx, parts, hashed, offers(offered(parts.settings)))
        await limits.set_model(tx, "strict_two_level" if parts.settings.limit_model == "strict_two_level" else "flat")
        project = await tx.find(PROJECTS, "name = 'admin' AND domain_id = 'default'")
        if fresh and project is not None:
            await network_seeds.seed_external(tx, parts.settings, project.id)
            await flavors.seed_flavors(tx)
        return fresh

    return password if await transact(parts.store, begin) else None


def _secret(path: Path) -> bytes:
    """What seals the secrets in the database; lost, they are lost."""
    if not path.exists():
        durable.write_once(path, secrets.token_bytes(_KEY_BYTES), mode=0o600)
    key = path.read_bytes()
    if len(key) < _KEY_BYTES:
        raise Invalid("secret.short", f"{path} is too short to be a key; copy the right one here, or remove it.")
    return key


def offer_duties(parts: Parts, follower: Follower, duties: Duties, hosting: Hosting | None, own_url: str) -> None:
    duties.offer("forgetting", Forgetting(parts).run)
    duties.offer("signing keys", KeyController(parts).run)
    duties.offer("hosts", HostController(parts.store).run)
    duties.offer("servers", ServerController(parts.store).run)
    duties.offer("images", ImageController(parts).run)
    duties.offer("objects", lambda lease: ObjectUpkeep(parts, lease).run())
    duties.offer("registry", RegistryController(parts).run)
    if hosting is None:
        return

    async def run_networks(lease: Lease) -> None:
        networks = NetworkController(parts.store, hosting.network, lease)

        async def on_events(events: list[Event]) -> None:
            for event in events:
                await networks.follow(event)

        follower.listen("networks", on_events, networks.resync)
        try:
            await networks.resync()
            await networks.run()
        finally:
            follower.leave("networks", on_events)

    offer_volumes(parts, follower, duties, hosting)
    duties.offer("networks", run_networks)
    offer_agent(parts, follower, duties, hosting, own_url)


def offer_agent(parts: Parts, follower: Follower, duties: Duties, hosting: Hosting, own_url: str) -> None:
    async def run_agent(lease: Lease) -> None:
        link = LocalLink(parts, lease)
        lookup = device_places.of_hosts(link.instance_at, hosting.engines)
        metadata = MetadataService(lookup, link.keep_password) if hosting.metadata else None
        if hosting.adopt is not None:
            await hosting.adopt()

        async def look_after(tx: Tx) -> None:
            await leases.fence(tx, lease)
            await hosts.look_after(tx, hosting.engines, own_url)

        await transact(parts.store, look_after)
        agent = Agent(hosting.engines, link, parts.clock, metadata)

        async def on_events(events: list[Event]) -> None:
            agent.hint({e.id: e.revision for e in events if e.noun == "servers" and e.host_id in hosting.engines})

        reads = ConsoleReads(parts.store, hosting.engines, hosting.driver, lease)
        follower.listen(f"agent {hosting.name}", on_events, agent.look_again)
        follower.listen(f"console reads {hosting.name}", reads.on_events, reads.on_resync)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(agent.run())
                if hosting.tend is not None:
                    group.create_task(_tend(parts, partial(_tend_and_tell, hosting, agent)))
        finally:
            follower.leave(f"agent {hosting.name}", on_events)
            follower.leave(f"console reads {hosting.name}", reads.on_events)

    duties.offer(f"agent {hosting.name}", run_agent)


def offer_watches(parts: Parts, follower: Follower, duties: Duties, own_url: str) -> None:
    """Who looks whether hosts live and what is beneath what fails, and who tells those that want to know."""
    power = patient(RedfishPower(), (PowerDriver,))

    async def run_health(lease: Lease) -> None:
        await HealthController(parts, eyes(power), power, lease, own_url).run()

    async def run_alarms(lease: Lease) -> None:
        deliverer = AlarmDeliverer(parts, lease)
        follower.listen("alarms", deliverer.on_events, deliverer.on_resync)
        try:
            await deliverer.run()
        finally:
            follower.leave("alarms", deliverer.on_events)

    async def run_causes(lease: Lease) -> None:
        causes = CauseController(parts, lease)
        follower.listen("causes", causes.on_events, causes.on_resync)
        try:
            await causes.run()
        finally:
            follower.leave("causes", causes.on_events)

    duties.offer("health", run_health)
    duties.offer("causes", run_causes)
    duties.offer("alarms", run_alarms)


def offer_volumes(parts: Parts, follower: Follower, duties: Duties, hosting: Hosting) -> None:
    driver, backend = hosting.volumes, hosting.backend
    if driver is None or backend is None:
        return

    async def run_volumes(lease: Lease) -> None:
        if hosting.adopt_volumes is not None:
            await hosting.adopt_volumes()
        volumes = VolumeController(parts, driver, lease, backend)
        follower.listen("volumes", volumes.on_events, volumes.on_resync)
        try:
            await volumes.on_resync()
            await volumes.run()
        finally:
            follower.leave("volumes", volumes.on_events)

    duties.offer(f"volumes of {backend.id}", run_volumes)


async def _tend_and_tell(hosting: Hosting, agent: Agent) -> None:
    """Hosts may come of it, on which something may be meant to run."""
    before = len(hosting.engines)
    assert hosting.tend is not None
    await hosting.tend()
    if len(hosting.engines) > before:
        await agent.look_again()


async def _tend(parts: Parts, tend: Callable[[], Awaitable[None]]) -> None:
    measures = parts.measures
    while True:
        await parts.clock.sleep(_TEND_EVERY_S)
        try:
            await foreseen("The care of the engines", tend())
            measures.engines_well = True
        except DriverError as error:
            measures.engines_well, measures.engines_trouble = False, error.why
            _logger.warning("The engines are not all well: %s", error.why)


@asynccontextmanager
async def background(work: Coroutine[None, None, None], name: str) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
