"""What a list of secrets is narrowed to, and in which order it comes."""

from trivet.api.kit.request import Request
from trivet.clock import parse_iso
from trivet.domain.key_manager import listing
from trivet.domain.key_manager.stored_secrets import SORTS, STORED_SECRETS
from trivet.domain.numbers import whole_number
from trivet.errors import Invalid
from trivet.store.where import Where

_EQUAL = {"name": "name", "alg": "algorithm", "mode": "mode", "secret_type": "secret_type"}
_TIMES = {"created": "created_at", "updated": "updated_at", "expiration": "expires_at"}
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_CLASH = {"gt": {"gt", "gte"}, "gte": {"gt", "gte", "eq"}, "lt": {"lt", "lte"}, "lte": {"lt", "lte", "eq"},
          "eq": {"eq", "gte", "lte"}}  # fmt: skip
"""What may not be said beside what."""


def _wrong() -> Invalid:
    return Invalid("query.invalid", "URI provided invalid query string parameters.")


def filtered(request: Request, where: Where) -> Where:
    for name, column in _EQUAL.items():
        said = request.asked(name)
        if said:
            where.equal(column, said)
    bits = whole_number(request.asked("bits") or "")
    if bits:
        where.equal("bit_length", bits)
    for name, column in _TIMES.items():
        said = request.asked(name)
        if said:
            _compare(where, column, said)
    return where


def _compare(where: Where, column: str, said: str) -> None:
    seen: set[str] = set()
    for part in said.split(","):
        word, colon, text = part.partition(":")
        if not colon or word not in _COMPARED:
            word, text = "eq", part
        if seen & _CLASH[word]:
            raise _wrong()
        seen.add(word)
        try:
            where.add(f"{column} {_COMPARED.get(word, '=')} ?", parse_iso(text))
        except (ValueError, OverflowError):
            raise _wrong() from None


def sorted_as(request: Request) -> str:
    said = request.asked("sort")
    found: dict[str, bool] = {}
    for part in said.split(",") if said else []:
        key, _, direction = part.partition(":")
        if key not in SORTS or key in found or direction not in ("", "asc", "desc"):
            raise _wrong()
        found[key] = direction == "desc"
    return listing.ordered(STORED_SECRETS, [(SORTS[key], down) for key, down in found.items() if key != "status"])
