"""Containers: secrets that belong together, by name: any, the keys of a pair, or a certificate with its key."""

from typing import Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.key_manager import access, acls, consumers, limits, listing, stored_secrets
from trivet.domain.key_manager.access import Owner, Rules
from trivet.domain.key_manager.listing import Page
from trivet.domain.key_manager.stored_secrets import STORED_SECRETS
from trivet.domain.key_manager.words import container_absent, mismatch, not_allowed
from trivet.domain.row_locks import hold
from trivet.errors import Conflict, Invalid, NotFound
from trivet.ids import is_uuid
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

ContainerType = Literal["generic", "rsa", "certificate"]
PUBLIC, PRIVATE, PASSPHRASE = "public_key", "private_key", "private_key_passphrase"
HELD_MAX = 128


class Container(Record, frozen=True, kw_only=True):
    project_id: str
    creator_id: str
    name: str | None = None
    type: ContainerType
    created_at: float
    updated_at: float


class Held(msgspec.Struct, frozen=True):
    """A secret in a container, by the name that it has there."""

    secret_id: str
    name: str | None = None


CONTAINERS = Table("secret_containers", Container)


async def find(tx: Tx, id: str) -> Container:
    if not is_uuid(id):
        raise NotFound("secret_container.absent", "Not Found. Provided container id is invalid.")
    found = await tx.get(CONTAINERS, id.lower())
    if found is None:
        raise container_absent()
    return found


async def usable(
    tx: Tx, caller: Caller, id: str, doing: str, older: frozenset[str] = access.CREATE
) -> tuple[Container, Rules]:
    found = await find(tx, id)
    rules = await acls.rules_of(tx, found.id)
    if not access.may_use(caller, found, rules, older):
        raise not_allowed(doing)
    return found, rules


async def readable(tx: Tx, caller: Caller, id: str, doing: str) -> Container:
    found = await find(tx, id)
    if not access.may_read(caller, found, await acls.rules_of(tx, found.id), access.LOOK):
        raise not_allowed(doing)
    return found


async def held_by(tx: Tx, ids: list[str]) -> dict[str, list[Held]]:
    """What is in each, in the order in which it was put there."""
    found: dict[str, list[Held]] = {id: [] for id in ids}
    if ids:
        where = Where().any_of("container_id", ids)
        sql = f"SELECT container_id, secret_id, name FROM contained_secrets{where.sql} ORDER BY container_id, position"
        for container_id, secret_id, name in await tx.rows(sql, *where.values):
            found[str(container_id)].append(Held(str(secret_id), str(name) or None))
    return found


async def listed(tx: Tx, where: Where, wanted: Page) -> tuple[list[Container], int]:
    return await listing.page(tx, CONTAINERS, where, wanted)


def check_held(type: ContainerType, held: list[Held]) -> None:
    """Each container has what its type says, under the names that it gives them."""
    names = {one.name or "" for one in held}
    if len(names) != len(held):
        raise mismatch("Container", "Duplicate reference names are not allowed", "secret_refs")
    if len({one.secret_id for one in held}) != len(held):
        raise mismatch("Container", "Duplicate secret ids are not allowed", "secret_refs")
    if not held or type == "generic":
        return
    wanted, more, words = _PARTS[type]
    if names - wanted - more:
        raise mismatch("Container", words[0], "secret_refs")
    if not wanted <= names:
        raise mismatch("Container", words[1], "secret_refs")


_PARTS: dict[str, tuple[set[str], set[str], tuple[str, str]]] = {
    "rsa": (
        {PUBLIC, PRIVATE},
        {PASSPHRASE},
        (
            "only 'private_key', 'public_key' and 'private_key_passphrase' reference names are allowed for RSA type",
            "The minimum required reference names are 'public_key' and 'private_key' for RSA type",
        ),
    ),
    "certificate": (
        {"certificate"},
        {PRIVATE, PASSPHRASE, "intermediates"},
        (
            "only 'private_key', 'certificate' , 'private_key_passphrase',  or 'intermediates' reference names are "
            "allowed for Certificate type",
            "The minimum required reference name is 'certificate' for Certificate type",
        ),
    ),
}
"""Type -> what it must hold, what it may hold, and what is said of too much and of too little."""


