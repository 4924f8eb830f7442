"""Web pages."""

from trivet.api.kit.request import Reply, Request
from trivet.domain.objects.objects import Place


async def of_container(request: Request, place: Place) -> Reply | None:
    return None


async def of_object(request: Request, place: Place, error: Exception) -> Reply | None:
    return None
