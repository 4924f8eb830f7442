"""Form posts: files that a page's form brings, by a signature in the form in place of a token.

The form says how many there may be, how large, until when, and where the browser goes afterwards; the signature is over
all of that and the path. Its fields come before its files.
"""

import hmac
from collections.abc import AsyncIterator
from email.message import Message
from urllib.parse import quote

from trivet.api.kit.request import Reply, Request
from trivet.api.object import incoming, temp_urls, wire
from trivet.api.object.wire import HTML
from trivet.domain.numbers import whole_number
from trivet.domain.objects import acts, containers, names, objects, uploads
from trivet.domain.objects.objects import Content, Place
from trivet.errors import Forbidden, Invalid

_FIELD_MAX = 4096
_FIELDS_MAX = 50
_FILES_MAX = 1000
_HEAD_MAX = 8192


class _Reader:
    """The parts of a body between boundaries, without more of it in memory than comes at once."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks = chunks
        self._mark = b"\r\n--" + boundary
        # What stands before the first boundary is as if a line had ended there.
        self._held = b"\r\n"

    async def _more(self) -> None:
        chunk = await anext(self._chunks, b"")
        if not chunk:
            raise Invalid("form.cut", "The form ends too early.")
        self._held += chunk

    async def begin(self) -> bool:
        """On to the next part; False: there is none."""
        while len(self._held) < 2:
            await self._more()
        behind, self._held = self._held[:2], self._held[2:]
        return behind == b"\r\n"

    async def head(self) -> Message:
        while b"\r\n\r\n" not in self._held:
            if len(self._held) > _HEAD_MAX:
                raise Invalid("form.head", "A part of the form has too long a head.")
            await self._more()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        found = Message()
        for line in head.split(b"\r\n"):
            name, _, value = line.decode(errors="replace").partition(":")
            if name.strip():
                found[name.strip()] = value.strip()
        return found

    async def content(self) -> AsyncIterator[bytes]:
        """Until the boundary."""
        while True:
            place = self._held.find(self._mark)
            if place >= 0:
                if place:
                    yield self._held[:place]
                self._held = self._held[place + len(self._mark) :]
                return
            sure = len(self._held) - len(self._mark)
            if sure > 0:
                yield self._held[:sure]
                self._held = self._held[sure:]
            await self._more()


async def take(request: Request, place: Place) -> Reply:
    kind = Message()
    kind["content-type"] = request.header("content-type") or ""
    boundary = kind.get_param("boundary")
    if not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
        raise Invalid("form.boundary", "The form says no boundary.")
    reader = _Reader(incoming.body(request), boundary.encode())
    async for _ in reader.content():
        pass
    fields: dict[str, str] = {}
    count = 0
    while await reader.begin():
        head = await reader.head()
        name, file = (head.get_param(word, header="content-disposition") for word in ("name", "filename"))
        if isinstance(file, str) and file:
            target, most = await _target(request, place, fields, file, count)
            received = await uploads.receive(request.parts, uploads.Room(target.project_id, most), reader.content())
            kind_said = incoming.content_type(head.get("content-type") or "application/octet-stream")
            content = Content(size=0, etag="", content_type=kind_said, delete_at=_delete_at(request, fields))
            await acts.store(request.parts, target, received, content)
            count += 1
            continue
        raw = b""
        async for chunk in reader.content():
            raw += chunk
            if len(raw) > _FIELD_MAX or len(fields) > _FIELDS_MAX:
                raise Invalid("form.field", "The form says too much.")
        fields[str(name)] = raw.decode(errors="replace")
    if not count:
        raise Invalid("form.empty", "There are no files in the form.")
    return _answer(fields, 201, "")


async def _target(request: Request, place: Place, fields: dict[str, str], file: str, count: int) -> tuple[Place, int]:
    """Where a file goes, if the form may bring it; and how long it may be."""
    await _check(request, place, fields)
    most, files = (whole_number(fields.get(name, "")) for name in ("max_file_size", "max_file_count"))
    if most is None or files is None:
        raise Invalid("form.field", "max_file_size and max_file_count must be whole numbers.")
    if count >= min(files, _FILES_MAX):
        raise Invalid("form.files", "max file count exceeded")
    target = Place(place.project_id, place.container, place.name + file)
    names.check_object(target.name)
    wire.check_text(target.name)
    async with request.parts.store.read() as tx:
        home, _ = await objects.find_both(tx, target)
    if home is None:
        raise containers.absent()
    return target, min(most, names.SIZE_MAX)


async def _check(request: Request, place: Place, fields: dict[str, str]) -> None:
    ends = whole_number(fields.get("expires", ""))
    if ends is None:
        raise Forbidden("form.expired", "FormPost: Form Expired", status=401)
    if ends < request.parts.clock.now():
        raise Forbidden("form.expired", "FormPost: Form Expired", status=401)
    digest, given = temp_urls.read(fields.get("signature", ""))
    async with request.parts.store.read() as tx:
        home = await containers.find(tx, place.project_id, place.container)
        of_account, of_container = await temp_urls.keys_of(tx, place, home)
    rest = [fields.get(name, "") for name in ("redirect", "max_file_size", "max_file_count", "expires")]
    for path in (request.path, f"/v1/{request.path.partition('/v1/')[2]}"):
        for key in [*of_account, *of_container]:
            made = hmac.digest(key.encode(), "\n".join([path, *rest]).encode(), digest)
            if hmac.compare_digest(made, given):
                return
    raise Forbidden("form.signature", "FormPost: Invalid Signature", status=401)


def _delete_at(request: Request, fields: dict[str, str]) -> float | None:
    after, at = whole_number(fields.get("x_delete_after", "")), whole_number(fields.get("x_delete_at", ""))
    return float(int(request.parts.clock.now()) + after) if after is not None else float(at) if at is not None else None


def _answer(fields: dict[str, str], status: int, message: str) -> Reply:
    redirect = fields.get("redirect", "")
    if not redirect or "\r" in redirect or "\n" in redirect:
        return Reply(
            status, f"<h1>{status} Created</h1>FormPost: {message or 'Success.'}\r\n".encode(), content_type=HTML
        )
    mark = "&" if "?" in redirect else "?"
    location = f"{redirect}{mark}status={status}&message={quote(message)}"
    page = f'<html><body><p><a href="{quote(location, safe=":/?&=%#")}">Click to continue...</a></p></body></html>'
    return Reply(303, page.encode(), [(b"location", location.encode())], content_type=HTML)
