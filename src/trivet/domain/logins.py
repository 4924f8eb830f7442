"""Logins: what wrong and old passwords do to a user."""

from trivet.domain.users import User
from trivet.errors import Forbidden
from trivet.parts import Parts
from trivet.settings import Settings
from trivet.store.tx import Tx


def _counts(user: User, settings: Settings) -> bool:
    return settings.lockout_tries > 0 and user.options.get("ignore_lockout_failure_attempts") is not True


async def check(tx: Tx, user: User, settings: Settings) -> bool:
    """A locked-out user is told as little as everybody else. Says whether wrong passwords were given lately."""
    if not _counts(user, settings):
        return False
    row = await tx.row("SELECT tries, at FROM failed_logins WHERE user_id = ?", user.id)
    if row is not None and row[0] >= settings.lockout_tries and row[1] + settings.lockout_s > tx.clock.now():
        raise Forbidden("auth.locked", f"The account is locked for user: {user.id}.", status=401)
    return row is not None


async def failed(parts: Parts, user: User) -> None:
    if not _counts(user, parts.settings):
        return
    async with parts.store.write() as tx:
        now = tx.clock.now()
        # A lock-out that has run its time is forgotten by the next failure, which is a first one again.
        await tx.run(
            "INSERT INTO failed_logins (user_id, tries, at) VALUES (?, 1, ?) ON CONFLICT (user_id) DO UPDATE SET"
            " tries = CASE WHEN failed_logins.tries >= ? AND failed_logins.at < ? THEN 1"
            " ELSE failed_logins.tries + 1 END, at = excluded.at",
            user.id,
            now,
            parts.settings.lockout_tries,
            now - parts.settings.lockout_s,
        )


async def succeeded(parts: Parts, user: User) -> None:
    """Looks once more: guesses that were begun together have been counted by now."""
    if not _counts(user, parts.settings):
        return
    async with parts.store.read() as tx:
        failed_before = await check(tx, user, parts.settings)
    if failed_before:
        async with parts.store.write() as tx:
            await tx.run("DELETE FROM failed_logins WHERE user_id = ?", user.id)


def check_password_age(user: User, now: float) -> None:
    if user.password_ends_at is not None and user.password_ends_at <= now:
        raise Forbidden(
            "auth.password_ended",
            f"The password is expired and needs to be changed for user: {user.id}.",
            status=401,
        )
