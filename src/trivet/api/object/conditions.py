"""Conditions: what a client says of the object that it knows, and the spans of it that it asks for."""

import re
from collections.abc import Iterable

from trivet.api.kit.request import Request
from trivet.api.object import wire
from trivet.domain.objects.objects import Object
from trivet.errors import Invalid

_SPAN = re.compile(r"^\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*\Z")
_SPANS_MAX = 50
_OVERLAPS_MAX = 2

Span = tuple[int, int]
"""First and last byte."""


def check(request: Request, found: Object) -> bool:
    """Refuses what does not hold; True: the client has it already (304)."""
    headers = request.headers
    if b"if-match" in headers and not _named(request.said("if-match"), found):
        raise _failed()
    if b"if-unmodified-since" in headers:
        limit = wire.parsed_date(request.said("if-unmodified-since"))
        if limit is not None and int(found.modified_at) > limit:
            raise _failed()
    if b"if-none-match" in headers:
        return _named(request.said("if-none-match"), found)
    if b"if-modified-since" in headers:
        limit = wire.parsed_date(request.said("if-modified-since"))
        return limit is not None and found.modified_at <= limit
    return False


def check_put(request: Request, there: Object | None) -> None:
    if b"if-match" in request.headers and (there is None or not _named(request.said("if-match"), there)):
        raise _failed()
    nothing = request.said("if-none-match")
    if nothing is not None and there is not None and _named(nothing, there):
        raise _failed()
    limit = wire.parsed_date(request.said("if-unmodified-since"))
    if limit is not None and there is not None and int(there.modified_at) > limit:
        raise _failed()


def _named(said: str | None, found: Object) -> bool:
    names = [name.strip().removeprefix("W/").strip('"') for name in (said or "").split(",")]
    return "*" in names or found.etag in names


def _failed() -> Invalid:
    return Invalid("object.precondition", "A precondition for this request was not met.", status=412)


def spans(request: Request, found: Object) -> list[Span] | None:
    """None: all of it, since nothing else was asked for, or nothing that can be understood. Empty: there is nothing of
    what was asked for."""
    said = request.said("range")
    if said is None or not said.lower().startswith("bytes="):
        return None
    since = request.said("if-range")
    if since is not None and not _still(since, found):
        return None
    asked = said[6:].split(",")
    wanted = list(_wanted(asked, found.size))
    if None in wanted:
        return None
    inside = [span for span in wanted if span is not None and span[0] <= span[1] < found.size]
    if len(asked) > _SPANS_MAX or _overlap(inside) > _OVERLAPS_MAX:
        return []
    return inside


def _still(since: str, found: Object) -> bool:
    limit = wire.parsed_date(since)
    return found.modified_at <= limit if limit is not None else since.strip('"') == found.etag


def _wanted(asked: list[str], size: int) -> Iterable[Span | None]:
    for text in asked:
        match = _SPAN.match(text)
        if match is None or not (match[1] or match[2]):
            yield None
        elif not match[1]:
            # So many from the end; none at all is outside of everything.
            yield (max(0, size - int(match[2])), size - 1) if int(match[2]) else (size, size)
        else:
            first, last = int(match[1]), int(match[2]) if match[2] else size - 1
            if match[2] and last < first:
                yield None
            else:
                yield (first, min(last, size - 1)) if first < size else (size, size)


def _overlap(inside: list[Span]) -> int:
    ends, count = -1, 0
    for first, last in sorted(inside):
        count += first <= ends
        ends = max(ends, last)
    return count