async def create(tx: Tx, owner: Owner, name: str | None, type: ContainerType, held: list[Held]) -> Container:
    check_held(type, held)
    for one in held:
        if await stored_secrets.of_project(tx, owner.project_id, one.secret_id) is None:
            raise NotFound("secret.absent", f"Secret provided for '{one.name}' doesn't exist.")
    now = tx.clock.now()
    new = Container(
        id=tx.ids.uuid(),
        project_id=owner.project_id,
        creator_id=owner.creator_id,
        name=name,
        type=type,
        created_at=now,
        updated_at=now,
    )
    await tx.insert(CONTAINERS, new)
    for id in sorted(one.secret_id.lower() for one in held):
        await hold(tx, STORED_SECRETS, id)
    for position, one in enumerate(held):
        await _put(tx, new.id, one, position)
    limits.take(tx, owner.project_id, "containers")
    return new


async def _put(tx: Tx, container_id: str, one: Held, position: int) -> None:
    await tx.run(
        "INSERT INTO contained_secrets (container_id, secret_id, name, position) VALUES (?, ?, ?, ?)",
        container_id,
        one.secret_id.lower(),
        one.name or "",
        position,
    )


async def add(tx: Tx, caller: Caller, found: Container, one: Held) -> None:
    _need_generic(found)
    if caller.project_id is None or await stored_secrets.of_project(tx, caller.project_id, one.secret_id) is None:
        raise NotFound("secret.absent", "Secret provided doesn't exist.")
    await hold(tx, CONTAINERS, found.id)
    held = (await held_by(tx, [found.id]))[found.id]
    if Held(one.secret_id.lower(), one.name) in held:
        raise Conflict(
            "secret_container.holds",
            "Conflict. A secret with that name and ID is already stored in this container. The same secret can exist "
            "in a container as long as the name is unique.",
        )
    if len(held) >= HELD_MAX:
        raise Invalid("secret_container.full", f"A container holds {HELD_MAX} secrets at most.")
    await hold(tx, STORED_SECRETS, one.secret_id.lower())
    row = await tx.row("SELECT COALESCE(MAX(position), -1) FROM contained_secrets WHERE container_id = ?", found.id)
    assert row is not None
    await _put(tx, found.id, one, int(row[0]) + 1)


def _need_generic(found: Container) -> None:
    if found.type != "generic":
        raise Invalid("secret_container.fixed", "Only 'generic' containers can be modified.")


async def take_out(tx: Tx, caller: Caller, found: Container, one: Held, ref: str) -> None:
    if caller.project_id is None or await stored_secrets.of_project(tx, caller.project_id, one.secret_id) is None:
        raise NotFound("secret.absent", f"Secret '{one.name}' with reference '{ref[:200]}' doesn't exist.")
    await hold(tx, CONTAINERS, found.id)
    gone = await tx.run(
        "DELETE FROM contained_secrets WHERE container_id = ? AND secret_id = ? AND name = ?",
        found.id,
        one.secret_id.lower(),
        one.name or "",
    )
    if not gone:
        raise NotFound("secret_container.lacks", "Secret provided is not in the container")


async def delete(tx: Tx, found: Container) -> None:
    """The secrets in it stay."""
    await hold(tx, CONTAINERS, found.id)
    await tx.run("DELETE FROM contained_secrets WHERE container_id = ?", found.id)
    await consumers.drop_all(tx, found.id)
    await acls.drop(tx, found.id)
    await tx.delete(CONTAINERS, found)
    limits.give_back(tx, found.project_id, "containers")
