"""Form posts."""

from trivet.api.kit.request import Reply, Request
from trivet.domain.objects.objects import Place
from trivet.errors import Invalid


async def take(request: Request, place: Place) -> Reply:
    raise Invalid("form", "not yet")
