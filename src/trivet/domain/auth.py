"""Auth: a proof of who somebody is becomes a token.

Who failed is never told why: a wrong name and a wrong password look (and take) the same. What a password
costs to check is paid outside any transaction.
"""

import msgspec

from trivet.domain import logins, revocations, totp
from trivet.domain.app_credentials import AppCredential
from trivet.domain.callers import Caller
from trivet.domain.users import USERS, User
from trivet.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx

MESSAGE = "The request you have made requires authentication."


class DomainRef(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None


class UserRef(msgspec.Struct, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class Proven(msgspec.Struct, frozen=True):
    """What the methods of a request have shown."""

    user: User
    methods: tuple[str, ...]
    began_at: float
    """When the login began, before anything was read: what is revoked meanwhile must hit its token too."""
    parent: Caller | None = None
    """The token that was shown, if one was."""
    app_credential: AppCredential | None = None


def unauthorized(message: str = MESSAGE) -> Forbidden:
    return Forbidden("auth.failed", message, status=401)


async def find_user(tx: Tx, who: UserRef) -> User | None:
    """Enabled, in an enabled domain; None if there is no such one. One statement: each login begins with it."""
    if who.id is not None:
        of_domain = "(SELECT enabled FROM projects WHERE id = users.domain_id) = 1"
        return await tx.find(USERS, f"id = ? AND enabled = 1 AND {of_domain}", who.id)
    if who.name is None or who.domain is None:
        raise Invalid("auth.user", "A user is named by its id, or by its name and its domain.")
    domain = enabled_domain(who.domain)
    return await tx.find(USERS, f"domain_id = {domain.sql} AND name = ? AND enabled = 1", domain.value, who.name)


class EnabledDomain(msgspec.Struct, frozen=True):
    """A subquery for a domain's id, nothing if it is not there or disabled."""

    sql: str
    value: str


def enabled_domain(which: DomainRef) -> EnabledDomain:
    # By COALESCE, as the index has it that keeps names apart.
    named = "COALESCE(domain_id, '') = '' AND name = ?"
    if which.id is None and which.name is None:
        raise Invalid("auth.domain", "A domain is named by its id or its name.")
    condition, value = ("id = ? AND is_domain = 1", which.id) if which.id is not None else (named, which.name)
    return EnabledDomain(f"(SELECT id FROM projects WHERE {condition} AND enabled = 1)", value or "")


async def by_password(parts: Parts, who: UserRef, password: str) -> User:
    """Whether the user was locked out meanwhile, and how old the password is, are left to the login's end."""
    async with parts.store.read() as tx:
        user = await find_user(tx, who)
        if user is not None:
            await logins.check(tx, user, parts.settings)
    if user is None or not user.passwords:
        await parts.passwords.waste(password)
        raise unauthorized()
    if not await parts.passwords.matches(password, user.passwords[0].hash):
        await logins.failed(parts, user)
        raise unauthorized()
    return user


async def by_passcode(parts: Parts, who: UserRef, passcode: str) -> User:
    async with parts.store.read() as tx:
        user = await find_user(tx, who)
    if user is None:
        raise unauthorized()
    known: User = user

    async def act(tx: Tx) -> bool:
        await logins.take_try(tx, known, parts.settings)
        right = await totp.accept(tx, parts.tokens.secrets, known.id, passcode)
        if right:
            await logins.give_back(tx, known, parts.settings)
        return right

    try:
        right = await transact(parts.store, act)
    except Conflict as error:
        # The user was deleted since it was found.
        raise unauthorized() from error
    if not right:
        raise unauthorized()
    return user


async def by_token(parts: Parts, token: str) -> tuple[User, Caller]:
    try:
        caller = parts.tokens.caller(token)
    except Forbidden as error:
        raise NotFound("token.absent", "Could not find token.") from error
    async with parts.store.read() as tx:
        user = await find_user(tx, UserRef(id=caller.user_id))
        if user is None or await revocations.hit(tx, parts.tokens, caller):
            raise unauthorized()
    return user, caller
