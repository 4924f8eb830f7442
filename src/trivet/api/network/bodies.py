"""Bodies: {"network": {...}} for one, {"networks": [...]} for several, and what an update may depend on."""

from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from trivet.api.kit import bodies
from trivet.api.kit.request import Request
from trivet.clock import iso
from trivet.domain.numbers import whole_number
from trivet.errors import Conflict, Invalid
from trivet.store.tables import Record

B = TypeVar("B")
Json = dict[str, Any]

_BULK_MAX = 1000
_stamp = lru_cache(maxsize=4096)(iso)


_envelopes: dict[tuple[Any, str, str | None], Any] = {}


def _envelope(kind: Any, singular: str, plural: str | None) -> Any:
    key = (kind, singular, plural)
    if key not in _envelopes:
        _envelopes[key] = _new_envelope(*key)
    return _envelopes[key]


def _new_envelope(kind: Any, singular: str, plural: str | None) -> Any:
    fields: list[Any] = [(singular.replace("-", "_"), kind | UnsetType, msgspec.field(default=UNSET, name=singular))]
    if plural is not None:
        many = list[kind] | UnsetType
        fields.append((plural.replace("-", "_"), many, msgspec.field(default=UNSET, name=plural)))
    return msgspec.defstruct(f"{kind.__name__}Envelope", fields, frozen=True, forbid_unknown_fields=True)


def one(request: Request, kind: type[B], singular: str) -> B:
    """Neutron takes "true" for true and "4" for 4."""
    body: Any = request.read(_envelope(kind, singular, None), strict=False)
    found: B | UnsetType = getattr(body, singular.replace("-", "_"))
    if found is UNSET:
        raise Invalid("body.invalid", f"Unable to find '{singular}' in request body")
    return found


def one_or_several(request: Request, kind: type[B], singular: str, plural: str) -> tuple[list[B], bool]:
    """What is wished for, and whether it came as one."""
    body = _read(request, kind, singular, plural)
    single: B | UnsetType = getattr(body, singular.replace("-", "_"))
    several: list[B] | UnsetType = getattr(body, plural.replace("-", "_"))
    if (single is UNSET) == (several is UNSET):
        raise Invalid("body.invalid", f"Unable to find '{singular}' in request body")
    wishes = [single] if not isinstance(single, UnsetType) else several
    assert not isinstance(wishes, UnsetType)
    if not 0 < len(wishes) <= _BULK_MAX:
        raise Invalid("body.invalid", f"'{plural}' must hold 1 to {_BULK_MAX} of them.")
    return wishes, single is not UNSET


def _read(request: Request, kind: Any, singular: str, plural: str) -> Any:
    """Each of several may be wrapped once more: {"ports": [{"port": {...}}]}."""
    envelope = _envelope(kind, singular, plural)
    try:
        return request.read(envelope, strict=False)
    except Invalid as error:
        if error.code != "body.invalid":
            raise
        several = request.read_object().get(plural)
        if not isinstance(several, list) or not all(isinstance(e, dict) and list(e) == [singular] for e in several):
            raise
    unwrapped = msgspec.json.encode({plural: [entry[singular] for entry in several]})
    return bodies.read(envelope, unwrapped, strict=False)


def matching(request: Request, record: Record) -> None:
    """If-Match: revision_number=N asks that nothing happened since."""
    asked = request.header("if-match")
    if asked is None:
        return
    name, _, said = asked.partition("=")
    number = whole_number(said.strip())
    if name.strip() != "revision_number" or number is None:
        raise Invalid("revision.malformed", f"Unsupported If-Match condition: {asked[:64]}.")
    if number != record.revision:
        raise Conflict(
            "revision.mismatch", f"Constrained to {number}, but current revision is {record.revision}", status=412
        )


def standard(record: Any) -> Json:
    """What nearly everything here has."""
    return {"description": record.description, "tags": record.tags, **stamped(record)}


def stamped(record: Any) -> Json:
    """What everything with a history has."""
    return {
        "created_at": _stamp(record.created_at),
        "updated_at": _stamp(record.updated_at),
        "revision_number": record.revision,
        "project_id": record.project_id,
        "tenant_id": record.project_id,
    }


def owned(wanted: Any) -> Any:
    """tenant_id is the old word for project_id; who says both must mean one."""
    tenant_id = wanted.tenant_id
    if tenant_id is UNSET or wanted.project_id == tenant_id:
        return wanted
    if wanted.project_id is not UNSET:
        raise Invalid("body.invalid", "'project_id' and 'tenant_id' do not match")
    return msgspec.structs.replace(wanted, project_id=tenant_id)
