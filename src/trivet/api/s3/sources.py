"""Sources: the object, or the version of it, that is read."""

from urllib.parse import unquote

from trivet.api.kit.request import Request
from trivet.api.s3 import door, headers
from trivet.api.s3.door import Entered
from trivet.domain.objects import containers, objects, version_acts, versions
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Object, Place
from trivet.domain.objects.versions import NULL
from trivet.errors import Invalid, NotFound


async def found(request: Request, entered: Entered, place: Place, version_id: str | None) -> tuple[Container, Object]:
    async with request.parts.store.read() as tx:
        home, here = await objects.find_both(tx, place)
        await door.check(tx, entered, home, Right.READ)
        if home is None:
            raise containers.absent()
        if version_id is not None and (here is None or (here.version_id or NULL) != version_id):
            kept = await versions.find(tx, home, place.name, version_id)
            if kept is not None and kept.marker:
                raise Invalid("method.not_allowed", "The version is a mark of the deletion.", status=405)
            here = version_acts.as_object(kept) if kept is not None else None
            if here is None:
                raise NotFound("version.absent", "The specified version does not exist.")
    if here is None:
        raise objects.absent()
    return home, here


async def of_copy(request: Request, entered: Entered) -> tuple[Place, Object]:
    """BUCKET/KEY?versionId=..., of the same project, if it still is as the client thinks."""
    said = request.header("x-amz-copy-source") or ""
    path, _, query = said.partition("?")
    source = door.named(entered.place.project_id, unquote(path).removeprefix("/"))
    version_id = query.removeprefix("versionId=") if query.startswith("versionId=") else None
    if not source.container or not source.name:
        raise Invalid("copy.source", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    _, here = await found(request, entered, source, version_id)
    headers.check_source(request, here)
    return source, here
