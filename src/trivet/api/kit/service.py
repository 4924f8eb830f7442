"""A service: one dialect as the catalog names it, with its way of saying no.

Each folder of `api/` has a `service.py` that says which one it is; the other modules of the folder, and of the
folders in it, are its resources.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from trivet.api.kit.request import Request
from trivet.api.kit.routes import Resource, Route
from trivet.api.kit.versions import Microversions
from trivet.domain.callers import Caller
from trivet.errors import TrivetError

ReplyHeaders = Callable[[str], list[tuple[bytes, bytes]]]
"""Request id -> what every answer says."""

ErrorBody = Callable[[TrivetError, str], object]
"""(error, request id) -> what becomes JSON."""


ErrorText = Callable[[TrivetError, str | None], tuple[str, str]]
"""(error, value of Accept) -> media type and text; for a service whose refusals are JSON only for who asks for that."""


def request_id_headers(id: str) -> list[tuple[bytes, bytes]]:
    """As most services tell it."""
    return [(b"x-openstack-request-id", id.encode()), (b"x-compute-request-id", id.encode())]


class Door(Protocol):
    """How callers of a service show who they are, where it is not by X-Auth-Token alone."""

    def admit(self, request: Request) -> Caller:
        """Forbidden with status 401 for who is nobody here."""
        ...

    def challenge(self, request: Request) -> str:
        """What WWW-Authenticate tells him."""
        ...


class Service:
    def __init__(
        self,
        package: str,
        *,
        name: str,
        types: tuple[str, ...],
        prefix: str,
        catalog_path: str,
        error_body: ErrorBody,
        error_text: ErrorText | None = None,
        microversions: Microversions | None = None,
        not_offered: Mapping[str, str] | None = None,
        statuses: Mapping[type[TrivetError], int] | None = None,
        reply_headers: ReplyHeaders = request_id_headers,
        door: Door | None = None,
        limits: Mapping[str, int] | None = None,
        dispensable: str = "",
        slashes_fold: bool = False,
    ) -> None:
        self.package = package
        self.name = name
        self.types = types
        """The types under which the catalog lists it; the first is the official one."""
        self.prefix = prefix
        self.catalog_path = catalog_path
        """What the catalog's URL has behind the prefix."""
        self.error_body = error_body
        self.error_text = error_text
        self.microversions = microversions
        self.door = door
        self.slashes_fold = slashes_fold
        """Its clients put two slashes where one belongs, and mean one."""
        self.not_offered = not_offered or {}
        """Beginnings of paths that clients know from elsewhere -> what they are for, which there is none of here."""

        self.limits = limits or {}
        """What the service counts, and how much of it a project may have unless somebody says otherwise."""

        self.reply_headers = reply_headers
        self._dispensable = dispensable
        """How the paths of its resources begin, which callers may leave out."""
        self._statuses = statuses or {}
        """Where the service has another one for a whole class of errors."""

    def status_of(self, error: TrivetError) -> int:
        plain = error.http_status == error.status
        return self._statuses.get(type(error), error.http_status) if plain else error.http_status

    def shortened(self, path: str) -> str | None:
        """Another path to the same; None if there is none."""
        below = self._dispensable and f"{self._dispensable}/"
        return path.removeprefix(self._dispensable) if below and path.startswith(below) else None

    def absent(self, path: str) -> str:
        """Why there is nothing at a path below this service's."""
        below = path.removeprefix(self.prefix)
        for start, what in self.not_offered.items():
            if f"{below}/".startswith(f"{start}/"):
                return f"This cloud does not offer {what}, so there is nothing at {path[:200]}."
        return f"There is nothing at {path[:200]}."

    def routes(self) -> list[Route]:
        """All that the folder declares. A module serves what its `resource` holds."""
        found: list[Route] = []
        package = importlib.import_module(self.package)
        modules = pkgutil.walk_packages(package.__path__, f"{self.package}.")
        for module in sorted(modules, key=lambda entry: entry.name):
            loaded: Any = importlib.import_module(module.name)
            resource = getattr(loaded, "resource", None)
            if isinstance(resource, Resource):
                found.extend(resource.routes)
        return found
