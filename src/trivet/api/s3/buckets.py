"""/{bucket}: made, seen, listed, emptied of many at once, and deleted."""

import asyncio
from collections.abc import Awaitable, Callable

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.api.s3 import documents, door, listings, multipart, payload, versions
from trivet.api.s3.door import Entered
from trivet.api.s3.service import word_of
from trivet.domain.objects import acts, containers, deletions, listing
from trivet.domain.objects.access import Right
from trivet.domain.objects.objects import Place
from trivet.errors import Busy, Conflict, Invalid, TrivetError
from trivet.store.store import transact
from trivet.store.tx import Tx

resource = Resource()
_PATH = "/{bucket}"
_DELETES_MAX = 1000
_NONE_SUCH = {
    "lifecycle": "subresource.lifecycle",
    "policy": "subresource.policy",
    "policyStatus": "subresource.policy",
    "cors": "subresource.cors",
    "encryption": "subresource.encryption",
    "tagging": "subresource.tagging",
    "website": "subresource.website",
    "object-lock": "subresource.object_lock",
    "publicAccessBlock": "subresource.public_access",
}
"""What a bucket may have elsewhere, and has not here: told as of one that nobody gave it."""
_EMPTY = {
    "logging": "BucketLoggingStatus",
    "notification": "NotificationConfiguration",
    "accelerate": "AccelerateConfiguration",
    "replication": "ReplicationConfiguration",
}
_SETTINGS = (*_NONE_SUCH, *_EMPTY, "requestPayment", "ownershipControls", "inventory", "metrics", "analytics",
             "intelligent-tiering")  # fmt: skip


def not_offered() -> Invalid:
    return Invalid("s3.not_offered", "A header or query you provided implies functionality that is not implemented.")


@resource.on("HEAD", _PATH, may="shared", tx="none", stream=True)
async def head(request: Request) -> Reply:
    entered = await door.enter(request)
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, Right.READ)
    return Reply(200, b"", [(b"x-amz-bucket-region", request.parts.settings.region.encode())])


@resource.on("GET", _PATH, may="shared", tx="none", stream=True)
async def get(request: Request) -> Reply:
    entered = await door.enter(request)
    for word, show in _SHOWN.items():
        if request.asked(word) is not None:
            return await show(request, entered)
    async with request.parts.store.read() as tx:
        home = await door.bucket(tx, entered, Right.READ)
        for word, code in _NONE_SUCH.items():
            if request.asked(word) is not None:
                raise Invalid(code, f"The bucket has no {word} configuration.", status=404)
        for word, name in _EMPTY.items():
            if request.asked(word) is not None:
                return documents.reply(name, [])
        if any(request.asked(word) is not None for word in _SETTINGS):
            raise not_offered()
        wanted = listings.asked(request)
        found = await listing.of_container(tx, home, wanted.page())
    return listings.of_objects(request, home, wanted, found)


async def _location(request: Request, entered: Entered) -> Reply:
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, Right.READ)
    return documents.reply("LocationConstraint", "")


async def _acl(request: Request, entered: Entered) -> Reply:
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, Right.READ)
    return acl(entered)


def acl(entered: Entered) -> Reply:
    """The owner has it all. Who else may is said in Swift's words, which S3 has none for."""
    id = entered.place.project_id
    grantee = f'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">\
<ID>{id}</ID><DisplayName>{id}</DisplayName></Grantee>'
    owner = f"<Owner><ID>{id}</ID><DisplayName>{id}</DisplayName></Owner>"
    grant = f"<AccessControlList><Grant>{grantee}<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
    text = f'<AccessControlPolicy xmlns="{documents.XMLNS}">{owner}{grant}</AccessControlPolicy>'
    return Reply(200, text.encode(), content_type="application/xml")


_SHOWN: dict[str, Callable[[Request, Entered], Awaitable[Reply]]] = {
    "location": _location,
    "acl": _acl,
    "versioning": versions.show,
    "versions": versions.listed,
    "uploads": multipart.listed,
}


