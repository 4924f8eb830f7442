"""OAuth 1: a program (consumer) asks for a token of a user, who says with which roles it may act in one project.

A request token becomes an access token once its user has authorised it and told the program the verifier.
"""

from typing import Any, Literal

from trivet.domain.callers import Caller
from trivet.domain.identity import assignments, personas
from trivet.domain.identity.delegation import bounds, oauth_signatures
from trivet.domain.identity.delegation.application_credentials import RoleRef
from trivet.domain.identity.delegation.oauth_signatures import SignedRequest
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.roles import ROLES, Role, role_map
from trivet.domain.identity.people.users import USERS
from trivet.domain.identity.people.users import need as need_user
from trivet.domain.identity.tokens import revocations
from trivet.domain.row_locks import hold
from trivet.domain.secrets import Secrets
from trivet.errors import Forbidden, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_REQUEST_LIVES_S = 8 * 3600.0
_ACCESS_LIVES_S = 24 * 3600.0


class Consumer(Record, frozen=True, kw_only=True):
    sealed: str
    description: str | None = None
    extra: dict[str, Any] = {}


class OauthToken(Record, frozen=True, kw_only=True):
    kind: Literal["request", "access"]
    consumer_id: str
    sealed: str
    project_id: str
    user_id: str | None = None
    role_ids: tuple[str, ...] = ()
    verifier: str | None = None
    ends_at: float | None = None


CONSUMERS = Table("oauth_consumers", Consumer)
OAUTH_TOKENS = Table("oauth_tokens", OauthToken)


async def need_consumer(tx: Tx, id: str) -> Consumer:
    found = await tx.get(CONSUMERS, id)
    if found is None:
        raise NotFound("consumer.absent", f"Could not find consumer: {id[:64]}.")
    return found


async def delete_consumer(tx: Tx, id: str) -> None:
    found = await need_consumer(tx, id)
    for (token_id,) in await tx.rows("SELECT id FROM oauth_tokens WHERE consumer_id = ?", id):
        await revocations.cut(tx, "oauth", token_id)
    await tx.delete(CONSUMERS, found)


# -- the three steps


async def request_token(tx: Tx, secrets: Secrets, signed: SignedRequest, project_id: str) -> tuple[OauthToken, str]:
    consumer = await _consumer(tx, signed)
    await _check_signature(tx, secrets, signed, consumer)
    await projects.need(tx, project_id)
    await hold(tx, projects.PROJECTS, project_id)
    await _refuse_more_requests(tx, consumer)
    secret = tx.ids.hex()
    new = OauthToken(
        id=tx.ids.hex(),
        kind="request",
        consumer_id=consumer.id,
        sealed=secrets.seal(secret),
        project_id=project_id,
        ends_at=tx.clock.now() + _REQUEST_LIVES_S,
    )
    return await tx.insert(OAUTH_TOKENS, new), secret


async def authorize(tx: Tx, memory: IdentityMemory, caller: Caller, id: str, asked: list[RoleRef]) -> str:
    """The verifier that the user is to tell the program."""
    if caller.is_lent:
        raise personas.refusal("identity:authorize_request_token")
    token = await _token(tx, id, "request")
    known = await role_map(tx, memory)
    has = known.closed(await assignments.roles_on(tx, caller.user_id, "project", token.project_id))
    chosen = [ref.id if ref.id is not None else known.ids.get(ref.name or "", "") for ref in asked]
    if not chosen or not set(chosen) <= has:
        raise Forbidden("oauth.roles", "You do not have all of these roles in the project that was asked for.")
    await hold(tx, USERS, (await need_user(tx, caller.user_id)).id)
    verifier = tx.ids.hex()[:8]
    await tx.update(OAUTH_TOKENS, token, user_id=caller.user_id, role_ids=tuple(chosen), verifier=verifier)
    return verifier


async def access_token(tx: Tx, secrets: Secrets, signed: SignedRequest) -> tuple[OauthToken, str]:
    consumer = await _consumer(tx, signed)
    asked = await _token(tx, signed.needed("token"), "request")
    await _check_signature(tx, secrets, signed, consumer, asked)
    if asked.consumer_id != consumer.id or asked.user_id is None or asked.verifier != signed.needed("verifier"):
        raise Forbidden("auth.failed", "The request token was not authorised, or not for this verifier.", status=401)
    await bounds.check(tx, bounds.OAUTH_TOKENS, asked.user_id)
    secret = tx.ids.hex()
    new = OauthToken(
        id=tx.ids.hex(),
        kind="access",
        consumer_id=consumer.id,
        sealed=secrets.seal(secret),
        project_id=asked.project_id,
        user_id=asked.user_id,
        role_ids=asked.role_ids,
        ends_at=tx.clock.now() + _ACCESS_LIVES_S,
    )
    await tx.delete(OAUTH_TOKENS, asked)
    return await tx.insert(OAUTH_TOKENS, new), secret


