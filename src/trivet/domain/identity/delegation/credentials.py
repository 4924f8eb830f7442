"""Credentials: secrets that prove something in another way than a password: EC2 keys, TOTP seeds, certificates.

The blob is sealed; rows are found by user and type, and an EC2 key by the hash of its access key.
"""

import hashlib
from typing import Any

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import assignments, extras, personas
from trivet.domain.identity.delegation import bounds
from trivet.domain.identity.people.projects import PROJECTS
from trivet.domain.identity.people.users import USERS
from trivet.domain.row_locks import hold
from trivet.domain.secrets import Secrets
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Credential(Record, frozen=True, kw_only=True):
    user_id: str
    project_id: str | None = None
    type: str
    sealed: str
    access_hash: str | None = None
    extra: dict[str, Any] = {}


CREDENTIALS = Table("credentials", Credential)

_FIXED = ("trust_id", "app_cred_id", "access_token_id", "access_id")


def access_hash(access: str) -> str:
    return hashlib.sha256(access.encode()).hexdigest()


def fields_of(blob: str) -> dict[str, Any]:
    """The fields of a blob that is JSON."""
    try:
        found = msgspec.json.decode(blob)
    except msgspec.DecodeError as error:
        raise Invalid("credential.blob", "Invalid blob in credential: it must be JSON.") from error
    if not isinstance(found, dict):
        raise Invalid("credential.blob", "Invalid blob in credential: it must be a JSON object.")
    return found


def may_open(caller: Caller, user_id: str) -> bool:
    """Whether a caller sees the secret. It gives all that its user may, so a reader only sees that there is one."""
    return caller.is_operator or (user_id == caller.user_id and not caller.is_lent)


def _may(caller: Caller, user_id: str | None, action: str, *, change: bool) -> None:
    if user_id == caller.user_id and not caller.is_lent:
        return
    if change:
        personas.need_operator(caller, action)
    else:
        personas.need_sees_all(caller, action)


def refuse_lent(caller: Caller, action: str) -> None:
    """What somebody was lent must not become a key that outlives the loan."""
    if caller.is_lent:
        raise personas.refusal(action)


async def visible(tx: Tx, caller: Caller, id: str, action: str, *, change: bool = False) -> Credential:
    found = await tx.get(CREDENTIALS, id)
    _may(caller, found.user_id if found else None, action, change=change)
    if found is None:
        raise NotFound("credential.absent", f"Could not find credential: {id[:64]}.")
    return found


def listed(caller: Caller) -> Where:
    """One's own, or everybody's for who sees all."""
    if personas.sees_all(caller):
        return Where()
    refuse_lent(caller, "identity:list_credentials")
    return Where().equal("user_id", caller.user_id)


async def create(
    tx: Tx,
    secrets: Secrets,
    caller: Caller,
    *,
    user_id: str,
    project_id: str | None,
    type: str,
    blob: str,
    extra: dict[str, Any],
) -> Credential:
    _may(caller, user_id, "identity:create_credential", change=True)
    refuse_lent(caller, "identity:create_credential")
    id = tx.ids.hex()
    hashed: str | None = None
    if type == "ec2":
        fields = fields_of(blob)
        id = hashed = _access_hash_of(fields)
        if any(fields.get(name) is not None for name in _FIXED):
            raise Invalid("credential.fixed", f"None of {', '.join(_FIXED)} can be chosen.")
        if project_id is None:
            raise Invalid("credential.project", "An ec2 credential belongs to a project: send project_id.")
    if project_id is not None:
        await need_role_in(tx, caller, project_id)
    new = Credential(
        id=id,
        user_id=user_id,
        project_id=project_id,
        type=type,
        sealed=secrets.seal(blob),
        access_hash=hashed,
        extra=extra,
    )
    await bounds.check(tx, bounds.CREDENTIALS, user_id)
    # Either may be unknown here: an operator's credential may be about a user of elsewhere.
    if await tx.get(USERS, user_id) is not None:
        await hold(tx, USERS, user_id)
    if project_id is not None and await tx.get(PROJECTS, project_id) is not None:
        await hold(tx, PROJECTS, project_id)
    if not await tx.insert_new(CREDENTIALS, new):
        raise Conflict("credential.exists", "There is a credential with this access key already.")
    return new


async def need_role_in(tx: Tx, caller: Caller, project_id: str) -> None:
    """Nobody has a key for a project in which he has nothing, nor hears from asking for one whether it exists."""
    if not caller.is_operator and not await assignments.roles_on(tx, caller.user_id, "project", project_id):
        raise NotFound("project.absent", f"Could not find project: {project_id[:64]}.")


def _access_hash_of(fields: dict[str, Any]) -> str:
    access = fields.get("access")
    if not isinstance(access, str) or not access:
        raise Invalid("credential.access", "An ec2 blob must have an access key.")
    return access_hash(access)


async def update(tx: Tx, secrets: Secrets, caller: Caller, id: str, changes: dict[str, Any]) -> Credential:
    """Only what it holds: whose it is, and for what, stays."""
    action = "identity:update_credential"
    found = await visible(tx, caller, id, action, change=True)
    refuse_lent(caller, action)
    for name in ("user_id", "project_id", "type"):
        if changes.pop(name, getattr(found, name)) != getattr(found, name):
            raise Invalid("credential.fixed", f"{name} of a credential cannot be changed; make a new one.")
    blob = changes.pop("blob", None)
    if blob is not None:
        changes["sealed"] = secrets.seal(blob)
        if found.type == "ec2":
            before, after = fields_of(secrets.open(found.sealed)), fields_of(blob)
            if any(before.get(name) != after.get(name) for name in _FIXED):
                raise Invalid("credential.fixed", f"None of {', '.join(_FIXED)} can be changed.")
            changes["access_hash"] = _access_hash_of(after)
    if "extra" in changes:
        changes["extra"] = extras.merged(found.extra, changes["extra"])
    return await tx.update(CREDENTIALS, found, **changes)


async def delete(tx: Tx, caller: Caller, id: str) -> None:
    found = await visible(tx, caller, id, "identity:delete_credential", change=True)
    await tx.delete(CREDENTIALS, found)
