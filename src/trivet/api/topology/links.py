"""/v1/topology/links: on which cards, switches and power feeds something stands."""

from typing import Annotated, Any

import msgspec

from trivet.api.kit import lists
from trivet.api.kit.bodies import Body
from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Resource
from trivet.clock import iso
from trivet.domain.causes import links
from trivet.domain.causes.links import Link, Wanted
from trivet.domain.causes.words import NAME_MAX
from trivet.errors import Invalid
from trivet.store.where import Where

resource = Resource()
_SPELLING = lists.Spelling(
    limit=1000,
    limit_max=1000,
    wrong=lambda name, said: Invalid("query.invalid", f"{name} must be a whole number, not {said[:32]!r}."),
    absent=lambda marker: Invalid("marker.absent", f"There is no link {marker[:64]}."),
)


class SaidLink(Body, frozen=True, kw_only=True):
    component: Annotated[str, msgspec.Meta(max_length=NAME_MAX)]
    redundant: bool = False


class LinksBody(Body, frozen=True, kw_only=True):
    stands_on: Annotated[tuple[SaidLink, ...], msgspec.Meta(max_length=links.ONE_MOST)]


@resource.on("GET", "/links", may="operator")
async def index(request: Request) -> Reply:
    """`component` and `stands_on` narrow it."""
    where = Where()
    for name in ("component", "stands_on"):
        if (said := request.asked(name)) is not None:
            where.equal(name, said)
    found = await links.page(request.tx, where, lists.asked(request, _SPELLING, links.IN_ORDER))
    return Reply(200, {"links": [_view(link) for link in found]})


@resource.on("PUT", "/links/{component}", may="operator")
async def declare(request: Request) -> Reply:
    """All of one component's at once; none takes them away."""
    said = request.read(LinksBody).stands_on
    wanted = tuple(Wanted(stands_on=one.component, redundant=one.redundant) for one in said)
    found = await links.declare(request.tx, request.values["component"], wanted)
    return Reply(200, {"links": [_view(link) for link in found]})


def _view(link: Link) -> dict[str, Any]:
    return {
        "id": link.id,
        "component": link.component,
        "stands_on": link.stands_on,
        "redundant": link.redundant,
        "created_at": iso(link.created_at),
    }
