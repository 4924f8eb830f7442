"""Many at once: names that are to be deleted, an archive that is to be unpacked, a large object with its segments."""

from trivet.api.kit.request import Reply, Request
from trivet.domain.objects.objects import Object, Place
from trivet.errors import Invalid


async def delete(request: Request) -> Reply:
    raise Invalid("bulk", "not yet")


async def extract(request: Request) -> Reply:
    raise Invalid("bulk", "not yet")


async def delete_large(request: Request, place: Place, there: Object) -> Reply:
    raise Invalid("bulk", "not yet")
