"""Trusts: one user lets another act in a project, with some of its roles, for a time or a number of uses.

Who acts by a trust may trust on, if the trust allows it, but never more than he was trusted with.
"""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import assignments, personas
from trivet.domain.identity.delegation import bounds
from trivet.domain.identity.delegation.application_credentials import RoleRef
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people import naming, users
from trivet.domain.identity.people.naming import UserRef
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.people.roles import ROLES, Role, RoleMap, role_map
from trivet.domain.identity.people.users import User
from trivet.domain.identity.tokens import revocations
from trivet.domain.row_locks import hold
from trivet.errors import Forbidden, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

REDELEGATIONS_MAX = 3


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


def _alive(trust: Trust | None, now: float) -> bool:
    return trust is not None and trust.deleted_at is None and (trust.ends_at is None or trust.ends_at > now)


async def need(tx: Tx, id: str) -> Trust:
    found = await tx.get(TRUSTS, id)
    if found is None or not _alive(found, tx.clock.now()):
        raise NotFound("trust.absent", f"Could not find trust: {id[:64]}.")
    return found


def refuse_domain_scope(caller: Caller, action: str) -> None:
    """A trust is about a project; who acts for a domain has no business with it."""
    if caller.domain_id is not None:
        raise personas.refusal(action)


async def visible(tx: Tx, caller: Caller, id: str) -> Trust:
    found = await need(tx, id)
    refuse_domain_scope(caller, "identity:get_trust")
    if caller.user_id not in (found.trustor_id, found.trustee_id):
        personas.need_sees_all(caller, "identity:get_trust")
    return found


def listed(caller: Caller, now: float, trustor_id: str | None, trustee_id: str | None) -> Where:
    refuse_domain_scope(caller, "identity:list_trusts")
    if caller.user_id not in (trustor_id, trustee_id):
        personas.need_sees_all(caller, "identity:list_trusts")
    where = Where().add("deleted_at IS NULL").add("(ends_at IS NULL OR ends_at > ?)", now)
    if trustor_id is not None:
        where.equal("trustor_id", trustor_id)
    if trustee_id is not None:
        where.equal("trustee_id", trustee_id)
    return where


async def roles_of(tx: Tx, trust: Trust) -> list[Role]:
    return await tx.select(ROLES, Where().any_of("id", trust.role_ids), order="name")


# -- making one


class NewTrust(msgspec.Struct, frozen=True):
    trustor_id: str
    trustee_id: str
    impersonation: bool
    project_id: str | None = None
    roles: tuple[RoleRef, ...] = ()
    ends_at: float | None = None
    remaining_uses: int | None = None
    allow_redelegation: bool = False
    redelegations: int | None = None


async def create(tx: Tx, memory: IdentityMemory, caller: Caller, wanted: NewTrust) -> Trust:
    if wanted.trustor_id != caller.user_id or caller.domain_id is not None or caller.system:
        raise personas.refusal("identity:create_trust")
    await users.need(tx, wanted.trustee_id)
    known = await role_map(tx, memory)
    role_ids = _role_ids(known, wanted)
    if wanted.ends_at is not None and wanted.ends_at <= tx.clock.now():
        raise Invalid("trust.ended", "The 'expires_at' must not be before now.")
    await _check_has(tx, known, caller, wanted, role_ids)
    for user_id in sorted({wanted.trustor_id, wanted.trustee_id}):
        await hold(tx, users.USERS, user_id)
    await bounds.check(tx, bounds.TRUSTS, wanted.trustor_id)
    if wanted.project_id is not None:
        await hold(tx, PROJECTS, wanted.project_id)
    new = Trust(
        id=tx.ids.hex(),
        trustor_id=wanted.trustor_id,
        trustee_id=wanted.trustee_id,
        project_id=wanted.project_id,
        impersonation=wanted.impersonation,
        ends_at=wanted.ends_at,
        remaining_uses=wanted.remaining_uses,
        role_ids=role_ids,
        redelegations_left=_redelegations(wanted),
    )
    if caller.trust_id is not None:
        new = _from(await need(tx, caller.trust_id), new, wanted)
    return await tx.insert(TRUSTS, new)


def _redelegations(wanted: NewTrust) -> int:
    if not wanted.allow_redelegation:
        return 0
    if wanted.remaining_uses is not None:
        raise Invalid("trust.uses", "remaining_uses must not be set if redelegation is allowed.")
    asked = REDELEGATIONS_MAX if wanted.redelegations is None else wanted.redelegations
    if asked > REDELEGATIONS_MAX:
        raise Forbidden(
            "trust.redelegations", f"Requested redelegation depth of {asked} is greater than {REDELEGATIONS_MAX}."
        )
    return asked


