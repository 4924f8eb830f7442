"""Application credentials: a secret that lets a program act as its user, in one project, with some of its roles."""

from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class AppCredential(Record, frozen=True, kw_only=True):
    name: str
    user_id: str
    project_id: str
    secret_hash: str
    description: str | None = None
    role_ids: tuple[str, ...] = ()
    unrestricted: bool = False
    """May make and delete application credentials and trusts itself."""
    ends_at: float | None = None
    access_rule_ids: tuple[str, ...] | None = None
    """What it may call; None is everything."""


APP_CREDENTIALS = Table("app_credentials", AppCredential)


async def told(tx: Tx, id: str) -> dict[str, object]:
    """What a token says of the one it was made with."""
    found = await tx.need(APP_CREDENTIALS, id, "application credential")
    return {"id": found.id, "name": found.name, "restricted": not found.unrestricted}
