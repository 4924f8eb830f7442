"""Federated users: how somebody is known to an identity provider elsewhere."""

from typing import Any

import msgspec

from trivet.domain.identity.people.users import User
from trivet.errors import Invalid


class _Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    protocol_id: str
    unique_id: str


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    idp_id: str
    protocols: list[_Protocol]


def check(federated: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    try:
        known = msgspec.convert(federated, list[_Known])
    except msgspec.ValidationError as error:
        raise Invalid("body.invalid", f"Invalid input: federated: {error}.") from error
    found: tuple[dict[str, Any], ...] = tuple(msgspec.to_builtins(known))
    return found


def known_as(user: User, idp_id: str | None, protocol_id: str | None, unique_id: str | None) -> bool:
    return any(
        idp_id in (None, one["idp_id"])
        and protocol_id in (None, protocol["protocol_id"])
        and unique_id in (None, protocol["unique_id"])
        for one in user.federated
        for protocol in one["protocols"]
    )
