"""A call goes on to the engine, and its answer comes back.

The engine has its own rules about who may do what with which machine, and they are kept by it: operators everything,
owners and lessees what is theirs, others nothing. What of that is this cloud's own business is refused before
(owners.py). It believes who asks because we say so; nothing of what a client
says about himself reaches it. Links in its answers are right because it hears how the client reached us.
"""

from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

from trivet.api.baremetal import owners
from trivet.api.kit.request import Reply, Request
from trivet.domain.callers import Caller
from trivet.drivers.contracts.errors import DriverError
from trivet.drivers.contracts.upstream import Answer, Upstream
from trivet.errors import Busy, Invalid, NotFound

_ASKED = ("accept", "content-type", "openstack-api-version", "x-openstack-ironic-api-version")
_TOLD = (b"location", b"vary", b"retry-after")
_VERSIONS = b"x-openstack-ironic-api-"
"""Headers that go there, and that come back. Whoever asks is named by us alone."""
_AT_ONCE_MAX = 256 << 10
"""What is not longer is given in one piece, with its length."""
_BODILESS = (204, 304)


async def forward(request: Request) -> Reply:
    upstream = request.parts.metal
    if upstream is None:
        raise NotFound("metal.absent", "This cloud has no engine for physical machines; its operator may set one up.")
    who = identity(request.caller) if request.caller.user_id else None
    owners.check(request)
    async with request.parts.metal_places.place(request.caller.project_id or request.caller.user_id):
        answer, begun, whole = await _asked(upstream, request, who)
    told = [(name, value) for name, value in answer.headers if name in _TOLD or name.startswith(_VERSIONS)]
    kind = next((value.decode("latin-1") for name, value in answer.headers if name == b"content-type"), None)
    if request.method == "HEAD" or answer.status in _BODILESS:
        await answer.close()
        return Reply(answer.status, None, told)
    return Reply(answer.status, begun if whole else _rest(begun, answer), told, content_type=kind)


async def _asked(upstream: Upstream, request: Request, who: list[tuple[str, str]] | None) -> tuple[Answer, bytes, bool]:
    """The answer, what of it came at once, and whether that is all."""
    below = request.path.removeprefix("/baremetal") or "/"
    if any(segment in (".", "..") for segment in below.split("/")):
        raise NotFound("route.absent", "There is nothing at this path.")
    target = quote(below, safe="/@:,;=+$!*'()~")
    if request.query_string:
        target += "?" + request.query_string.decode("latin-1")
    headers = [(name, value) for name in _ASKED if (value := request.header(name)) is not None]
    method = "GET" if request.method == "HEAD" else request.method
    try:
        answer = await upstream.ask(method, target, headers + _reached(request), request.body, who)
        begun = bytearray()
        async for chunk in answer.chunks:
            begun += chunk
            if len(begun) > _AT_ONCE_MAX:
                return answer, bytes(begun), False
    except ValueError as error:
        raise Invalid("request.unspeakable", "Something in the address or the headers cannot be passed on.") from error
    except DriverError as error:
        raise Busy("metal.away", f"{error.why} It is started again by itself; try again in a moment.") from error
    return answer, bytes(begun), True


async def _rest(begun: bytes, answer: Answer) -> AsyncIterator[bytes]:
    try:
        yield begun
        async for chunk in answer.chunks:
            yield chunk
    finally:
        await answer.close()


def _reached(request: Request) -> list[tuple[str, str]]:
    """For the links in the answer."""
    url = urlsplit(request.url)
    return [
        ("x-forwarded-proto", url.scheme),
        ("x-forwarded-host", url.netloc),
        ("x-forwarded-prefix", url.path),
        ("x-openstack-request-id", request.id),
    ]


def identity(caller: Caller) -> list[tuple[str, str]]:
    """As the engine's rules want it. An operator is one whatever his token is for: he acts on the whole of it."""
    said = [("x-identity-status", "Confirmed"), ("x-user-id", caller.user_id)]
    if caller.user_domain_id:
        said.append(("x-user-domain-id", caller.user_domain_id))
    said.append(("x-roles", ",".join(sorted(caller.roles))))
    if caller.is_operator or caller.system:
        return [*said, ("openstack-system-scope", "all")]
    if caller.project_id is not None:
        said.append(("x-project-id", caller.project_id))
        if caller.project_domain_id:
            said.append(("x-project-domain-id", caller.project_domain_id))
    elif caller.domain_id is not None:
        said.append(("x-domain-id", caller.domain_id))
    return said
