"""Bounds: how many ways in one user may have of each kind. Nobody pays for these rows, so no project's limit counts
them; what is far more than anybody uses is still far less than fills a database.
"""

from typing import Literal

import msgspec

from trivet.domain.identity.people.users import USERS
from trivet.domain.row_locks import hold
from trivet.errors import OverQuota
from trivet.store.tx import Tx


class Bound(msgspec.Struct, frozen=True):
    table: Literal["app_credentials", "access_rules", "credentials", "oauth_tokens", "trusts"]
    owner: str
    """The column that names the user."""
    most: int
    noun: str


APP_CREDENTIALS = Bound("app_credentials", "user_id", 500, "application credentials")
ACCESS_RULES = Bound("access_rules", "user_id", 1_000, "access rules")
CREDENTIALS = Bound("credentials", "user_id", 500, "credentials")
OAUTH_TOKENS = Bound("oauth_tokens", "user_id", 500, "OAuth tokens")
TRUSTS = Bound("trusts", "trustor_id", 5_000, "trusts")
"""Trusts that ended lately count, too: their rows stay for a while, until nothing can rest on them."""

CONSUMERS_MAX = 1_000
REQUESTS_MAX = 1_000
"""Request tokens of one consumer that nobody has authorised yet."""


async def check(tx: Tx, bound: Bound, user_id: str) -> None:
    """Before one more is made. The user's own row is held, so his requests take turns; who is no user of ours makes
    none himself, and is counted all the same."""
    if await tx.get(USERS, user_id) is not None:
        await hold(tx, USERS, user_id)
    row = await tx.row(f"SELECT COUNT(*) FROM {bound.table} WHERE {bound.owner} = ?", user_id)
    assert row is not None
    refuse_more(int(row[0]), bound.most, "A user", bound.noun)


def refuse_more(has: int, most: int, owner: str, noun: str) -> None:
    if has >= most:
        raise OverQuota(
            "identity.too_many",
            f"{owner} may have at most {most} {noun}: delete one that is not needed any more.",
            resource=noun,
            requested=1,
            used=has,
            limit=most,
        )
