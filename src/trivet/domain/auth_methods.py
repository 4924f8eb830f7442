"""Auth methods: the ways to prove who one is, and the login that puts them together."""

import msgspec

from trivet.domain import auth, scoping
from trivet.domain.auth import DomainRef, Proven, UserRef, unauthorized
from trivet.domain.callers import Caller
from trivet.domain.scoping import ProjectRef, Scope
from trivet.domain.users import User
from trivet.errors import Forbidden, Invalid
from trivet.parts import Parts
from trivet.store.tx import Tx


class PasswordUser(UserRef, frozen=True):
    password: str = ""


class PasswordProof(msgspec.Struct, frozen=True):
    user: PasswordUser


class TokenProof(msgspec.Struct, frozen=True):
    id: str


class Identity(msgspec.Struct, frozen=True):
    methods: tuple[str, ...]
    password: PasswordProof | None = None
    token: TokenProof | None = None


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


async def login(parts: Parts, identity: Identity, asked: ScopeAsked) -> Caller:
    proven = await _prove(parts, identity)
    async with parts.store.read() as tx:
        scope = await _scope(tx, parts, proven, asked)
        roles = await scoping.roles_in(tx, parts.tokens.memo, proven.user.id, scope)
        if scope.target is not None and not roles:
            raise unauthorized()
        return scoping.caller_of(
            tx, proven, scope, roles, parts.settings.token_s, strict_scope=parts.settings.strict_scope
        )


async def _prove(parts: Parts, identity: Identity) -> Proven:
    if not identity.methods:
        raise Invalid("auth.methods", "Name at least one method.")
    users: list[User] = []
    parent: Caller | None = None
    methods: list[str] = []
    for method in identity.methods:
        if method == "password" and identity.password is not None:
            users.append(await auth.by_password(parts, identity.password.user, identity.password.user.password))
            methods.append(method)
        elif method == "token" and identity.token is not None:
            user, parent = await auth.by_token(parts, identity.token.id)
            users.append(user)
            methods += [*parent.methods, method]
        else:
            raise unauthorized()
    if len({user.id for user in users}) != 1:
        raise unauthorized()
    return Proven(user=users[0], methods=tuple(dict.fromkeys(methods)), parent=parent)


async def _scope(tx: Tx, parts: Parts, proven: Proven, asked: ScopeAsked) -> Scope:
    parent = proven.parent
    if parent is not None and (parent.trust_id or parent.app_credential_id):
        raise Forbidden(
            "auth.no_rescope", "A token that rests on a trust or an application credential keeps its scope."
        )
    if asked.project is not None:
        return await scoping.project(tx, asked.project)
    if asked.domain is not None:
        return await scoping.domain(tx, asked.domain)
    if asked.system:
        return Scope(system=True)
    if asked.says_nothing:
        return await scoping.default(tx, parts.tokens.memo, proven.user)
    return scoping.UNSCOPED
