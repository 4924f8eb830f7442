"""/v2/NAME/manifests, tags, referrers and the catalog: what there is to pull, and what is pushed and deleted."""

from urllib.parse import urlencode

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.domain.numbers import whole_number
from trivet.domain.registry import access, adoption, documents, manifests, names, pushes
from trivet.domain.registry import lists as registry_lists
from trivet.domain.registry.manifests import Manifest
from trivet.domain.registry.pushes import Sent
from trivet.errors import Invalid, NotFound
from trivet.store.store import transact

resource = Resource()

_PAGE = 1000


@resource.on("GET", "/{repository:path}/manifests/{reference}", may="reader", tx="none")
async def pull(request: Request) -> Reply:
    path, reference = request.values["repository"], request.values["reference"]
    try:
        found = await _found(request, path, reference)
    except NotFound:
        if not await adoption.adopt(request.parts, request.caller, path, reference):
            raise
        found = await _found(request, path, reference)
    text = await pushes.text_of(request.parts, found)
    if ":" not in reference and not _reads(request, found.media_type) and found.media_type in documents.INDEXES:
        found, text = await _part(request, path, found, text)
    headers = [(b"docker-content-digest", found.digest.encode()), (b"etag", f'"{found.digest}"'.encode())]
    return Reply(200, text, headers, content_type=found.media_type)


async def _found(request: Request, path: str, reference: str) -> Manifest:
    async with request.parts.store.read() as tx:
        return await manifests.pulled(tx, request.caller, path, reference)


def _reads(request: Request, media_type: str) -> bool:
    accept = request.header("accept")
    kinds = [item.partition(";")[0].strip() for item in (accept or "*/*").split(",")]
    return any(kind in (media_type, "*/*", "application/*") for kind in kinds)


async def _part(request: Request, path: str, index: Manifest, text: bytes) -> tuple[Manifest, bytes]:
    """For who reads no indexes: the image in it for this cloud's hosts."""
    chosen = documents.for_platform(documents.read(text, index.media_type), pushes.architecture())
    if chosen is None:
        return index, text
    async with request.parts.store.read() as tx:
        found = await manifests.pulled(tx, request.caller, path, chosen.digest)
    return found, await pushes.text_of(request.parts, found)


@resource.on("PUT", "/{repository:path}/manifests/{reference}", may="member", tx="none", body_max=documents.SIZE_MAX)
async def push(request: Request) -> Reply:
    path, reference = request.values["repository"], request.values["reference"]
    kind = request.header("content-type") or ""
    done = await pushes.push(request.parts, request.caller, Sent(path, reference, request.body, kind))
    headers = [
        (b"location", f"{request.url}/{path}/manifests/{done.digest}".encode()),
        (b"docker-content-digest", done.digest.encode()),
    ]
    if done.subject is not None:
        headers.append((b"oci-subject", done.subject.encode()))
    return Reply(201, None, headers)


@resource.on("DELETE", "/{repository:path}/manifests/{reference}", may="member", tx="none")
async def delete(request: Request) -> Reply:
    path, reference = request.values["repository"], request.values["reference"]
    keys = await transact(request.parts.store, lambda tx: manifests.delete(tx, request.caller, path, reference))
    for key in keys:
        await request.parts.blobs.remove(key)
    return Reply(202)


@resource.on("GET", "/{repository:path}/tags/list", may="reader")
async def tags(request: Request) -> Reply:
    path, limit = request.values["repository"], _limit(request)
    found = await registry_lists.tags(request.tx, request.caller, path, request.asked("last") or "", limit + 1)
    page = found[:limit]
    more = len(found) > limit and page
    headers = [_next(request, f"{path}/tags/list", n=limit, last=page[-1])] if more else []
    return Reply(200, {"name": path, "tags": page}, headers)


@resource.on("GET", "/{repository:path}/referrers/{digest}", may="reader")
async def referrers(request: Request) -> Reply:
    path, digest = request.values["repository"], names.digest(request.values["digest"])
    kind, last = request.asked("artifactType"), request.asked("last") or ""
    found = await registry_lists.referrers(
        request.tx, request.caller, registry_lists.ReferrersPage(path, digest, kind, last)
    )
    headers = [(b"oci-filters-applied", b"artifactType")] if kind is not None else []
    if found.more:
        said = {"artifactType": kind} if kind is not None else {}
        headers.append(_next(request, f"{path}/referrers/{digest}", **said, last=found.found[-1].digest))
    index = {
        "schemaVersion": 2,
        "mediaType": documents.OCI_INDEX,
        "manifests": [_described(manifest) for manifest in found.found],
    }
    return Reply(200, index, headers, content_type=documents.OCI_INDEX)


def _described(manifest: Manifest) -> dict[str, object]:
    found: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.size,
    }
    if manifest.artifact_type is not None:
        found["artifactType"] = manifest.artifact_type
    if manifest.annotations:
        found["annotations"] = manifest.annotations
    return found


@resource.on("GET", "/_catalog", may="token", decides="oneself")
async def catalog(request: Request) -> Reply:
    limit = _limit(request)
    projects = await access.viewers(request.tx, request.caller)
    found = await registry_lists.catalog(request.tx, projects, request.asked("last") or "", limit + 1)
    page = found[:limit]
    headers = [_next(request, "_catalog", n=limit, last=page[-1])] if len(found) > limit and page else []
    return Reply(200, {"repositories": page}, headers)


def _limit(request: Request) -> int:
    text = request.asked("n")
    if text is None:
        return _PAGE
    number = whole_number(text)
    if number is None:
        raise Invalid("query.limit", f"n is a whole number of 0 or more, not {text[:64]!r}.")
    return min(number, _PAGE)


def _next(request: Request, path: str, **query: object) -> tuple[bytes, bytes]:
    return b"link", f'</v2/{path}?{urlencode(query)}>; rel="next"'.encode()