def _from(source: Trust, new: Trust, wanted: NewTrust) -> Trust:
    """Trusting on."""
    if source.redelegations_left <= 0:
        raise Forbidden("trust.no_redelegation", "This trust may not be delegated on.")
    if wanted.remaining_uses is not None:
        raise Invalid("trust.uses", "remaining_uses must not be set on a redelegated trust.")
    if wanted.impersonation and not source.impersonation:
        raise Forbidden("trust.impersonation", "Impersonation is not allowed: the trust it comes from has none.")
    if wanted.project_id != source.project_id:
        raise Forbidden("trust.project", "A redelegated trust is for the same project.")
    if not set(new.role_ids) <= set(source.role_ids):
        raise Forbidden("trust.roles", "Some of the requested roles are not in the trust it comes from.")
    if source.ends_at is not None and (new.ends_at is None or new.ends_at > source.ends_at):
        if new.ends_at is not None:
            raise Forbidden("trust.ends_at", "A redelegated trust cannot outlive the one it comes from.")
        new = msgspec.structs.replace(new, ends_at=source.ends_at)
    left = min(new.redelegations_left, source.redelegations_left - 1)
    return msgspec.structs.replace(new, redelegated_from=source.id, redelegations_left=left)


def _role_ids(known: RoleMap, wanted: NewTrust) -> tuple[str, ...]:
    found = []
    for ref in wanted.roles:
        id = ref.id if ref.id is not None else known.ids.get(ref.name or "", "")
        if id not in known.by_id:
            raise NotFound("role.absent", f"Could not find role: {(ref.id or ref.name or '')[:64]}.")
        found.append(id)
    if not found and wanted.project_id is not None:
        raise Forbidden("trust.no_roles", "At least one role should be specified.")
    return tuple(dict.fromkeys(found))


async def _check_has(tx: Tx, known: RoleMap, caller: Caller, wanted: NewTrust, role_ids: tuple[str, ...]) -> None:
    """The trustor can only give what he has himself, and a program of his what it was given."""
    if wanted.project_id is None:
        if role_ids:
            raise Invalid("trust.project", "Roles are for a project: say which one.")
        return
    has = known.closed(await assignments.roles_on(tx, wanted.trustor_id, "project", wanted.project_id))
    if caller.app_credential_id is not None:
        has &= {known.ids[name] for name in caller.roles if name in known.ids}
    for id in role_ids:
        if id not in has:
            raise NotFound("role.absent", f"Could not find role: {id[:64]}.")


# -- using one


async def use(tx: Tx, id: str, user_id: str) -> tuple[Trust, User]:
    """One use less; with the trustor. The trustee's proof has been checked."""
    trust = await need(tx, id)
    if trust.trustee_id != user_id:
        raise Forbidden("trust.not_trustee", "User is not a trustee.")
    trustor = await naming.find_user(tx, UserRef(id=trust.trustor_id))
    if trustor is None:
        raise Forbidden("trust.trustor", "The trustor is disabled, or its domain is, or it is gone.")
    source = trust.redelegated_from
    while source is not None:
        source = (await need(tx, source)).redelegated_from
    if trust.remaining_uses is None:
        return trust, trustor
    if trust.remaining_uses <= 0:
        raise Forbidden("trust.used_up", f"No remaining uses for trust: {id}.")
    return await tx.update(TRUSTS, trust, remaining_uses=trust.remaining_uses - 1), trustor


async def drop_ended(tx: Tx, before: float, most: int) -> int:
    """Rows of trusts that ended long ago, so that no token rests on them; how many."""
    return await tx.run(
        "DELETE FROM trusts WHERE id IN (SELECT id FROM trusts WHERE deleted_at < ? OR ends_at < ? LIMIT ?)",
        before,
        before,
        most,
    )


async def remove(tx: Tx, caller: Caller, id: str) -> None:
    found = await need(tx, id)
    refuse_domain_scope(caller, "identity:delete_trust")
    if caller.user_id != found.trustor_id:
        personas.need_operator(caller, "identity:delete_trust")
    await end(tx, Where().equal("id", found.id))


async def end(tx: Tx, where: Where) -> None:
    """Ends these trusts and those that were delegated on from them."""
    for ended in await tx.select(TRUSTS, where.add("deleted_at IS NULL")):
        await revocations.cut(tx, "trust", ended.id, of=("user", ended.trustor_id))
        await tx.update(TRUSTS, ended, deleted_at=tx.clock.now())
        await end(tx, Where().equal("redelegated_from", ended.id))
