"""How placement's requests and replies look on the wire: media types, cache headers, query strings."""

from collections.abc import Iterable
from email.utils import formatdate
from typing import TypeVar
from urllib.parse import urlsplit

from trivet.api.kit.request import Reply, Request
from trivet.domain.placement import resource_classes
from trivet.errors import Invalid
from trivet.ids import is_uuid

B = TypeVar("B")

_SAYS_WHEN = 1015


def read(request: Request, kind: type[B]) -> B:
    """Clients look for the words with which placement says that a body has not the form that it should have."""
    says_json(request)
    try:
        return request.read(kind)
    except Invalid as error:
        if error.code != "body.invalid":
            raise
        sentence = error.message.removeprefix("Invalid input: ")
        raise Invalid(error.code, f"JSON does not validate: {sentence}") from error


def says_json(request: Request) -> None:
    """A body must say that it is JSON; that is looked at before anything else is."""
    content_type = request.header("content-type") or "None"
    if content_type == "None" and request.body:
        raise Invalid("body.media_type", "content-type header required when content-length > 0")
    if content_type.partition(";")[0].strip() != "application/json":
        raise Invalid(
            "body.media_type",
            f"The media type {content_type[:64]} is not supported, use application/json",
            status=415,
        )


def reply(
    request: Request, status: int, body: object = None, *, changed_at: float | None = None, location: str | None = None
) -> Reply:
    """From 1.15 on a reply says when its content last changed, or the current time if that is not known."""
    answer = Reply(status, body)
    if request.version >= _SAYS_WHEN and (body is not None or changed_at is not None):
        at = request.parts.clock.now() if changed_at is None else changed_at
        answer.headers.append((b"last-modified", formatdate(at, usegmt=True).encode()))
        answer.headers.append((b"cache-control", b"no-cache"))
    if location is not None:
        base = request.url.removesuffix(urlsplit(request.url).path)
        answer.headers.append((b"location", f"{base}{location}".encode()))
    return answer


def path(request: Request, *parts: str) -> str:
    """Links are paths: whatever stands before us is the client's affair."""
    return "/".join((urlsplit(request.url).path, *parts))


def accepts_json(request: Request) -> None:
    accepted = request.header("accept") or "*/*"
    kinds = {kind.partition(";")[0].strip() for kind in accepted.split(",")}
    if not kinds & {"*/*", "application/*", "application/json"}:
        raise Invalid("accept.unsupported", "Only application/json is provided", status=406)


def first(request: Request, name: str) -> str | None:
    """The first value of a parameter of which only one makes sense."""
    values = request.asked_all(name)
    return values[0] if values else None


def only(request: Request, allowed: set[str]) -> None:
    for name, _ in request.query:
        if name not in allowed:
            raise bad(f"Additional properties are not allowed ({name[:64]!r} was unexpected)")


def bad(sentence: str) -> Invalid:
    return Invalid("query.invalid", f"Invalid query string parameters: {sentence}")


def uuid(text: str, what: str) -> str:
    """A UUID in its usual form, lower case with dashes."""
    usual = _usual(text)
    if not is_uuid(usual):
        raise Invalid("uuid.invalid", f"{what}: {text[:64]!r} is not a 'uuid'")
    return usual


def _usual(text: str) -> str:
    bare = text.replace("-", "").lower()
    return "-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:]))


def asked_uuid(request: Request, name: str) -> str | None:
    said = request.asked(name)
    if said is not None and not is_uuid(said):
        raise bad(f"{name}: {said[:64]!r} is not a 'uuid'")
    return said.lower() if said is not None else None


def resources(text: str) -> dict[str, int]:
    """VCPU:2,MEMORY_MB:1024"""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, colon, amount = part.partition(":")
        if not colon or ":" in amount:
            raise Invalid(
                "query.invalid",
                "Badly formed resources parameter. Expected resources query string parameter in form:"
                f" ?resources=VCPU:2,MEMORY_MB:1024. Got: {part[:64] or 'empty string'}.",
            )
        try:
            found[name] = int(amount)
        except ValueError as error:
            raise Invalid(
                "query.invalid",
                f"Requested resource {name[:64]} expected positive integer amount. Got: {amount[:64]}.",
            ) from error
        if not 1 <= found[name] < 1 << 62:
            raise Invalid("query.invalid", f"Requested resource {name[:64]} requires amount >= 1. Got: {found[name]}.")
    return found


async def check_classes(request: Request, names: Iterable[str]) -> None:
    unknown = await resource_classes.missing(request.tx, names)
    if unknown:
        raise Invalid(
            "resource_class.absent",
            f"Invalid resource class in resources parameter: No such resource class {', '.join(sorted(unknown))}.",
        )


def traits(request: Request, name: str) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    """(sets of which one each must be there, those that must not be)."""
    values = request.asked_all(name)
    any_of = request.version >= 1039
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values if any_of else values[-1:]:
        if value.startswith("in:"):
            required.append(_any_trait(value, supported=any_of))
        else:
            some, never = trait_list(value, may_forbid=request.version >= 1022)
            required.extend(frozenset((trait,)) for trait in sorted(some))
            forbidden |= never
    return tuple(required), frozenset(forbidden)


def _any_trait(value: str, *, supported: bool) -> frozenset[str]:
    if not supported:
        raise bad(f"The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: {value}")
    names = frozenset(part.strip() for part in value[3:].split(","))
    if "" in names:
        raise bad(
            "Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC."
            f" Got an empty trait in: {value}"
        )
    if any(name.startswith("!") for name in names):
        raise bad(f"The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: {value}")
    return names


def trait_list(value: str, *, may_forbid: bool) -> tuple[set[str], set[str]]:
    names = [part.strip() for part in value.split(",")]
    required = {name for name in names if not name.startswith("!")}
    forbidden = {name.lstrip("!") for name in names if name.startswith("!")}
    form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if may_forbid else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
    if "" in required | forbidden:
        raise bad(f"Expected 'required' parameter value of the form: {form}. Got an empty trait in: {value}")
    if forbidden and not may_forbid:
        raise bad(f"Expected 'required' parameter value of the form: {form}. Got: {value}")
    return required, forbidden


def member_of(request: Request, name: str) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    """(sets of aggregates of which one each must be there, those that must not be)."""
    values = request.asked_all(name)
    if len(values) > 1 and request.version < 1024:
        raise Invalid("query.invalid", f"Multiple {name} parameters are not supported")
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        if "," in value and not value.startswith(("in:", "!in:")):
            raise Invalid(
                "query.invalid",
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid"
                f" microversion. Got: {value}",
            )
        said = frozenset(value.removeprefix("!").removeprefix("in:").lower().split(","))
        if not all(is_uuid(_usual(id)) for id in said):
            raise bad(f"Expected 'member_of' parameter to contain valid UUID(s). Got: {value[:64]}")
        ids = said.union(*((_usual(id), _usual(id).replace("-", "")) for id in said))
        if not value.startswith("!"):
            required.append(ids)
        elif request.version < 1032:
            raise Invalid(
                "query.invalid",
                f"Forbidden {name} parameters are not supported in the specified microversion",
            )
        else:
            forbidden |= ids
    return tuple(required), frozenset(forbidden)