async def accepted(tx: Tx, secrets: Secrets, signed: SignedRequest) -> OauthToken:
    """The access token with which a login was signed."""
    consumer = await _consumer(tx, signed)
    token = await _token(tx, signed.needed("token"), "access")
    await _check_signature(tx, secrets, signed, consumer, token)
    if token.consumer_id != consumer.id:
        raise Forbidden("auth.failed", "The token belongs to another consumer.", status=401)
    return token


async def _check_signature(
    tx: Tx, secrets: Secrets, signed: SignedRequest, consumer: Consumer, token: OauthToken | None = None
) -> None:
    """Checks the signature, and that it was not shown before: an overheard request must not work a second time."""
    token_secret = secrets.open(token.sealed) if token is not None else ""
    oauth_signatures.check(signed, secrets.open(consumer.sealed), token_secret, tx.clock.now())
    sql = "INSERT INTO oauth_nonces (consumer_id, token_id, nonce, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    token_id = token.id if token is not None else ""
    if not await tx.run(sql, consumer.id, token_id, signed.nonce, signed.at):
        raise Forbidden("auth.failed", "This request was made before: sign each with a nonce of its own.", status=401)


async def _refuse_more_requests(tx: Tx, consumer: Consumer) -> None:
    await hold(tx, CONSUMERS, consumer.id)
    row = await tx.row(
        "SELECT COUNT(*) FROM oauth_tokens WHERE consumer_id = ? AND kind = 'request' AND ends_at > ?",
        consumer.id,
        tx.clock.now(),
    )
    assert row is not None
    bounds.refuse_more(int(row[0]), bounds.REQUESTS_MAX, "A consumer", "request tokens")


async def create_consumer(tx: Tx, new: Consumer) -> Consumer:
    row = await tx.row("SELECT COUNT(*) FROM oauth_consumers")
    assert row is not None
    bounds.refuse_more(int(row[0]), bounds.CONSUMERS_MAX, "A cloud", "OAuth consumers")
    return await tx.insert(CONSUMERS, new)


async def _consumer(tx: Tx, signed: SignedRequest) -> Consumer:
    return await need_consumer(tx, signed.needed("consumer_key"))


async def _token(tx: Tx, id: str, kind: str) -> OauthToken:
    found = await tx.get(OAUTH_TOKENS, id)
    if found is None or found.kind != kind:
        raise NotFound("oauth.absent", f"Could not find {kind} token: {id[:64]}.")
    if found.ends_at is not None and found.ends_at <= tx.clock.now():
        raise Forbidden("auth.failed", f"The {kind} token has ended.", status=401)
    return found


async def drop_ended(tx: Tx, before: float, most: int) -> int:
    """Request and access tokens that ended long ago, and nonces that are too old to be shown again; how many."""
    too_old = int(tx.clock.now() - 2 * oauth_signatures.AGE_MAX_S)
    await tx.run("DELETE FROM oauth_nonces WHERE at < ?", too_old)
    return await tx.run(
        "DELETE FROM oauth_tokens WHERE id IN (SELECT id FROM oauth_tokens WHERE ends_at < ? LIMIT ?)", before, most
    )


# -- what a user has authorised


def _may(caller: Caller, user_id: str, action: str) -> None:
    if caller.is_lent:
        raise personas.refusal(action)
    if user_id != caller.user_id:
        personas.need_operator(caller, action)


def of_user(caller: Caller, user_id: str) -> Where:
    _may(caller, user_id, "identity:list_access_tokens")
    return Where().equal("user_id", user_id).equal("kind", "access")


async def visible(tx: Tx, caller: Caller, user_id: str, id: str) -> OauthToken:
    _may(caller, user_id, "identity:get_access_token")
    found = await tx.get(OAUTH_TOKENS, id)
    if found is None or found.kind != "access" or found.user_id != user_id:
        raise NotFound("oauth.absent", f"Could not find access token: {id[:64]}.")
    return found


async def delete(tx: Tx, caller: Caller, user_id: str, id: str) -> None:
    found = await visible(tx, caller, user_id, id)
    await revocations.cut(tx, "oauth", id)
    await tx.delete(OAUTH_TOKENS, found)


async def roles_of(tx: Tx, token: OauthToken) -> list[Role]:
    return await tx.select(ROLES, Where().any_of("id", token.role_ids), order="name")


async def change_consumer(tx: Tx, consumer: Consumer, changes: dict[str, Any]) -> Consumer:
    return await tx.update(CONSUMERS, consumer, **changes)
