"""Versions of a bucket: whether what an object was is kept, and the list of what is and was."""

from trivet.api.kit.request import Reply, Request
from trivet.api.s3 import documents, door, listings, payload
from trivet.api.s3.door import Entered
from trivet.domain.objects import containers, version_lists, versions
from trivet.domain.objects.access import Right
from trivet.domain.objects.version_lists import Entry
from trivet.errors import Conflict, Invalid
from trivet.store.store import transact
from trivet.store.tx import Tx


async def show(request: Request, entered: Entered) -> Reply:
    async with request.parts.store.read() as tx:
        home = await door.bucket(tx, entered, Right.READ)
    status = "Enabled" if home.versioned else "Suspended" if home.metadata.get(versions.SUSPENDED) else None
    return documents.reply("VersioningConfiguration", [("Status", status)])


async def change(request: Request, entered: Entered) -> Reply:
    raw = await documents.whole(payload.of(request, entered.signature))
    status = (await documents.parsed(raw, "VersioningConfiguration")).said("Status")
    if status not in ("Enabled", "Suspended"):
        raise Invalid("xml.malformed", "The status of versioning is Enabled or Suspended.")

    async def act(tx: Tx) -> None:
        home = await door.bucket(tx, entered, Right.OWNER)
        if any(home.metadata.get(name) for name in (versions.STACK, versions.HISTORY)):
            raise Conflict("versioning.elsewhere", "The container keeps its versions in another one, as Swift has it.")
        await containers.describe(tx, home, {versions.SUSPENDED: "" if status == "Enabled" else "true"},
                                  versioned=status == "Enabled")  # fmt: skip

    await transact(request.parts.store, act)
    return Reply(200, b"")


async def listed(request: Request, entered: Entered) -> Reply:
    wanted = listings.asked(request)
    after = (request.asked("key-marker") or "", request.asked("version-id-marker") or "")
    async with request.parts.store.read() as tx:
        home = await door.bucket(tx, entered, Right.READ)
        found = await version_lists.page(tx, home, wanted.prefix, wanted.delimiter, after=after, most=wanted.most + 1)
    shown, more = found[: wanted.most], len(found) > wanted.most and wanted.most > 0
    said: list[tuple[str, documents.Content]] = [
        ("Name", home.name),
        ("Prefix", wanted.name(wanted.prefix)),
        ("KeyMarker", wanted.name(after[0])),
        ("VersionIdMarker", after[1]),
        ("Delimiter", wanted.name(wanted.delimiter) or None),
        ("MaxKeys", wanted.most),
        ("EncodingType", "url" if wanted.encoded else None),
        ("IsTruncated", more),
    ]
    if more:
        last = shown[-1]
        said.append(("NextKeyMarker", wanted.name(last if isinstance(last, str) else last.name)))
        said.append(("NextVersionIdMarker", None if isinstance(last, str) else last.version_id))
    for one in shown:
        if isinstance(one, str):
            said.append(("CommonPrefixes", [("Prefix", wanted.name(one))]))
        else:
            said.append(_shown(wanted, home.project_id, one))
    return documents.reply("ListVersionsResult", said)


def _shown(wanted: listings.Asked, project_id: str, one: Entry) -> tuple[str, documents.Content]:
    said: list[tuple[str, documents.Content]] = [
        ("Key", wanted.name(one.name)),
        ("VersionId", one.version_id),
        ("IsLatest", one.latest),
        ("LastModified", documents.moment(one.modified_at)),
    ]
    if not one.marker:
        said += [("ETag", f'"{one.etag}"'), ("Size", one.size), ("StorageClass", "STANDARD")]
    return "DeleteMarker" if one.marker else "Version", [*said, ("Owner", listings.owner(project_id))]
