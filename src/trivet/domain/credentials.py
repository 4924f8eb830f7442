"""Credentials: secrets that prove something in another way than a password: EC2 keys, TOTP seeds, certificates.

The blob is sealed; the rows can be found by user and type. The id of an EC2 key is made from its access key,
so that whoever knows the access key finds it.
"""

import hashlib
from typing import Any

import msgspec

from trivet.domain import personas
from trivet.domain.callers import Caller
from trivet.domain.secrets import Secrets
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Credential(Record, frozen=True, kw_only=True):
    user_id: str
    project_id: str | None = None
    type: str
    sealed: str
    extra: dict[str, Any] = {}


CREDENTIALS = Table("credentials", Credential)

_FIXED = ("access", "trust_id", "app_cred_id", "access_token_id")


def ec2_id(access: str) -> str:
    return hashlib.sha256(access.encode()).hexdigest()


def fields_of(blob: str) -> dict[str, Any]:
    """Of a blob that is JSON."""
    try:
        found = msgspec.json.decode(blob)
    except msgspec.DecodeError as error:
        raise Invalid("credential.blob", "Invalid blob in credential: it must be JSON.") from error
    if not isinstance(found, dict):
        raise Invalid("credential.blob", "Invalid blob in credential: it must be a JSON object.")
    return found


def _may(caller: Caller, user_id: str | None, action: str, *, change: bool) -> None:
    if user_id == caller.user_id:
        return
    if change:
        personas.need_operator(caller, action)
    else:
        personas.need_sees_all(caller, action)


def _refuse_delegated(caller: Caller, action: str) -> None:
    """What somebody was lent must not become a key that outlives the loan."""
    if caller.trust_id is not None or caller.app_credential_id is not None:
        raise personas.refusal(action)


async def visible(tx: Tx, caller: Caller, id: str, action: str, *, change: bool = False) -> Credential:
    found = await tx.get(CREDENTIALS, id)
    _may(caller, found.user_id if found else None, action, change=change)
    if found is None:
        raise NotFound("credential.absent", f"Could not find credential: {id[:64]}.")
    return found


async def listed(tx: Tx, caller: Caller, where: Where) -> list[Credential]:
    """One's own, or everybody's for who sees all."""
    if not personas.sees_all(caller):
        where.equal("user_id", caller.user_id)
    return await tx.select(CREDENTIALS, where, order="id")


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
    id = tx.ids.hex()
    if type == "ec2":
        _refuse_delegated(caller, "identity:create_credential")
        access = fields_of(blob).get("access")
        if not isinstance(access, str) or not access:
            raise Invalid("credential.access", "An ec2 blob must have an access key.")
        if project_id is None:
            raise Invalid("credential.project", "An ec2 credential belongs to a project: send project_id.")
        id = ec2_id(access)
    new = Credential(id=id, user_id=user_id, project_id=project_id, type=type, sealed=secrets.seal(blob), extra=extra)
    if not await tx.insert_new(CREDENTIALS, new):
        raise Conflict("credential.exists", "There is a credential with this access key already.")
    return new


async def update(tx: Tx, secrets: Secrets, caller: Caller, id: str, changes: dict[str, Any]) -> Credential:
    action = "identity:update_credential"
    found = await visible(tx, caller, id, action, change=True)
    _refuse_delegated(caller, action)
    if changes.get("user_id", found.user_id) != found.user_id:
        personas.need_operator(caller, action)
    kind = changes.get("type", found.type)
    if kind == "ec2":
        if changes.get("project_id", found.project_id) is None:
            raise Invalid("credential.project", "An ec2 credential belongs to a project: send project_id.")
        if "blob" in changes:
            before = fields_of(secrets.open(found.sealed)) if found.type == "ec2" else {}
            after = fields_of(changes["blob"])
            if any(before.get(name) != after.get(name) for name in _FIXED if name in before):
                raise Forbidden("credential.fixed", f"None of {', '.join(_FIXED)} can be changed.")
    if "blob" in changes:
        changes["sealed"] = secrets.seal(changes.pop("blob"))
    if "extra" in changes:
        changes["extra"] = {**found.extra, **changes["extra"]}
    return await tx.update(CREDENTIALS, found, **changes)


async def delete(tx: Tx, caller: Caller, id: str) -> None:
    found = await visible(tx, caller, id, "identity:delete_credential", change=True)
    await tx.delete(CREDENTIALS, found)
