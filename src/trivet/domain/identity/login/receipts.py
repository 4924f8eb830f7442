"""Receipts: what a login has proved so far, for users who must give more than one proof.

Signed like a token and good for five minutes, but for nothing except going on with the login.
"""

from trivet.domain.callers import Caller
from trivet.domain.identity.people.users import User
from trivet.errors import Forbidden
from trivet.parts import Parts

_LIVES_S = 300.0


class MoreNeeded(Forbidden):
    """Every proof was good, but the user's rules ask for others too."""

    def __init__(self, receipt: str, caller: Caller, user: User) -> None:
        super().__init__("auth.more", "Additional authentications steps required.", status=401)
        self.receipt = receipt
        self.caller = caller
        self.user = user
        self.rules: list[list[str]] = user.options.get("multi_factor_auth_rules", [])


def refusal(parts: Parts, user: User, methods: tuple[str, ...], began_at: float) -> MoreNeeded:
    """The refusal of a receipt. As with a token, what was revoked since the login began hits it."""
    caller = Caller(
        user_id=user.id,
        roles=frozenset(),
        user_domain_id=user.domain_id,
        methods=methods,
        audit_id=parts.ids.secret()[:22],
        issued_at=began_at,
        ends_at=began_at + _LIVES_S,
        receipt=True,
    )
    return MoreNeeded(parts.tokens.issue(caller), caller, user)


def methods_of(parts: Parts, receipt: str, user_id: str) -> tuple[str, ...]:
    caller = parts.tokens.receipt(receipt)
    if caller.user_id != user_id:
        raise Forbidden("auth.receipt", "Could not find auth receipt.", status=401)
    return caller.methods
