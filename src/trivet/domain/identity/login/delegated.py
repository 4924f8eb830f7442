"""Delegation: tokens for less than a user could do himself, by an application credential or by a trust."""

import msgspec

from trivet.domain.callers import EC2_METHOD, Caller
from trivet.domain.identity.delegation import application_credentials, oauth, trusts
from trivet.domain.identity.delegation.application_credentials import APP_CREDENTIALS, AppCredential
from trivet.domain.identity.delegation.ec2 import Key
from trivet.domain.identity.delegation.oauth_signatures import SignedRequest
from trivet.domain.identity.login import scoping
from trivet.domain.identity.login.proven import Proven
from trivet.domain.identity.login.scoping import ProjectRef, Scope
from trivet.domain.identity.people import naming
from trivet.domain.identity.people.naming import UserRef, unauthorized
from trivet.domain.identity.people.roles import role_map
from trivet.domain.identity.people.users import User
from trivet.errors import Forbidden, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx


async def prove_app_credential(
    parts: Parts, id: str | None, name: str | None, who: UserRef | None, secret: str
) -> tuple[User, AppCredential]:
    async with parts.store.read() as tx:
        found = await _find(tx, id, name, who)
        user = await naming.find_user(tx, UserRef(id=found.user_id)) if found is not None else None
    if found is None or user is None:
        await parts.passwords.waste(secret)
        raise unauthorized()
    if not await application_credentials.matches(parts.passwords, secret, found.secret_hash):
        raise unauthorized()
    if found.ends_at is not None and found.ends_at <= parts.clock.now():
        raise unauthorized()
    return user, found


async def _find(tx: Tx, id: str | None, name: str | None, who: UserRef | None) -> AppCredential | None:
    if id is not None:
        return await tx.get(APP_CREDENTIALS, id)
    if name is None or who is None:
        raise unauthorized("An application credential is named by its id, or by its name and its user.")
    user = await naming.find_user(tx, who)
    return await tx.find(APP_CREDENTIALS, "user_id = ? AND name = ?", user.id, name) if user else None


async def by_app_credential(parts: Parts, proven: Proven) -> Caller:
    credential = proven.app_credential
    assert credential is not None
    async with parts.store.read() as tx:
        scope = await scoping.project(tx, ProjectRef(id=credential.project_id))
        has = await scoping.roles_in(tx, parts.identity_memory, proven.user.id, scope)
        known = await role_map(tx, parts.identity_memory)
        # What the user lost meanwhile, the program has lost too.
        roles = known.names(credential.role_ids) & has
        if not roles:
            raise unauthorized()
        rules = await application_credentials.rules_of(tx, credential)
        caller = _caller(parts, proven, scope, roles)
    return msgspec.structs.replace(
        caller,
        app_credential_id=credential.id,
        access_rules=None if rules is None else tuple((rule.service, rule.method, rule.path) for rule in rules),
        ends_at=min(caller.ends_at, credential.ends_at or caller.ends_at),
    )


async def by_trust(parts: Parts, proven: Proven, trust_id: str) -> Caller:
    async def act(tx: Tx) -> Caller:
        trust, trustor = await trusts.use(tx, trust_id, proven.user.id)
        scope = await scoping.project(tx, ProjectRef(id=trust.project_id)) if trust.project_id else scoping.UNSCOPED
        has = await scoping.roles_in(tx, parts.identity_memory, trust.trustor_id, scope)
        known = await role_map(tx, parts.identity_memory)
        roles = known.names(trust.role_ids)
        if not roles <= has:
            raise Forbidden("trust.roles", "The trustor no longer has all the roles of the trust.")
        user, partner = (trustor, proven.user) if trust.impersonation else (proven.user, trustor)
        acting = msgspec.structs.replace(proven, user=user)
        caller = _caller(parts, acting, scope, roles)
        return msgspec.structs.replace(
            caller,
            trust_id=trust.id,
            partner_id=partner.id,
            partner_domain_id=partner.domain_id,
            ends_at=min(caller.ends_at, trust.ends_at or caller.ends_at),
        )

    return await transact(parts.store, act)


async def by_oauth(parts: Parts, signed: SignedRequest) -> Caller:
    """It is written down that this was shown, so that it is not good again."""
    began_at = parts.clock.now()

    async def act(tx: Tx) -> Caller:
        try:
            token = await oauth.accepted(tx, parts.secrets, signed)
        except NotFound as error:
            raise unauthorized() from error
        user = await naming.find_user(tx, UserRef(id=token.user_id)) if token.user_id else None
        if user is None:
            raise unauthorized()
        scope = await scoping.project(tx, ProjectRef(id=token.project_id))
        has = await scoping.roles_in(tx, parts.identity_memory, user.id, scope)
        roles = (await role_map(tx, parts.identity_memory)).names(token.role_ids) & has
        if not roles:
            raise unauthorized()
        caller = _caller(parts, Proven(user=user, methods=("oauth1",), began_at=began_at), scope, roles)
        ends_at = min(caller.ends_at, token.ends_at or caller.ends_at)
        return msgspec.structs.replace(caller, oauth_token_id=token.id, ends_at=ends_at)

    return await transact(parts.store, act)


async def by_ec2_key(parts: Parts, key: Key) -> Caller:
    """The signature has been checked. A key that was made with something lent is good for no more than that."""
    began_at = parts.clock.now()
    async with parts.store.read() as tx:
        user = await naming.find_user(tx, UserRef(id=key.user_id))
        if user is None or key.project_id is None:
            raise unauthorized()
        proven = Proven(user=user, methods=(EC2_METHOD,), began_at=began_at)
        if key.app_credential_id is None and key.trust_id is None:
            scope = await scoping.project(tx, ProjectRef(id=key.project_id))
            roles = await scoping.roles_in(tx, parts.identity_memory, user.id, scope)
            if not roles:
                raise unauthorized()
            return _caller(parts, proven, scope, roles)
    if key.app_credential_id is not None:
        return await _by_key_of_program(parts, proven, key, key.app_credential_id)
    return await _by_key_of_trust(parts, proven, key.trust_id or "")


async def _by_key_of_program(parts: Parts, proven: Proven, key: Key, app_credential_id: str) -> Caller:
    async with parts.store.read() as tx:
        program = await tx.get(APP_CREDENTIALS, app_credential_id)
    if program is None or (program.user_id, program.project_id) != (key.user_id, key.project_id):
        raise unauthorized()
    if program.ends_at is not None and program.ends_at <= parts.clock.now():
        raise unauthorized()
    return await by_app_credential(parts, msgspec.structs.replace(proven, app_credential=program))


async def _by_key_of_trust(parts: Parts, proven: Proven, trust_id: str) -> Caller:
    async with parts.store.read() as tx:
        trust = await trusts.need(tx, trust_id)
        if proven.user.id not in (trust.trustor_id, trust.trustee_id):
            raise unauthorized()
        trustee = await naming.find_user(tx, UserRef(id=trust.trustee_id))
    if trustee is None:
        raise unauthorized()
    return await by_trust(parts, msgspec.structs.replace(proven, user=trustee), trust.id)


def _caller(parts: Parts, proven: Proven, scope: Scope, roles: frozenset[str]) -> Caller:
    settings = parts.settings
    return scoping.caller_of(parts.ids, proven, scope, roles, settings.token_s, strict_scope=settings.strict_scope)
