"""World: the engines of a host whose API is elsewhere, real or simulated, as its agent's process has them."""

from typing import Protocol

from trivet.agent.engines import Engines
from trivet.agent.http_link import HttpLink
from trivet.domain.host_link.words import Facts, Registered


class World(Protocol):
    has_guests: bool
    """Which ask for their metadata."""

    @property
    def engines(self) -> Engines:
        """From the first `enter` on the same."""
        ...

    def facts(self, holder: str) -> Facts: ...

    async def enter(self, registered: Registered, link: HttpLink) -> None:
        """With each new session: take the host's place among the others, and be ready for orders."""
        ...

    async def tend(self) -> None:
        """Bring back what died."""
        ...

    async def leave(self) -> None:
        """At the end: nothing of ours stays behind on the machine, but what is to start again with it."""
        ...
