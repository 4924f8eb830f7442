"""EC2 keys: pairs of access key and secret for clients that sign requests instead of carrying a token."""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import personas
from trivet.domain.identity.delegation import application_credentials, bounds, credentials
from trivet.domain.identity.delegation.credentials import CREDENTIALS, Credential
from trivet.domain.identity.people import projects, users
from trivet.domain.row_locks import hold
from trivet.domain.secrets import Secrets
from trivet.errors import NotFound
from trivet.store.tx import Tx
from trivet.store.where import Where


class Key(msgspec.Struct, frozen=True):
    access: str
    secret: str
    user_id: str
    project_id: str | None
    trust_id: str | None = None
    app_credential_id: str | None = None
    """What it was made with, if it was lent: it ends with that."""


def shown(secrets: Secrets, caller: Caller, credential: Credential) -> Key:
    """To who may only look, without the secret."""
    key = opened(secrets, credential)
    return key if credentials.may_open(caller, key.user_id) else msgspec.structs.replace(key, secret="")


def opened(secrets: Secrets, credential: Credential) -> Key:
    fields = credentials.fields_of(secrets.open(credential.sealed))
    return Key(
        access=str(fields.get("access", "")),
        secret=str(fields.get("secret", "")),
        user_id=credential.user_id,
        project_id=credential.project_id,
        trust_id=fields.get("trust_id"),
        app_credential_id=fields.get("app_cred_id"),
    )


def _may(caller: Caller, user_id: str, action: str, *, change: bool) -> None:
    """A key is for a project; a token for a domain has no business with it, not even its owner's."""
    if caller.domain_id is not None:
        raise personas.refusal(action)
    if user_id == caller.user_id and not caller.is_lent:
        return
    if change:
        personas.need_operator(caller, action)
    else:
        personas.need_sees_all(caller, action)


async def create(tx: Tx, secrets: Secrets, caller: Caller, user_id: str, project_id: str) -> Key:
    action = "identity:ec2_create_credential"
    by_trust = caller.trust_id is not None
    by_program = caller.app_credential_id is not None and user_id == caller.user_id and caller.owns(project_id)
    if not ((by_trust or by_program) and user_id == caller.user_id):
        _may(caller, user_id, action, change=True)
    await users.need(tx, user_id)
    # As upstream, also for a project in which he has nothing: the key opens it no earlier than a role there does.
    await projects.need(tx, project_id)
    # One that is made by a trust or a program ends with it, and is good for no more; of any other loan a key would be
    # left.
    if (caller.is_lent and not by_trust and not by_program) or not caller.has("member"):
        raise personas.refusal(action)
    if by_program:
        await application_credentials.refuse_restricted(tx, caller)
    await bounds.check(tx, bounds.CREDENTIALS, user_id)
    await hold(tx, projects.PROJECTS, project_id)
    access = tx.ids.hex()
    blob = {"access": access, "secret": tx.ids.hex(), "trust_id": caller.trust_id}
    if by_program:
        blob["app_cred_id"] = caller.app_credential_id
    hashed = credentials.access_hash(access)
    new = Credential(
        id=hashed,
        access_hash=hashed,
        user_id=user_id,
        project_id=project_id,
        type="ec2",
        sealed=secrets.seal(msgspec.json.encode(blob).decode()),
    )
    return opened(secrets, await tx.insert(CREDENTIALS, new))


async def listed(tx: Tx, secrets: Secrets, caller: Caller, user_id: str) -> list[Key]:
    _may(caller, user_id, "identity:ec2_list_credentials", change=False)
    await users.need(tx, user_id)
    where = Where().equal("user_id", user_id).equal("type", "ec2")
    return [shown(secrets, caller, credential) for credential in await tx.select(CREDENTIALS, where, order="id")]


async def visible(tx: Tx, caller: Caller, access: str, *, change: bool = False) -> Credential:
    """Whose it is decides, not whose it is said to be."""
    action = "identity:ec2_delete_credential" if change else "identity:ec2_get_credential"
    found = await by_access(tx, access)
    if found is None:
        raise NotFound("credential.absent", f"Could not find credential: {access[:64]}.")
    _may(caller, found.user_id, action, change=change)
    return found


async def by_access(tx: Tx, access: str) -> Credential | None:
    return await tx.find(CREDENTIALS, "access_hash = ?", credentials.access_hash(access))


async def delete(tx: Tx, key: Credential) -> None:
    await tx.delete(CREDENTIALS, key)
