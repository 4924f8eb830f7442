"""Pages of hosts: by name, from a marker on."""

from trivet.api.kit import lists
from trivet.api.kit.request import Request
from trivet.domain.hosts.hosts import HOSTS, Host
from trivet.errors import Invalid
from trivet.store import lists as store_lists
from trivet.store.where import Where

SPELLING = lists.Spelling(
    limit=1000,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be a whole number, not {said[:32]!r}."),
    absent=lambda marker: Invalid("marker.absent", f"There is no host {marker[:64]}."),
)


async def of_hosts(request: Request) -> list[Host]:
    asked = lists.asked(request, SPELLING, (("name", False), ("id", False)))
    return await store_lists.page(request.tx, HOSTS, Where(), asked, seen=Where())
