"""Images: imports are carried out, and whatever died on the way is put in order.

An import fetches or moves bytes and then ends like any upload. One that was cut short (its process died,
its lease moved) begins again; after a few tries, or when trying again is no use, the image is queued
again and says why.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator

from trivet.controllers.pauses import Pauses
from trivet.domain.images import copies as image_copies
from trivet.domain.images import data as image_data
from trivet.domain.images import images, stores
from trivet.domain.images import imports as image_imports
from trivet.domain.images import sweep as image_sweep
from trivet.domain.images import tasks as image_tasks
from trivet.domain.images.data import Received
from trivet.domain.images.images import IMAGES, Image
from trivet.domain.images.imports import ImportWish
from trivet.domain.images.stores import Targets
from trivet.domain.images.tasks import TRIES_MAX, ImageTask
from trivet.domain.servers import moved_disks
from trivet.drivers import oci_pull
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.foreseen import foreseen
from trivet.drivers.web import Allowed, Web
from trivet.errors import Busy, Conflict, TrivetError
from trivet.parts import Parts
from trivet.store.leases import Lease
from trivet.store.store import transact
from trivet.store.tx import Tx

_AT_ONCE = 16
_OF_ONE = 4
"""Imports of one project that run at once, so that others find a place."""
_LONGEST_S = 4 * 3600.0
_LOOK_EVERY_S = 2.0
_PAUSE_S = 0.05
_SWEEP_EVERY_S = 60.0
_RENEW_S = 20.0
_logger = logging.getLogger(__name__)


class ImageController:
    def __init__(self, parts: Parts, source: Web | None = None, longest_s: float = _LONGEST_S) -> None:
        self._parts = parts
        self._web = source or Web(Allowed(parts.settings.web_allow))
        self._longest_s = longest_s
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}
        """The imports that run here, by task id: the project, and the asyncio task that carries it out."""
        self._pauses = Pauses(parts.clock)

    async def run(self, lease: Lease | None = None) -> None:
        """Starts imports and sweeps until it is cancelled."""
        clock = self._parts.clock
        swept_at = -_SWEEP_EVERY_S
        try:
            while True:
                if clock.monotonic() - swept_at >= _SWEEP_EVERY_S:
                    swept_at = clock.monotonic()
                    await self._sweep()
                await self.start_imports()
                await self._parts.store.wake.wait(_LOOK_EVERY_S)
                # Many commits wake us at once; one look is enough for all of them.
                await clock.sleep(_PAUSE_S)
        finally:
            await self._stop()

    async def _sweep(self) -> None:
        """What cannot be cleared away now keeps no import waiting."""
        try:
            await foreseen("sweeping images", image_sweep.sweep(self._parts), Busy)
            await foreseen("sweeping disks that moved", moved_disks.sweep(self._parts), Busy)
        except DriverError as error:
            _logger.warning("The sweep of images was cut short: %s", error.why)

    async def start_imports(self) -> None:
        self._clear_done()
        async with self._parts.store.read() as tx:
            waiting = await image_tasks.open_ones(tx, self._parts.sightings, _AT_ONCE)
        self._pauses.forget_all_but([id for id, _ in waiting])
        held = Counter(project for project, _ in self._running.values())
        ready = [one for one in waiting if one[0] not in self._running and self._pauses.over(one[0])]
        while ready and len(self._running) < _AT_ONCE:
            # Whose project has least running; of those, who waits longest.
            id, project = min(ready, key=lambda one: held[one[1]])
            if held[project] >= _OF_ONE:
                return
            ready.remove((id, project))
            held[project] += 1
            self._running[id] = (project, asyncio.create_task(self._import(id), name=f"import {id}"))

    async def settle(self) -> None:
        """Do all imports that are asked for now, and come back when they are done (for tests and commands)."""
        await self.start_imports()
        while self._running:
            await asyncio.wait([running for _, running in self._running.values()], return_when=asyncio.FIRST_COMPLETED)
            await self.start_imports()

    def _clear_done(self) -> None:
        self._running = {id: one for id, one in self._running.items() if not one[1].done()}

    async def _stop(self) -> None:
        for _, running in self._running.values():
            running.cancel()
        await asyncio.gather(*(running for _, running in self._running.values()), return_exceptions=True)

    # -- one import

    async def _import(self, id: str) -> None:
        """What goes wrong even in telling so is this import's own: when its lease ends, it is begun again."""
        try:
            await foreseen(f"import {id}", self._take(id), TrivetError)
        except (DriverError, TrivetError) as error:
            _logger.warning("Import %s is left for later: %s", id, error)
            self._pauses.begin(id)

    async def _take(self, id: str) -> None:
        task = await transact(self._parts.store, lambda tx: image_tasks.take(tx, id, self._parts.sightings))
        if task is None:
            return
        if task.tries > TRIES_MAX:
            await self._not_now(task, "The import was begun several times and never came to an end.", again=False)
            return
        try:
            async with image_data.beating(self._parts, lambda: self._renew(task), _RENEW_S):
                await foreseen(f"image {task.image_id}", self._carry_out(task), TrivetError)
        except DriverError as error:
            await self._not_now(task, error.why, again=error.again)
        except TrivetError as error:
            await self._not_now(task, error.message, again=isinstance(error, Busy))

    async def _renew(self, task: ImageTask) -> None:
        async with self._parts.store.write() as tx:
            await image_tasks.renew(tx, task)

    async def _carry_out(self, task: ImageTask) -> None:
        wanted = image_imports.wanted_of(task)
        to = self._targets(wanted)
        key = image_data.new_key(self._parts, to.stores[0])
        copies = wanted.method == image_imports.COPY

        async def begin(tx: Tx) -> Image:
            if not await image_tasks.renew(tx, task):
                raise _taken()
            image = await tx.get(IMAGES, task.image_id or "")
            if image is None or (image.blob_key is None if copies else image.status != "importing"):
                raise Conflict("image.gone", "The image was deleted or changed meanwhile.")
            if not copies:
                image_imports.check_of(task, image)
            size = image.size if copies else image.staged_size
            return await image_data.start_writing(tx, image, image.status, key, size, copies=len(to.stores))

        async def finish(tx: Tx, received: Received | None = None) -> None:
            if received is not None:
                _check_hash(received, wanted)
            if not await image_tasks.finish(tx, task, "success"):
                raise _taken()

        image = await transact(self._parts.store, begin)
        try:
            async with asyncio.timeout(self._longest_s):
                if copies:
                    await image_copies.copy(self._parts, image, to, finish)
                    return
                check = image_imports.check_of(task, image)
                source = self._source(image, wanted)
                await image_data.fill(self._parts, image, source, "importing", finish, check=check, to=to)
        except TimeoutError:
            hours = f"{self._longest_s / 3600:g}"
            raise DriverError(f"An import that takes more than {hours} hours is ended.", again=False) from None
        if image.staged_key is not None:
            await self._parts.blobs.remove(image.staged_key)

    def _targets(self, wanted: ImportWish) -> Targets:
        settings = self._parts.settings
        named = wanted.stores or (stores.default(settings),)
        for store in named:
            if store not in stores.names(settings):
                raise DriverError(f"There is no store {store} any more.", again=False)
        return Targets(named, wanted.all_must_succeed)

    def _source(self, image: Image, wanted: ImportWish) -> AsyncIterator[bytes]:
        if wanted.method == "glance-direct":
            assert image.staged_key is not None
            return self._parts.blobs.read(image.staged_key)
        uri = wanted.uri or ""
        if uri.startswith("docker:"):
            return oci_pull.Pull(self._web, oci_pull.parse(uri)).archive()
        return _download(self._web, uri)

    async def _not_now(self, task: ImageTask, why: str, *, again: bool) -> None:
        """Leave it for the next try, or give it up in words that the owner can read."""
        if again and task.tries < TRIES_MAX:
            await self._parts.clock.sleep(2.0**task.tries - 1)
            await transact(self._parts.store, lambda tx: image_tasks.put_back(tx, task, why))
            return
        staged = await transact(self._parts.store, lambda tx: _give_up(tx, task, why))
        if staged is not None:
            await self._parts.blobs.remove(staged)


