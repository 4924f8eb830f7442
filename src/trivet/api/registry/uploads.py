"""/v2/NAME/blobs/uploads: blobs on their way in, in one request or in many, or taken over from another repository."""

import re

from trivet.api.kit.request import NOBODY, Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.callers import Caller
from trivet.domain.numbers import whole_number
from trivet.domain.registry import access, blobs, manifests, names, repositories, uploads
from trivet.domain.registry.uploads import At, Upload
from trivet.errors import Invalid, TrivetError
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()

_RANGE = re.compile(r"^(?:bytes[= ])?([0-9]{1,18})-([0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?$")


@resource.on("POST", "/{repository:path}/blobs/uploads", may="member", tx="none", stream=True)
async def begin(request: Request) -> Reply:
    path = request.values["repository"]
    async with request.parts.store.read() as tx:
        await repositories.need_namespace(tx, request.caller, path)
    mounted = request.asked("mount")
    if mounted is not None and await _mount(request, path, names.digest(mounted)):
        return _made(request, path, mounted)
    digest = request.asked("digest")
    if digest is not None:
        names.digest(digest)
    upload = await transact(request.parts.store, lambda tx: uploads.begin(tx, request.caller, path))
    if digest is None:
        return _under_way(request, path, upload, 202)
    at = At(request.caller, path, upload.id)
    await _append_or_cancel(request, at, _announced(request))
    await uploads.finish(request.parts, at, digest)
    return _made(request, path, digest)


async def _mount(request: Request, path: str, digest: str) -> bool:
    """Only from where the caller may pull: otherwise it looks as if the blob were nowhere."""
    source_path = request.asked("from")
    if source_path is None:
        return False

    async def act(tx: Tx) -> bool:
        repository = await repositories.ensure(tx, request.caller, path)
        try:
            source = await repositories.find(tx, source_path)
        except Invalid:
            return False
        caller = request.caller
        if source is not None and not caller.owns(source.project_id):
            caller = _puller(request, source_path)
        if source is None or not await manifests.sees_blob(tx, caller, source, digest):
            return False
        return await blobs.mount(tx, repository, source, digest)

    return await transact(request.parts.store, act)


def _puller(request: Request, path: str) -> Caller:
    """As whom the token lets him pull there; of a token that is not the registry's own, as whom he always is."""
    shown = request.header("authorization")
    if shown is None:
        return request.caller
    try:
        caller = request.parts.tokens.of_registry(shown.partition(" ")[2].strip())
        return access.at(request.parts, caller, path)
    except TrivetError:
        return NOBODY


@resource.on("PATCH", "/{repository:path}/blobs/uploads/{upload_id}", may="member", tx="none", stream=True)
async def append(request: Request) -> Reply:
    at = _at(request)
    return _under_way(request, at.path, await _append(request, at, _announced(request)), 202)


@resource.on("PUT", "/{repository:path}/blobs/uploads/{upload_id}", may="member", tx="none", stream=True)
async def finish(request: Request) -> Reply:
    at = _at(request)
    async with request.parts.store.read() as tx:
        await uploads.need(tx, at)
    digest = names.digest(request.asked("digest"))
    length = _announced(request)
    if length != 0:
        await _append(request, at, length)
    await uploads.finish(request.parts, at, digest)
    return _made(request, at.path, digest)


@resource.on("GET", "/{repository:path}/blobs/uploads/{upload_id}", may="member")
async def status(request: Request) -> Reply:
    at = _at(request)
    return _under_way(request, at.path, await uploads.need(request.tx, at), 204)


@resource.on("DELETE", "/{repository:path}/blobs/uploads/{upload_id}", may="member", tx="none")
async def cancel(request: Request) -> Reply:
    await _cancel(request, _at(request))
    return Reply(204)


# -- words


def _at(request: Request) -> At:
    return At(request.caller, request.values["repository"], request.values["upload_id"])


async def _cancel(request: Request, at: At) -> None:
    keys = await transact(request.parts.store, lambda tx: uploads.cancel(tx, at))
    await uploads.remove_all(request.parts, keys)


def _announced(request: Request) -> int | None:
    """How much comes; None: as much as comes."""
    text = request.header("content-length")
    if text is None:
        return None if request.header("transfer-encoding") else 0
    length = whole_number(text)
    if length is None:
        raise Invalid("upload.size", f"The length {text[:64]!r} is not a whole number of 0 or more.")
    return length


async def _append(request: Request, at: At, length: int | None) -> Upload:
    return await uploads.append(request.parts, at, request.stream(), _asked_place(request, length))


async def _append_or_cancel(request: Request, at: At, length: int | None) -> None:
    """All in one request: who is cut off has nothing to go on with."""
    try:
        await _append(request, at, length)
    except TrivetError:
        await _cancel(request, at)
        raise


def _asked_place(request: Request, length: int | None) -> int | None:
    """Where a chunk says that it goes on."""
    said = request.header("content-range")
    if said is None:
        return None
    match = _RANGE.match(said.strip())
    first, last = (int(match[1]), int(match[2])) if match else (0, -1)
    if match is None or last < first or (length is not None and last - first + 1 != length):
        raise Invalid(
            "upload.range", f"The content range {said[:64]!r} is not START-END of as many bytes as come.", status=416
        )
    return first


def _under_way(request: Request, path: str, upload: Upload, status: int) -> Reply:
    headers = [
        (b"location", f"{request.url}/{path}/blobs/uploads/{upload.id}".encode()),
        (b"range", f"0-{max(upload.received - 1, 0)}".encode()),
        (b"docker-upload-uuid", upload.id.encode()),
    ]
    return Reply(status, None, headers)


def _made(request: Request, path: str, digest: str) -> Reply:
    headers = [
        (b"location", f"{request.url}/{path}/blobs/{digest}".encode()),
        (b"docker-content-digest", digest.encode()),
    ]
    return Reply(201, None, headers)
