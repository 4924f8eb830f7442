"""Paths of the block-storage API: with the project in them, as they were for long, or without, as they are since 3.67.

The project in the path must be the token's; it grants nothing.
"""

from collections.abc import Callable
from typing import Unpack

from trivet.api.kit.request import Reply, Request
from trivet.api.kit.routes import Declared, Handler, Resource
from trivet.errors import Invalid


class VolumeResource(Resource):
    """What one file serves, under both paths."""

    def on(self, method: str, path: str, **declared: Unpack[Declared]) -> Callable[[Handler], Handler]:
        plain = super().on(method, f"/v3{path}", **declared)
        of_project = super().on(method, f"/v3/{{project_id}}{path}", **declared)

        def declare(handler: Handler) -> Handler:
            async def checked(request: Request) -> Reply:
                if request.values["project_id"] != request.caller.project_id:
                    raise Invalid("path.other_project", "Malformed request url")
                return await handler(request)

            plain(handler)
            of_project(checked)
            return handler

        return declare


def links(request: Request, collection: str, id: str) -> list[dict[str, str]]:
    base = base_of(request)
    return [
        {"rel": "self", "href": f"{base}/{collection}/{id}"},
        {"rel": "bookmark", "href": f"{base.replace('/v3', '', 1)}/{collection}/{id}"},
    ]


def base_of(request: Request) -> str:
    """As the client came."""
    project_id = request.values.get("project_id")
    return f"{request.url}/v3/{project_id}" if project_id else f"{request.url}/v3"
