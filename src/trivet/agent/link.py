"""The link: all that an agent needs from the rest of the cloud.

An agent holds no database credentials. In the process of `trivet up` the link is a few calls into the
domain; an agent on another machine speaks the same verbs over HTTP.
"""

from collections.abc import Collection
from typing import Protocol

from trivet.domain.servers.orders import DiskAt, ImageAt, Orders, Report


class Link(Protocol):
    async def orders(self, hosts: Collection[str], servers: Collection[str] | None = None) -> Orders:
        """Everything that is placed on these hosts (or just these servers of it)."""
        ...

    async def report(self, reports: list[Report]) -> dict[str, int]:
        """Settle the records; server id -> the revision that it has now."""
        ...

    async def confirm(self) -> None:
        """Lost if the hosts are no longer ours: asked last before something is started."""
        ...

    async def heartbeat(self, hosts: Collection[str]) -> None: ...

    async def files(self, server_id: str) -> dict[str, bytes]:
        """Metadata as files (path -> content): what a config drive holds, or what is laid into a container."""
        ...

    async def image_path(self, image: ImageAt) -> str:
        """A complete local copy."""
        ...

    async def upload(self, image_id: str, path: str, format: str) -> None:
        """Fill an expected image from a local file."""
        ...

    async def moved_disk(self, server_id: str, disk: DiskAt) -> str:
        """A complete local copy of a disk that another host has handed over."""
        ...

    async def hand_over(self, server_id: str, name: str, path: str, format: str) -> None:
        """A disk of a server that leaves, as a local file."""
        ...

    def scratch(self, name: str) -> str:
        """A path for a large temporary file of that name, which is not there yet."""
        ...
