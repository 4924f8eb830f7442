"""Extras: the fields of their own that clients keep in the things of identity. They are kept as they come, so what
they may take together is bounded here, when they come and whenever more are added.
"""

from typing import Any

import msgspec

from trivet.errors import Invalid

_FIELDS_MAX = 100
_BYTES_MAX = 16_384


def checked(extra: dict[str, Any]) -> dict[str, Any]:
    if len(extra) > _FIELDS_MAX or any(len(name) > 255 for name in extra):
        raise Invalid("body.invalid", f"At most {_FIELDS_MAX} fields of one's own, with names up to 255 characters.")
    if len(msgspec.json.encode(extra)) > _BYTES_MAX:
        raise Invalid("body.invalid", f"Fields of one's own may have at most {_BYTES_MAX} bytes together.")
    return extra


def options(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What is not said stays, and None takes away."""
    return {name: value for name, value in {**before, **new}.items() if value is not None}


def merged(before: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return checked({**before, **new})
