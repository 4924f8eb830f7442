"""A user's own change of its password: no token is needed, the old password proves who it is.

So it is a login as well, and a wrong old password counts like one at the front door.
"""

from trivet.domain.identity.login import logins
from trivet.domain.identity.people import user_options
from trivet.domain.identity.people.naming import UserRef, find_user, unauthorized
from trivet.domain.identity.people.users import DAY_S, USERS, User, check_shape, ends_at, need, with_password
from trivet.domain.identity.tokens import revocations
from trivet.errors import Invalid
from trivet.parts import Parts
from trivet.store.store import transact
from trivet.store.tx import Tx


async def change(parts: Parts, id: str, old: str, new: str) -> None:
    async with parts.store.read() as tx:
        found = await find_user(tx, UserRef(id=id))
        if found is not None:
            await logins.check(tx, found, parts.settings)
    if found is None or not found.passwords:
        await parts.passwords.waste(old)
        raise unauthorized()
    await _check(parts, found, old, new)
    hashed = await parts.passwords.hash(new)

    async def act(tx: Tx) -> None:
        now = tx.clock.now()
        user = await need(tx, id)
        if user.passwords[:1] != found.passwords[:1] or not user.enabled:
            # Somebody else was faster, and what was proved is no longer enough.
            raise unauthorized()
        await revocations.cut(tx, "user", id)
        await tx.update(
            USERS,
            user,
            passwords=with_password(user.passwords, hashed, now, parts.settings, by_owner=True),
            password_ends_at=ends_at(user.options, now, parts.settings),
        )

    await transact(parts.store, act)


def _check_age(parts: Parts, user: User) -> None:
    """One that an administrator set may be replaced at once."""
    newest, days = user.passwords[0], parts.settings.password_min_days
    if newest.by_owner and parts.clock.now() < newest.at + days * DAY_S:
        raise Invalid(
            "password.too_young",
            "You cannot change your password at this time due to password policy disallowing password changes within"
            f" {days} day(s) of the last change.",
        )


async def _check(parts: Parts, user: User, old: str, new: str) -> None:
    """Outside any transaction: each look at an old password costs as much as a login."""
    if user.options.get("lock_password") is True:
        raise Invalid("password.locked", "You cannot change your password: an administrator has locked it.")
    if not await parts.passwords.matches(old, user.passwords[0].hash):
        await logins.failed(parts, user)
        raise unauthorized()
    await logins.succeeded(parts, user, whole=user_options.enough(user.options, ("password",)))
    check_shape(new, parts.settings)
    _check_age(parts, user)
    kept = parts.settings.password_history
    for earlier in user.passwords[:kept]:
        if await parts.passwords.matches(new, earlier.hash):
            raise Invalid(
                "password.used_before",
                "The new password cannot be identical to a previous password. The total number which includes"
                f" the new password must be unique is {kept}.",
            )
