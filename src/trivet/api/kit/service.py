"""A service: one dialect as the catalog names it, with its way of saying no.

Each folder of `api/` has a `service.py` that says which one it is; the other modules of the folder, and of the
folders in it, are its resources.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from trivet.api.kit.routes import Resource, Route
from trivet.api.kit.versions import Microversions
from trivet.errors import TrivetError

ErrorBody = Callable[[TrivetError, str], object]
"""(error, request id) -> what becomes JSON."""


ErrorText = Callable[[TrivetError, str | None], tuple[str, str]]
"""(error, value of Accept) -> media type and text; for a service whose refusals are JSON only for who asks for that."""


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
