"""Proofs: a password, a passcode or a token, looked at. What a password costs is paid outside any transaction."""

from trivet.domain.callers import Caller
from trivet.domain.identity.login import facts as login_facts
from trivet.domain.identity.login import logins, totp
from trivet.domain.identity.login.proven import Granted
from trivet.domain.identity.login.scoping import ProjectRef
from trivet.domain.identity.people.naming import UserRef, find_user, unauthorized
from trivet.domain.identity.people.users import User
from trivet.domain.identity.tokens import revocations
from trivet.errors import Conflict, Forbidden, NotFound
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx


async def by_password(
    parts: Parts, who: UserRef, password: str, wanted: ProjectRef | None
) -> tuple[User, Granted | None]:
    """Whether the user was locked out meanwhile, and how old the password is, are left to the login's end.

    `wanted`: what the token is for. What is granted there is read beforehand, with the user: a token is as old as the
    beginning of its login, so whatever is taken away meanwhile hits it.
    """
    async with parts.store.read() as tx:
        if wanted is not None:
            user, granted = await login_facts.read(tx, parts.identity_memory, who, wanted)
        else:
            user, granted = await find_user(tx, who), None
        if user is not None:
            await logins.check(tx, user, parts.settings)
    if user is None or not user.passwords:
        await parts.passwords.waste(password)
        raise unauthorized()
    if not await parts.passwords.matches(password, user.passwords[0].hash):
        await logins.failed(parts, user)
        raise unauthorized()
    return user, granted


async def by_passcode(parts: Parts, who: UserRef, passcode: str) -> User:
    async with parts.store.read() as tx:
        user = await find_user(tx, who)
    if user is None:
        raise unauthorized()
    known: User = user

    async def act(tx: Tx) -> bool:
        await logins.take_try(tx, known, parts.settings)
        right = await totp.accept(tx, parts.secrets, known.id, passcode)
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
