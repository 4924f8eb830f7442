"""Proven: what the methods of a login have shown so far."""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity.delegation.application_credentials import AppCredential
from trivet.domain.identity.people.users import User


class Place(msgspec.Struct, frozen=True):
    """A project or a domain that a token is for."""

    id: str
    domain_id: str | None


class Granted(msgspec.Struct, frozen=True):
    """The project that a token is wanted for, if it is open, and the names of its user's roles there."""

    project: Place | None
    roles: frozenset[str]


class Proven(msgspec.Struct, frozen=True):
    """What the methods of a request have shown."""

    user: User
    methods: tuple[str, ...]
    began_at: float
    """When the login began, before anything was read: what is revoked meanwhile must hit its token too."""
    parent: Caller | None = None
    """The token that was shown, if one was."""
    app_credential: AppCredential | None = None
    granted: Granted | None = None
    """The roles in the wanted scope, if they were read together with the user."""
