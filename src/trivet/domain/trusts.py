"""Trusts: one user lets another act in a project, with some of its roles, for a time or a number of uses."""

from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class Trust(Record, frozen=True, kw_only=True):
    trustor_id: str
    trustee_id: str
    project_id: str | None = None
    impersonation: bool
    ends_at: float | None = None
    remaining_uses: int | None = None
    role_ids: tuple[str, ...] = ()
    redelegated_from: str | None = None
    redelegations_left: int = 0
    deleted_at: float | None = None


TRUSTS = Table("trusts", Trust)


async def told(tx: Tx, id: str) -> dict[str, object]:
    """What a token says of the one it rests on."""
    trust = await tx.need(TRUSTS, id, "trust")
    return {
        "id": trust.id,
        "impersonation": trust.impersonation,
        "trustor_user": {"id": trust.trustor_id},
        "trustee_user": {"id": trust.trustee_id},
    }
