"""The password that admin gets at the very first start, noted down before admin is made.

What comes after admin in a start may fail: engines that are missing, a port that is taken. The next start finds the
note, and whether it is true: somebody else's start may have made admin in a database that we share.
"""

import os
import secrets
from dataclasses import replace
from pathlib import Path

from trivet.cli.clouds_yaml import password_in
from trivet.domain.identity.people.users import USERS
from trivet.process import Process
from trivet.settings import Settings


def foresee(settings: Settings) -> Settings:
    """The settings, with a password if none is set and none is known here."""
    if settings.admin_password or password_in(Path(settings.data) / "clouds.yaml"):
        return settings
    note = _note(settings)
    try:
        with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(18))
    except FileExistsError:
        pass
    return replace(settings, admin_password=note.read_text())


async def of_admin(process: Process, foreseen: Settings) -> str | None:
    """Made by this start, or by an earlier one that failed afterwards; None if it is not for us to know."""
    if process.admin_password or not _note(foreseen).exists():
        return process.admin_password
    async with process.parts.store.read() as tx:
        admin = await tx.find(USERS, "name = 'admin' AND domain_id = 'default'")
    noted = foreseen.admin_password
    if admin is None or not admin.passwords:
        return None
    return noted if await process.parts.passwords.matches(noted, admin.passwords[0].hash) else None


def forget(settings: Settings) -> None:
    """clouds.yaml has it from now on."""
    _note(settings).unlink(missing_ok=True)


def _note(settings: Settings) -> Path:
    return Path(settings.data) / "first-password"
