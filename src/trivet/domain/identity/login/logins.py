"""Logins: what wrong proofs and old passwords do to a user. A wrong passcode counts like a wrong password.

Only a whole login makes them forgotten: half of one, which who knows the password can repeat for ever, would make
room for guesses at the other half.
"""

from contextlib import suppress

from trivet.domain.identity.people.users import User
from trivet.errors import Conflict, Forbidden
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.store import transact
from trivet.store.tx import Tx

# A lock-out that has run its time is forgotten by the next failure, which is a first one again.
_SQL_COUNT = """
    INSERT INTO failed_logins (user_id, tries, at) VALUES (?, 1, ?) ON CONFLICT (user_id) DO UPDATE SET
        tries = CASE WHEN failed_logins.tries >= ? AND failed_logins.at <= ? THEN 1 ELSE failed_logins.tries + 1 END,
        at = excluded.at
"""
_OPEN = "(failed_logins.tries < ? OR failed_logins.at <= ?)"


def _counts(user: User, settings: Settings) -> bool:
    return settings.lockout_tries > 0 and user.options.get("ignore_lockout_failure_attempts") is not True


def _locked(user: User) -> Forbidden:
    return Forbidden("auth.locked", f"The account is locked for user: {user.id}.", status=401)


async def check(tx: Tx, user: User, settings: Settings) -> bool:
    """A locked-out user is told as little as everybody else. Says whether wrong proofs were given lately."""
    if not _counts(user, settings):
        return False
    row = await tx.row("SELECT tries, at FROM failed_logins WHERE user_id = ?", user.id)
    if row is not None and row[0] >= settings.lockout_tries and row[1] + settings.lockout_s > tx.clock.now():
        raise _locked(user)
    return row is not None


async def failed(parts: Parts, user: User) -> None:
    settings = parts.settings
    if not _counts(user, settings):
        return

    async def act(tx: Tx) -> None:
        now = tx.clock.now()
        await tx.run(_SQL_COUNT, user.id, now, settings.lockout_tries, now - settings.lockout_s)

    with suppress(Conflict):  # Whoever is deleted at this moment has nothing left to guess.
        await transact(parts.store, act)


async def take_try(tx: Tx, user: User, settings: Settings) -> None:
    """Before a passcode is looked at, in the same transaction: guesses made at once wait here for each other.

    There are few enough passcodes to send many before the first is answered, so each is counted as wrong beforehand.
    """
    if not _counts(user, settings):
        return
    now = tx.clock.now()
    old = settings.lockout_tries, now - settings.lockout_s
    if not await tx.run(f"{_SQL_COUNT} WHERE {_OPEN}", user.id, now, *old, *old):
        raise _locked(user)


async def give_back(tx: Tx, user: User, settings: Settings) -> None:
    """The passcode was right."""
    if _counts(user, settings):
        await tx.run("UPDATE failed_logins SET tries = tries - 1 WHERE user_id = ?", user.id)


async def succeeded(parts: Parts, user: User, *, whole: bool) -> None:
    """Looks once more: guesses that were begun together have been counted by now."""
    settings = parts.settings
    if not _counts(user, settings):
        return
    async with parts.store.read() as tx:
        failed_before = await check(tx, user, settings)
    if failed_before and whole:
        async with parts.store.write() as tx:
            old = settings.lockout_tries, tx.clock.now() - settings.lockout_s
            await tx.run(f"DELETE FROM failed_logins WHERE user_id = ? AND {_OPEN}", user.id, *old)


def check_password_age(user: User, now: float) -> None:
    if user.password_ends_at is not None and user.password_ends_at <= now:
        raise Forbidden(
            "auth.password_ended",
            f"The password is expired and needs to be changed for user: {user.id}.",
            status=401,
        )
