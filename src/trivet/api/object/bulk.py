"""Many at once: names that are to be deleted, an archive that is to be unpacked, a large object with its segments.

Each is an act of its own: what could be done is done, and what could not is told.
"""

import asyncio
import mimetypes
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import msgspec

from trivet.api.kit.accepts import preferred
from trivet.api.kit.request import NOBODY, Reply, Request, encode
from trivet.api.object import door, incoming, temp_urls, wire
from trivet.domain.objects import access, acts, archives, containers, names, objects, uploads
from trivet.domain.objects.access import Right
from trivet.domain.objects.archives import Archive
from trivet.domain.objects.objects import Content, Object, Place
from trivet.errors import Forbidden, Invalid, NotFound, TrivetError
from trivet.store.store import transact
from trivet.store.tx import Tx

DELETES_MAX = 1000
FAILURES_MAX = 1000
CONTAINERS_MAX = 1000
_BODY_MAX = DELETES_MAX * 3 * (names.OBJECT_NAME_MAX + names.CONTAINER_NAME_MAX + 3)
_OFFERS = ("text/plain", "application/json", "application/xml", "text/xml")


class Outcome(msgspec.Struct):
    """What came of it so far."""

    first: str
    """What is counted: the word for it."""
    done: int = 0
    absent: int | None = None
    errors: list[tuple[str, str]] = []
    said: str = ""
    status: str = ""

    def failed(self, path: str, error: TrivetError) -> None:
        self.errors.append((quote(path), f"{error.http_status} {wire.TITLES.get(error.http_status, 'Bad Request')}"))
        if len(self.errors) >= FAILURES_MAX:
            raise Invalid("bulk.failures", f"Max {FAILURES_MAX} failures exceeded")


# -- deleting


async def delete(request: Request) -> Reply:
    account = wire.place(request)
    if not request.caller.user_id:
        # Nothing can be shared with strangers so that they may delete it.
        raise access.refusal(request.caller)
    outcome = Outcome("Number Deleted", absent=0)
    try:
        for container, name in await _listed(request):
            await _delete_one(request, Place(account.project_id, container, name), outcome)
    except Invalid as error:
        outcome.said, outcome.status = error.message, f"{error.http_status} {wire.TITLES.get(error.http_status, '')}"
    _settle(outcome, "200 OK")
    return _told(request, outcome)


async def _listed(request: Request) -> list[tuple[str, str]]:
    raw = bytearray()
    async for chunk in incoming.body(request):
        raw += chunk
        if len(raw) > _BODY_MAX:
            raise Invalid("bulk.too_many", f"Maximum Bulk Deletes: {DELETES_MAX} per request", status=413)
    lines = [unquote(line.strip()) for line in raw.decode(errors="replace").splitlines() if line.strip()]
    if len(lines) > DELETES_MAX:
        raise Invalid("bulk.too_many", f"Maximum Bulk Deletes: {DELETES_MAX} per request", status=413)
    found = []
    for line in lines:
        container, _, name = line.lstrip("/").partition("/")
        found.append((container, name))
    return found


async def _delete_one(request: Request, place: Place, outcome: Outcome) -> None:
    path = f"/{place.container}/{place.name}" if place.name else f"/{place.container}"
    # Others' requests go between one and the next.
    await asyncio.sleep(0)

    async def act(tx: Tx) -> None:
        if not place.name:
            await door.account(tx, request, place, Right.WRITE)
            await acts.delete_container(tx, place)
            return
        home, _ = await objects.find_both(tx, place)
        await door.check_object(tx, request, place, home, Right.WRITE)
        await acts.take_away(tx, place)

    try:
        wire.check_text(path)
        await transact(request.parts.store, act)
        outcome.done += 1
    except NotFound:
        outcome.absent = (outcome.absent or 0) + 1
    except Forbidden as error:
        if not request.caller.user_id:
            raise
        outcome.failed(path, error)
    except TrivetError as error:
        outcome.failed(path, error)


async def delete_large(request: Request, place: Place, there: Object) -> Reply:
    """With its segments, and those of segments that are large themselves."""
    outcome = Outcome("Number Deleted", absent=0)
    await _delete_segments(request, place, there, outcome, 10)
    await _delete_one(request, place, outcome)
    _settle(outcome, "200 OK")
    return _told(request, outcome)


async def _delete_segments(request: Request, place: Place, there: Object, outcome: Outcome, deeper: int) -> None:
    seen = set()
    for segment in there.manifest or ():
        part = Place(place.project_id, segment.container, segment.name)
        if segment.data or part in seen:
            continue
        seen.add(part)
        if segment.nested and deeper:
            async with request.parts.store.read() as tx:
                _, found = await objects.find_both(tx, part)
            if found is not None:
                await _delete_segments(request, part, found, outcome, deeper - 1)
        await _delete_one(request, part, outcome)


# -- unpacking


