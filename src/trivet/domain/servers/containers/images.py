"""Images of containers, found by what people call them: an id, a name of this cloud's, NAME:TAG as registries say it.

By a name the caller finds his own first, then what operators made public or somebody shared with him and he took.
What others merely offer to everybody is found by its id: else whoever calls his image `nginx` would run everywhere.
"""

from trivet.domain.callers import Caller
from trivet.domain.images import images, lists
from trivet.domain.images.images import Image
from trivet.domain.images.lists import Query
from trivet.errors import Conflict, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.lists import Asked
from trivet.store.tx import Tx

_MOST = 100
_LATEST = ":latest"


async def find(tx: Tx, caller: Caller, named: str) -> Image:
    if is_uuid(named):
        try:
            return _usable(named, [await images.visible(tx, caller, named)])
        except NotFound as error:
            raise absent(named) from error
    found: list[Image] = []
    for name in _names(named):
        found += await lists.find(tx, caller, Query(filters=[("name", name), ("status", "active")]), _asked(named))
    return _usable(named, _nearest(caller, [image for image in found if image.name in _names(named)]))


def absent(named: str) -> Invalid:
    return Invalid(
        "image.absent",
        f"Image {named[:255]} could not be found. Containers run images of this cloud: push it to its registry, or "
        "upload it as an archive with container_format docker.",
    )


def _names(named: str) -> tuple[str, ...]:
    """Without a tag, `latest` is meant."""
    last = named.rpartition("/")[2]
    if ":" not in last:
        return named, named + _LATEST
    return (named, named.removesuffix(_LATEST)) if named.endswith(_LATEST) else (named,)


def _nearest(caller: Caller, found: list[Image]) -> list[Image]:
    for near in (
        [image for image in found if caller.owns(image.project_id)],
        [image for image in found if image.visibility == "public"],
    ):
        if near:
            return near
    return found


def _usable(named: str, found: list[Image]) -> Image:
    fitting = [image for image in found if image.is_oci]
    if not fitting:
        if found:
            raise Invalid(
                "image.not_container", f"Image {named[:255]} is for machines that boot a disk, not for containers."
            )
        raise absent(named)
    if len(fitting) > 1:
        raise Conflict("image.ambiguous", "Multiple images exist with same name. Please use the image's id instead.")
    return fitting[0]


def _asked(named: str) -> Asked:
    return Asked(sort=(("created_at", True), ("id", True)), limit=_MOST, absent=absent)