@resource.on("PUT", _PATH, may="shared", tx="none", stream=True)
async def put(request: Request) -> Reply:
    entered = await door.enter(request)
    if request.asked("versioning") is not None:
        return await versions.change(request, entered)
    if request.asked("acl") is not None:
        return await private(request, entered)
    if any(request.asked(word) is not None for word in _SETTINGS):
        raise not_offered()
    check_private(request)
    door.check_new_bucket(entered.place.container)
    # A region may be said in the body; there is one.
    await documents.whole(payload.of(request, entered.signature))

    async def act(tx: Tx) -> bool:
        there = await containers.find(tx, entered.place.project_id, entered.place.container)
        await door.check(tx, entered, there, Right.OWNER)
        return await containers.put(tx, entered.place.project_id, entered.place.container, {})

    if not await transact(request.parts.store, act):
        raise Conflict("bucket.exists", "The bucket you tried to create already exists, and you own it.")
    return Reply(200, b"", [(b"location", f"/{entered.place.container}".encode())])


def check_private(request: Request) -> None:
    said = request.header("x-amz-acl") or "private"
    grants = any(name.startswith(b"x-amz-grant-") for name in request.headers)
    if said not in ("private", "bucket-owner-full-control", "bucket-owner-read") or grants:
        raise Invalid("acl.not_offered", "Access lists are Swift's here: see X-Container-Read and X-Container-Write.")


async def private(request: Request, entered: Entered) -> Reply:
    """PUT ?acl that says what is so anyway."""
    check_private(request)
    if await documents.whole(payload.of(request, entered.signature)):
        raise Invalid("acl.not_offered", "Access lists are Swift's here: see X-Container-Read and X-Container-Write.")
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, Right.OWNER)
    return Reply(200, b"")


@resource.on("DELETE", _PATH, may="shared", tx="none", stream=True)
async def delete(request: Request) -> Reply:
    entered = await door.enter(request)
    place = entered.place
    if any(request.asked(word) is not None for word in (*_NONE_SUCH, "acl", "versioning")):
        async with request.parts.store.read() as tx:
            await door.bucket(tx, entered, Right.OWNER)
        return Reply(204)

    async def emptied(tx: Tx) -> bool:
        """What uploads have left beside it goes first; whether there is more."""
        await deletions.refuse_full(tx, await door.bucket(tx, entered, Right.OWNER))
        return await deletions.clear_beside(tx, place)

    async def act(tx: Tx) -> None:
        await door.bucket(tx, entered, Right.OWNER)
        await acts.delete_container(tx, place)

    while await transact(request.parts.store, emptied):
        pass
    await transact(request.parts.store, act)
    return Reply(204)


# -- many at once


@resource.on("POST", _PATH, may="shared", tx="none", stream=True)
async def post(request: Request) -> Reply:
    entered = await door.enter(request)
    if request.asked("delete") is None:
        raise not_offered()
    raw = await documents.whole(payload.of(request, entered.signature))
    said = await documents.parsed(raw, "Delete")
    wanted = [(one.said("Key"), one.said("VersionId") or None) for one in said.all("Object")]
    if not 0 < len(wanted) <= _DELETES_MAX or not all(key for key, _ in wanted):
        raise Invalid("xml.malformed", f"Between one and {_DELETES_MAX} keys are deleted at once.")
    async with request.parts.store.read() as tx:
        await door.bucket(tx, entered, Right.WRITE)
    told: list[tuple[str, documents.Content]] = []
    quiet = said.said("Quiet").lower() == "true"
    for key, version_id in wanted:
        place = Place(entered.place.project_id, entered.place.container, key)
        # There may be a thousand: others' requests go between.
        await asyncio.sleep(0)
        outcome = await _delete_one(request, place, version_id)
        if outcome[0] == "Error" or not quiet:
            told.append(outcome)
    return documents.reply("DeleteResult", told)


async def _delete_one(request: Request, place: Place, version_id: str | None) -> tuple[str, documents.Content]:
    try:
        gone = await transact(request.parts.store, lambda tx: deletions.delete(tx, place, version_id))
    except Busy:
        raise
    except TrivetError as error:
        word, _ = word_of(error)
        return "Error", [("Key", place.name), ("VersionId", version_id), ("Code", word), ("Message", error.message)]
    marked = [("DeleteMarker", True), ("DeleteMarkerVersionId", gone.marker_id)] if gone.marker_id else []
    return "Deleted", [("Key", place.name), ("VersionId", version_id), *marked]
