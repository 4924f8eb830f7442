"""Auth methods: the ways to prove who one is, and the login that puts them together."""

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity.login import delegated as delegation
from trivet.domain.identity.login import factors, logins, receipts, scoping
from trivet.domain.identity.login.proven import Proven
from trivet.domain.identity.login.scoping import ProjectRef, Scope
from trivet.domain.identity.people import user_options
from trivet.domain.identity.people.naming import DomainRef, UserRef, unauthorized
from trivet.errors import Forbidden, Invalid
from trivet.parts import Parts
from trivet.store.tx import Tx


class PasswordUser(UserRef, frozen=True):
    password: str = ""


class PasswordProof(msgspec.Struct, frozen=True):
    user: PasswordUser


class TotpUser(UserRef, frozen=True):
    passcode: str = ""


class TotpProof(msgspec.Struct, frozen=True):
    user: TotpUser


class TokenProof(msgspec.Struct, frozen=True):
    id: str


class AppCredentialProof(msgspec.Struct, frozen=True):
    secret: str
    id: str | None = None
    name: str | None = None
    user: UserRef | None = None


class Identity(msgspec.Struct, frozen=True):
    methods: tuple[str, ...]
    password: PasswordProof | None = None
    token: TokenProof | None = None
    totp: TotpProof | None = None
    application_credential: AppCredentialProof | None = None


class ScopeAsked(msgspec.Struct, frozen=True):
    """None of them: the user's default project, if it has one."""

    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: bool = False
    trust_id: str | None = None
    unscoped: bool = False

    @property
    def says_nothing(self) -> bool:
        return self == _NOTHING


_NOTHING = ScopeAsked()
_GUESSED = frozenset(("password", "totp"))
"""Methods whose wrong proofs are counted."""


async def login(parts: Parts, identity: Identity, asked: ScopeAsked, receipt: str | None = None) -> Caller:
    proven = await _prove(parts, identity, asked, receipt)
    if proven.app_credential is not None:
        if not asked.says_nothing:
            raise unauthorized("Application credentials cannot request a scope.")
        return await delegation.by_app_credential(parts, proven)
    parent = proven.parent
    if parent is not None and parent.is_lent:
        raise Forbidden(
            "auth.no_rescope",
            "A token that rests on a trust, an application credential, an OAuth token or an EC2 key keeps its scope.",
        )
    if parent is not None and parent.system and (asked.project is not None or asked.domain is not None):
        raise Forbidden("auth.no_rescope", "A token for the system is not exchanged for one of a project or domain.")
    if asked.trust_id is not None:
        return await delegation.by_trust(parts, proven, asked.trust_id)
    scope, roles = await _granted(parts, proven, asked)
    if scope.target is not None and not roles:
        raise unauthorized()
    settings = parts.settings
    return scoping.caller_of(parts.ids, proven, scope, roles, settings.token_s, strict_scope=settings.strict_scope)


async def _granted(parts: Parts, proven: Proven, asked: ScopeAsked) -> tuple[Scope, frozenset[str]]:
    if proven.granted is not None:
        if proven.granted.project is None:
            raise unauthorized()
        return Scope(project=proven.granted.project), proven.granted.roles
    async with parts.store.read() as tx:
        scope = await _scope(tx, parts, proven, asked)
        return scope, await scoping.roles_in(tx, parts.identity_memory, proven.user.id, scope)


async def _prove(parts: Parts, identity: Identity, asked: ScopeAsked, receipt: str | None) -> Proven:
    if not identity.methods:
        raise Invalid("auth.methods", "Name at least one method.")
    began_at = parts.clock.now()
    shown = [await _one(parts, identity, asked, method, began_at) for method in dict.fromkeys(identity.methods)]
    user = shown[0].user
    if any(proof.user.id != user.id for proof in shown):
        raise unauthorized()
    methods = [method for proof in shown for method in proof.methods]
    if receipt is not None:
        methods += receipts.methods_of(parts, receipt, user.id)
    parent = next((proof.parent for proof in shown if proof.parent is not None), None)
    app_credential = next((proof.app_credential for proof in shown if proof.app_credential is not None), None)
    together = tuple(dict.fromkeys(methods))
    # Who shows a token or an application credential gave the other proofs when that was made.
    whole = parent is not None or app_credential is not None or user_options.enough(user.options, together)
    if not _GUESSED.isdisjoint(identity.methods):
        await logins.succeeded(parts, user, whole=whole)
    if "password" in identity.methods:
        logins.check_password_age(user, parts.clock.now())
    if not whole:
        raise receipts.refusal(parts, user, together, began_at)
    granted = next((proof.granted for proof in shown if proof.granted is not None), None)
    return Proven(
        user=user, methods=together, began_at=began_at, parent=parent, app_credential=app_credential, granted=granted
    )


async def _one(parts: Parts, identity: Identity, asked: ScopeAsked, method: str, began_at: float) -> Proven:
    if method == "password" and identity.password is not None:
        who = identity.password.user
        user, granted = await factors.by_password(parts, who, who.password, asked.project)
        return Proven(user=user, methods=(method,), began_at=began_at, granted=granted)
    if method == "token" and identity.token is not None:
        user, parent = await factors.by_token(parts, identity.token.id)
        return Proven(user=user, methods=(*parent.methods, method), began_at=began_at, parent=parent)
    if method == "totp" and identity.totp is not None:
        user = await factors.by_passcode(parts, identity.totp.user, identity.totp.user.passcode)
        return Proven(user=user, methods=(method,), began_at=began_at)
    if method == "application_credential" and identity.application_credential is not None:
        proof = identity.application_credential
        user, credential = await delegation.prove_app_credential(parts, proof.id, proof.name, proof.user, proof.secret)
        return Proven(user=user, methods=(method,), began_at=began_at, app_credential=credential)
    raise unauthorized()


async def _scope(tx: Tx, parts: Parts, proven: Proven, asked: ScopeAsked) -> Scope:
    if asked.project is not None:
        return await scoping.project(tx, asked.project)
    if asked.domain is not None:
        return await scoping.domain(tx, asked.domain)
    if asked.system:
        return Scope(system=True)
    if asked.says_nothing:
        return await scoping.default(tx, parts.identity_memory, proven.user)
    return scoping.UNSCOPED
