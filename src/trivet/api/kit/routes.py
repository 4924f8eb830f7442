"""Routes: a path, a method, who may call it, and the handler, declared together.

    resource = Resource()

    @resource.on("GET", "/servers/{server_id}", may="reader")
    async def show(request: Request) -> Reply: ...

    @resource.action("/servers/{server_id}/action", "os-stop", may="member")
    async def stop(request: Request) -> Reply: ...

Matching walks a tree of path segments: one dictionary look-up a segment, however many routes there are.
"""

from collections.abc import Awaitable, Callable
from typing import Literal, Required, TypedDict

import msgspec

from trivet.api.kit import versions
from trivet.api.kit.callers import Decision, Policy
from trivet.api.kit.request import Reply, Request

Handler = Callable[[Request], Awaitable[Reply]]
Seen = Callable[[Request], Awaitable[object]]
Transaction = Literal["read", "write", "none"]

_ALWAYS = 1_000_000

BODY_MAX = 112 << 10
"""As with OpenStack's own services. Reading a body is the longest piece of work that nobody cuts, so what a tenant, or
anybody at all, may say at once is bounded by the route."""
LONG_BODY_MAX = 256 << 10
"""Of the routes that take many things or files at once; they say so."""
OURS_BODY_MAX = 1 << 20
"""Of routes that only operators, services and hosts may call."""
_OURS: frozenset[Policy] = frozenset(("admin", "operator", "service", "host"))


class Route(msgspec.Struct, frozen=True):
    method: str
    path: str
    may: Policy
    decides: Decision | None
    """What decides who may use the route, where `may` is token."""
    handler: Handler
    tx: Transaction
    since: int
    until: int
    action: str | None
    """The one key of the body that chooses this route, if it is POST .../action."""
    stream: bool
    """The handler reads the body itself, in chunks."""
    body_max: int
    seen: Seen | None = None


class Declared(TypedDict, total=False):
    """All that a declaration says besides method and path, for a dialect that adds something of its own."""

    may: Required[Policy]
    decides: Decision | None
    tx: Transaction | None
    since: str | None
    until: str | None
    stream: bool
    body_max: int | None
    action: str | None


class Resource:
    """What one file of a dialect serves.

    `seen` looks for what a path names by `names`, and raises NotFound where the caller does not see it: then that is
    what somebody hears who may not do a thing anyway, and not that it is forbidden to do it to this one.
    """

    def __init__(self, *, names: str = "", seen: Seen | None = None) -> None:
        self.routes: list[Route] = []
        self._names = names
        self._seen = seen

    def on(
        self,
        method: str,
        path: str,
        *,
        may: Policy,
        decides: Decision | None = None,
        tx: Transaction | None = None,
        since: str | None = None,
        until: str | None = None,
        stream: bool = False,
        body_max: int | None = None,
        action: str | None = None,
    ) -> Callable[[Handler], Handler]:
        """`tx`: by default GET reads and everything else writes, in one transaction around the handler.

        A writing handler may run again from its start when it lost a race, so it touches nothing but the
        transaction; one that talks to the outside says tx="none" and opens its own. `body_max` in bytes, by default
        what fits who may call it.
        """

        assert (decides is not None) == (may == "token"), f"{method} {path}: {may} does not say who decides"

        def declare(handler: Handler) -> Handler:
            self.routes.append(
                Route(
                    method=method,
                    path=path,
                    may=may,
                    decides=decides,
                    handler=handler,
                    tx=tx or ("read" if method in ("GET", "HEAD") else "write"),
                    since=versions.number(since) if since else 0,
                    until=versions.number(until) if until else _ALWAYS,
                    action=action,
                    stream=stream,
                    body_max=body_max or (OURS_BODY_MAX if may in _OURS else BODY_MAX),
                    seen=self._seen if f"{{{self._names}}}" in path else None,
                )
            )
            return handler

        return declare

    def action(
        self,
        path: str,
        name: str,
        *,
        may: Policy,
        tx: Transaction | None = None,
        since: str | None = None,
        until: str | None = None,
        body_max: int | None = None,
    ) -> Callable[[Handler], Handler]:
        return self.on("POST", path, may=may, tx=tx, since=since, until=until, body_max=body_max, action=name)


class Node:
    """One segment of the tree. `here` holds the routes that end at it, by method."""

    __slots__ = ("children", "here", "name", "prefix", "rest", "wild")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.wild: Node | None = None
        self.name = ""
        self.rest: Node | None = None
        """Of {name:path}: takes all that is left, slashes included, or all up to where the rest of a route begins."""
        self.here: dict[str, list[Route]] = {}
        self.prefix = ""
        """The prefix of the service whose routes end here."""

    def add(self, route: Route, prefix: str) -> None:
        node = self
        for segment in (prefix + route.path).strip("/").split("/"):
            if segment.endswith(":path}"):
                node.rest = node.rest or Node()
                node.rest.name = segment[1:-6]
                node = node.rest
            elif segment.startswith("{"):
                node.wild = node.wild or Node()
                assert node.wild.name in ("", segment[1:-1]), f"{route.path}: two names for one segment"
                node.wild.name = segment[1:-1]
                node = node.wild
            elif segment:
                node = node.children.setdefault(segment, Node())
        node.prefix = prefix
        same = node.here.setdefault(route.method, [])
        for other in same:
            overlap = other.action == route.action and other.since <= route.until and route.since <= other.until
            assert not overlap, f"{route.method} {prefix}{route.path} is declared twice"
        same.append(route)

    def find(self, path: str, values: dict[str, str]) -> "Node | None":
        """The node for `path`; literal segments win over names. A trailing slash does not matter."""
        segments = path.strip("/").split("/") if path.strip("/") else []
        return self._walk(segments, 0, values)

    def _walk(self, segments: list[str], at: int, values: dict[str, str]) -> "Node | None":
        if at == len(segments):
            return self if self.here else None
        child = self.children.get(segments[at])
        if child is not None:
            found = child._walk(segments, at + 1, values)
            if found is not None:
                return found
        if self.wild is not None and segments[at]:
            found = self.wild._walk(segments, at + 1, values)
            if found is not None:
                values[self.wild.name] = segments[at]
                return found
        return self.rest._walk_from_end(segments, at, values) if self.rest is not None else None

    def _walk_from_end(self, segments: list[str], at: int, values: dict[str, str]) -> "Node | None":
        """What comes behind takes no more than it must: a name may hold the words that may follow it."""
        for end in range(len(segments) - 1, at, -1) if self.children else ():
            child = self.children.get(segments[end])
            found = child._walk(segments, end + 1, values) if child is not None else None
            if found is not None:
                values[self.name] = "/".join(segments[at:end])
                return found
        if not self.here:
            return None
        values[self.name] = "/".join(segments[at:])
        return self
