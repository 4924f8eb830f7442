"""Links: an object that stands for another one, of the same account or not."""

from trivet.api.kit.request import Request
from trivet.api.object import door, wire
from trivet.domain.objects import objects
from trivet.domain.objects.access import Right
from trivet.domain.objects.containers import Container
from trivet.domain.objects.objects import Content, Object, Place
from trivet.errors import Conflict, Invalid
from trivet.store.tx import Tx

TARGET, ACCOUNT = objects.LINK, objects.LINK_ACCOUNT
HEADERS = (TARGET, ACCOUNT)
HOPS_MAX = 2


async def followed(
    tx: Tx, request: Request, place: Place, home: Container, found: Object
) -> tuple[Place, Container, Object]:
    """Where the link leads, if it is one and is not asked for itself."""
    if TARGET not in found.metadata or request.asked("symlink") == "get":
        return place, home, found
    for _ in range(HOPS_MAX):
        account = found.metadata.get(ACCOUNT) or f"AUTH_{place.project_id}"
        place = wire.named(account, *wire.object_path(found.metadata[TARGET], "X-Symlink-Target"))
        target_home, target = await objects.find_both(tx, place)
        await door.check_object(tx, request, place, target_home, Right.READ)
        if target_home is None or target is None:
            raise objects.absent()
        home, found = target_home, target
        if TARGET not in found.metadata:
            return place, home, found
    raise Conflict("link.loop", "Too many levels of symbolic links, maximum allowed is 2")


async def check(request: Request, place: Place, wanted: Content, length: int | None) -> None:
    if length != 0:
        raise Invalid("link.body", "Symlink requests require a zero byte body")
    container, name = wire.object_path(wanted.metadata[TARGET], "X-Symlink-Target")
    account = wanted.metadata.get(ACCOUNT, "")
    if (container, name) == (place.container, place.name) and account in ("", f"AUTH_{place.project_id}"):
        raise Invalid("link.itself", "Symlink cannot target itself")
