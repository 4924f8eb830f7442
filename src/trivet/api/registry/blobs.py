"""/v2/NAME/blobs: layers and configurations, pulled whole or in part, looked for, and taken out."""

import re

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.registry import blobs, manifests, names, repositories
from trivet.domain.registry.blobs import Blob
from trivet.domain.registry.repositories import Repository
from trivet.errors import Invalid

resource = Resource()

_RANGE = re.compile(r"^bytes=([0-9]{1,18})-([0-9]{0,18})$")


@resource.on("GET", "/{repository:path}/blobs/{digest}", may="reader", tx="none")
async def pull(request: Request) -> Reply:
    repository, blob = await _found(request)
    if request.method == "HEAD" and request.caller.owns(repository.project_id):
        await blobs.touch(request.parts, repository, blob.digest)
    headers = [
        (b"docker-content-digest", blob.digest.encode()),
        (b"etag", f'"{blob.digest}"'.encode()),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=31536000"),
    ]
    span = _asked_range(request, blob.size)
    if span is None:
        headers.append((b"content-length", str(blob.size).encode()))
        return Reply(200, await blobs.read(request.parts, blob), headers)
    first, last = span
    length = last - first + 1
    headers += [
        (b"content-length", str(length).encode()),
        (b"content-range", f"bytes {first}-{last}/{blob.size}".encode()),
    ]
    return Reply(206, await blobs.read(request.parts, blob, first, length), headers)


async def _found(request: Request) -> tuple[Repository, Blob]:
    path, digest = request.values["repository"], names.digest(request.values["digest"])
    async with request.parts.store.read() as tx:
        repository = await repositories.find(tx, path)
        if repository is None or not await manifests.sees_any(tx, request.caller, repository):
            raise repositories.absent(path)
        blob = await blobs.in_repository(tx, repository, digest)
        if blob is None or not await manifests.sees_blob(tx, request.caller, repository, digest):
            raise blobs.absent(digest)
        return repository, blob


def _asked_range(request: Request, size: int) -> tuple[int, int] | None:
    asked = request.header("range")
    match = _RANGE.match(asked.strip()) if asked else None
    if match is None:
        # Several ranges, or none that can be read: the whole is always right.
        return None
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if first > last:
        raise Invalid("range.unsatisfiable", f"The range does not lie within {size} bytes.", status=416)
    return first, last


@resource.on("DELETE", "/{repository:path}/blobs/{digest}", may="member")
async def delete(request: Request) -> Reply:
    repository = await repositories.need_own(request.tx, request.caller, request.values["repository"])
    await blobs.unlink(request.tx, request.caller, repository, names.digest(request.values["digest"]))
    return Reply(202)
