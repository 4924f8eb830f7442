"""CORS: which pages' scripts may read a container, as its owner says in its metadata."""

from trivet.api.kit.request import Reply, Request
from trivet.api.object.wire import HTML, Headers
from trivet.domain.objects import containers
from trivet.domain.objects.containers import Container
from trivet.errors import Forbidden

ALLOW, MAX_AGE, EXPOSE = (
    f"{containers.META}access-control-{what}" for what in ("allow-origin", "max-age", "expose-headers")
)
METHODS = "HEAD, GET, PUT, POST, COPY, OPTIONS, DELETE"
_ALWAYS_EXPOSED = (
    "cache-control", "content-language", "content-type", "expires", "last-modified", "pragma", "etag", "x-timestamp",
    "x-trans-id", "x-openstack-request-id",
)  # fmt: skip


def headers(request: Request, home: Container | None, said: Headers) -> Headers:
    """What a browser wants to hear beside the answer."""
    origin = request.said("origin")
    allowed = home.metadata.get(ALLOW) if home is not None else None
    if origin is None or home is None or not allowed or not _is_among(origin, allowed):
        return []
    shown = [*_ALWAYS_EXPOSED, *home.metadata.get(EXPOSE, "").split()]
    shown += [name.decode() for name, _ in said if name.startswith((b"x-container-meta", b"x-object-meta"))]
    star = "*" in allowed.split()
    found = [
        (b"access-control-allow-origin", b"*" if star else origin.encode()),
        (b"access-control-expose-headers", ", ".join(dict.fromkeys(shown)).encode()),
    ]
    return found if star else [*found, (b"vary", b"Origin")]


def preflight(request: Request, home: Container | None) -> Reply:
    origin, method = request.said("origin"), request.said("access-control-request-method")
    if origin is None:
        return Reply(200, b"", [(b"allow", METHODS.encode())], content_type=HTML)
    allowed = home.metadata.get(ALLOW, "") if home is not None else ""
    if home is None or method not in METHODS.split(", ") or not _is_among(origin, allowed):
        raise Forbidden("cors.refused", "This server could not verify that you are authorized.", status=401)
    star = "*" in allowed.split()
    found = [
        (b"allow", METHODS.encode()),
        (b"access-control-allow-origin", b"*" if star else origin.encode()),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
    if home.metadata.get(MAX_AGE):
        found.append((b"access-control-max-age", home.metadata[MAX_AGE].encode()))
    wanted = request.said("access-control-request-headers")
    if wanted:
        names = {name.strip() for name in wanted.split(",") if name.strip()}
        found.append((b"access-control-allow-headers", ", ".join(sorted(names)).encode()))
    return Reply(200, b"", found, content_type=HTML)


def _is_among(origin: str, allowed: str) -> bool:
    return any(one in ("*", origin) for one in allowed.split())