async def _give_up(tx: Tx, task: ImageTask, why: str) -> str | None:
    """The staged blob that is no longer needed."""
    if not await image_tasks.finish(tx, task, "failure", why):
        # Somebody else carries it out by now, and needs what is staged.
        return None
    image = await tx.get(IMAGES, task.image_id or "")
    if image is None or (image.status != "importing" and not image.importing_to):
        return None
    if image.status != "importing":
        await images.write(tx, image, importing_to=(), failed_stores=image.importing_to, fault=why)
        return None
    await images.write(
        tx, image, status="queued", fault=why, importing_to=(), failed_stores=image.importing_to,
        staged_key=None, staged_size=None, size=None, writing_key=None, writing_until=None, writing_mib=0,
        updated_at=tx.clock.now(),
    )  # fmt: skip
    return image.staged_key


def _taken() -> Conflict:
    return Conflict("import.taken", "Another process took the import over, since this one was too slow.")


def _check_hash(received: Received, wanted: ImportWish) -> None:
    if wanted.os_hash_algo == "sha512" and received.os_hash_value != wanted.os_hash_value:
        raise Conflict("import.hash", "The downloaded data does not have the hash that was said.")


async def _download(source: Web, uri: str) -> AsyncIterator[bytes]:
    answer = await source.get(uri)
    if answer.status != 200:
        answer.close()
        raise DriverError(f"The server answers {answer.status} for {uri}.", again=answer.status >= 500)
    async for chunk in answer.chunks():
        yield chunk