async def extract(request: Request) -> Reply:
    place = wire.place(request)
    kind = (request.asked("extract-archive") or "").lower()
    if kind not in archives.KINDS:
        raise Invalid("archive.kind", "Unsupported archive format")
    incoming.length_of(request)
    await _admit(request, place)
    received = await uploads.receive(request.parts, uploads.Room(place.project_id), incoming.body(request))
    outcome = Outcome("Number Files Created")
    # It waits for its turn, and counts as something that the project has.
    kept = request.parts.arriving.of(place.project_id)
    kept.more(received.size)
    try:
        async with (
            request.parts.archive_places.place(place.project_id),
            archives.opened(request.parts, received, kind) as archive,
        ):
            await _unpack(request, uploads.Room(place.project_id, spare=received.size), place, archive, outcome)
    except Invalid as error:
        outcome.said, outcome.status = error.message, f"{error.http_status} {wire.TITLES.get(error.http_status, '')}"
    finally:
        kept.end()
        await uploads.drop(request.parts, received)
    _settle(outcome, "201 Created")
    if not outcome.done and not outcome.errors and not outcome.said:
        outcome.said, outcome.status = "Invalid Tar File: No Valid Files", "400 Bad Request"
    return _told(request, outcome)


async def _admit(request: Request, place: Place) -> None:
    """Before the first byte: to the account, or to the container. A signature is for one object."""
    if temp_urls.is_signed(request):
        raise access.refusal(NOBODY)
    async with request.parts.store.read() as tx:
        if not place.container:
            await door.account(tx, request, place, Right.WRITE)
            return
        home = await containers.find(tx, place.project_id, place.container)
        await door.check_object(tx, request, place, home, Right.WRITE)


async def _unpack(request: Request, room: uploads.Room, place: Place, archive: Archive, outcome: Outcome) -> None:
    known: set[str] = set()
    async for member in archive.members():
        path = member.name.removeprefix("./").strip("/")
        try:
            target = _target(place, path)
            names.check_object(target.name)
            names.check_container(target.container)
            if target.container not in known:
                if len(known) >= CONTAINERS_MAX:
                    raise Invalid("archive.containers", f"More than {CONTAINERS_MAX} containers to create from tar.")
                await _ensure(request, target)
                known.add(target.container)
            content = Content(size=0, etag="", content_type=mimetypes.guess_type(path)[0] or "application/octet-stream")
            if member.size > names.SIZE_MAX:
                raise uploads.too_large()
            await _foresee(request, target, member.size)
        except TrivetError as error:
            outcome.failed(path, error)
            archive.refuse(member)
            continue
        try:
            stored = await uploads.receive(request.parts, room, archive.content(member))
            await acts.store(request.parts, target, stored, content)
            outcome.done += 1
        except TrivetError as error:
            if error.code == "archive.broken":
                raise
            outcome.failed(path, error)


async def _foresee(request: Request, target: Place, size: int) -> None:
    """What has no room is not unpacked: a few bytes may stand for as many as there are."""
    async with request.parts.store.read() as tx:
        home, there = await objects.find_both(tx, target)
        if home is not None:
            before = objects.weight(there) if there is not None else 0
            await containers.foresee(tx, home, int(there is None), size - before)


def _target(place: Place, path: str) -> Place:
    if "\udc80" <= max(path, default="") <= "\udcff":
        raise Invalid("path.utf8", "Invalid UTF8 or contains NULL", status=412)
    wire.check_text(path)
    below = "/".join(part for part in (place.name.strip("/"), path) if part)
    if place.container:
        return Place(place.project_id, place.container, below)
    container, _, name = path.partition("/")
    if not name:
        raise Invalid("archive.name", "It lies in no container.")
    return Place(place.project_id, container, name)


async def _ensure(request: Request, target: Place) -> None:
    async def act(tx: Tx) -> None:
        if await containers.find(tx, target.project_id, target.container) is None:
            if access.in_account(request.caller, target.project_id) < Right.WRITE:
                raise containers.absent()
            await containers.put(tx, target.project_id, target.container, {})

    await transact(request.parts.store, act)


# -- telling


def _settle(outcome: Outcome, well: str) -> None:
    if not outcome.status:
        outcome.status = "400 Bad Request" if outcome.errors else well
    if not outcome.done and not outcome.absent and not outcome.errors and not outcome.said and well == "200 OK":
        outcome.said, outcome.status = "Invalid bulk delete.", "400 Bad Request"


def _told(request: Request, outcome: Outcome) -> Reply:
    kind = preferred(request.header("accept"), _OFFERS) or "text/plain"
    counts: dict[str, object] = {outcome.first: outcome.done}
    if outcome.absent is not None:
        counts["Number Not Found"] = outcome.absent
    rest = {"Response Status": outcome.status, "Response Body": outcome.said}
    if kind == "application/json":
        return Reply(200, encode(counts | rest | {"Errors": outcome.errors}), content_type=kind)
    if kind.endswith("xml"):
        root = "delete" if outcome.absent is not None else "extract"
        inner = "".join(
            f"<{name.lower().replace(' ', '_')}>{escape(str(value))}</{name.lower().replace(' ', '_')}>"
            for name, value in (counts | rest).items()
        )
        wrong = "".join(
            f"<object><name>{escape(path)}</name><status>{status}</status></object>" for path, status in outcome.errors
        )
        return Reply(200, f"<{root}>{inner}<errors>{wrong}</errors></{root}>".encode(), content_type=kind)
    lines = [f"{name}: {value}" for name, value in (counts | rest).items()]
    lines += ["Errors:", *(f"{path}, {status}" for path, status in outcome.errors)]
    return Reply(200, ("\n".join(lines) + "\n").encode(), content_type="text/plain; charset=utf-8")
