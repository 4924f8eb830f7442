"""Containers: a name of a project's, whom it is shared with, and what is counted in it."""

from trivet.domain.limits import quotas
from trivet.domain.numbers import whole_number
from trivet.domain.objects import accounts, names
from trivet.errors import Conflict, Invalid, NotFound, OverQuota
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

META = "x-container-meta-"
READ, WRITE = "x-container-read", "x-container-write"
QUOTA_BYTES, QUOTA_COUNT = f"{META}quota-bytes", f"{META}quota-count"


class Container(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    metadata: dict[str, str] = {}
    versioned: bool = False
    """Whether what an object was before is kept as a version of it."""
    object_count: int = 0
    bytes_used: int = 0
    created_at: float
    updated_at: float


TABLE = Table("object_containers", Container, logged=False)


async def find(tx: Tx, project_id: str, name: str) -> Container | None:
    return await tx.find(TABLE, "project_id = ? AND name = ?", project_id, name)


async def need(tx: Tx, project_id: str, name: str) -> Container:
    found = await find(tx, project_id, name)
    if found is None:
        raise absent()
    return found


def absent() -> NotFound:
    return NotFound("container.absent", "The resource could not be found.")


async def put(tx: Tx, project_id: str, name: str, changes: dict[str, str], *, versioned: bool | None = None) -> bool:
    """Made, or described anew if it is there; whether it is new."""
    names.check_container(name)
    found = await find(tx, project_id, name)
    if found is not None:
        await describe(tx, found, changes, versioned=versioned)
        return False
    await accounts.ensure(tx, project_id)
    now = tx.clock.now()
    container = Container(
        id=tx.ids.hex(), project_id=project_id, name=name, metadata=accounts.merged(META, {}, changes),
        versioned=bool(versioned), created_at=now, updated_at=now,
    )  # fmt: skip
    await tx.insert(TABLE, container)
    quotas.at_end(tx, project_id, {accounts.CONTAINERS: 1})
    return True


async def describe(
    tx: Tx, container: Container, changes: dict[str, str], *, versioned: bool | None = None
) -> Container:
    for name in (QUOTA_BYTES, QUOTA_COUNT):
        if changes.get(name) and whole_number(changes[name]) is None:
            raise Invalid("container.quota", f"Invalid {name.removeprefix(META).replace('-', ' ')}.")
    return await tx.update(
        TABLE, container, metadata=accounts.merged(META, container.metadata, changes),
        versioned=container.versioned if versioned is None else versioned, updated_at=tx.clock.now(),
    )  # fmt: skip


async def delete(tx: Tx, container: Container) -> None:
    """It is empty, or stays."""
    for table in ("objects", "object_versions"):
        if await tx.row(f"SELECT 1 FROM {table} WHERE container_id = ? LIMIT 1", container.id) is not None:
            raise Conflict("container.full", "There was a conflict when trying to complete your request.")
    await tx.delete(TABLE, container)
    quotas.at_end(tx, container.project_id, {accounts.CONTAINERS: -1})


# -- what is counted


class _Counted:
    """What a transaction adds to containers and takes from them, done when all else is: many meet at these rows."""

    def __init__(self) -> None:
        self.changes: dict[str, list[int]] = {}

    async def finish(self, tx: Tx) -> None:
        changes, self.changes = self.changes, {}
        for id, (objects, size) in sorted(changes.items()):
            if objects or size:
                await tx.run(
                    "UPDATE object_containers SET object_count = object_count + ?, bytes_used = bytes_used + ?"
                    " WHERE id = ?",
                    objects,
                    size,
                    id,
                )


def count(tx: Tx, container: Container, objects: int, size: int) -> None:
    """In the container, and against the project's limits."""
    changes = tx.last(_Counted).changes.setdefault(container.id, [0, 0])
    changes[0] += objects
    changes[1] += size
    quotas.at_end(tx, container.project_id, {accounts.OBJECTS: objects, accounts.BYTES: size})


def check_quota(container: Container, objects: int, size: int) -> None:
    """What the container's owner allows in it."""
    for header, more, before in (
        (QUOTA_BYTES, size, container.bytes_used),
        (QUOTA_COUNT, objects, container.object_count),
    ):
        most = whole_number(container.metadata.get(header, "")) if header in container.metadata else None
        if more > 0 and most is not None and before + more > most:
            raise OverQuota("container.over_quota", "Upload exceeds quota.", status=413)


async def foresee(tx: Tx, container: Container, objects: int, size: int) -> None:
    """Refuse before the first byte what would be refused after the last."""
    check_quota(container, objects, size)
    await quotas.foresee(tx, container.project_id, accounts.OBJECTS, objects)
    await quotas.foresee(tx, container.project_id, accounts.BYTES, size)
