"""Flavors: sizes that servers come in. An operator makes them; a server keeps its own copy.

A flavor that is not public exists only for the projects that were given access to it.
"""

from trivet.domain.callers import Caller
from trivet.errors import Conflict, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class Flavor(Record, frozen=True, kw_only=True):
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    created_at: float
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = {}


FLAVORS = Table("flavors", Flavor)

_SEEDS = (
    ("1", "m1.tiny", 1, 512, 1),
    ("2", "m1.small", 1, 2048, 20),
    ("3", "m1.medium", 2, 4096, 40),
    ("42", "trivet.nano", 1, 128, 1),
    ("84", "trivet.micro", 1, 192, 1),
)


async def seed_flavors(tx: Tx) -> None:
    """A few sensible sizes, if there are none at all."""
    if await tx.find(FLAVORS, "1 = 1") is not None:
        return
    for id, name, vcpus, ram_mib, disk_gib in _SEEDS:
        flavor = Flavor(id=id, name=name, vcpus=vcpus, ram_mib=ram_mib, disk_gib=disk_gib, created_at=tx.clock.now())
        await tx.insert(FLAVORS, flavor)


async def visible(tx: Tx, caller: Caller, id: str) -> Flavor:
    flavor = await tx.get(FLAVORS, id)
    if flavor is None or not await _may_see(tx, caller, flavor):
        raise _absent(id)
    return flavor


def visible_where(caller: Caller) -> Where:
    """Public ones, and those that the caller's project was given."""
    return Where().add(
        "(is_public = 1 OR id IN (SELECT flavor_id FROM flavor_access WHERE project_id = ?))", caller.project_id or ""
    )


async def create(tx: Tx, flavor: Flavor) -> Flavor:
    if await tx.find(FLAVORS, "name = ?", flavor.name) is not None:
        raise Conflict("flavor.exists", f"Flavor with name {flavor.name} already exists.")
    if not await tx.insert_new(FLAVORS, flavor):
        raise Conflict("flavor.exists", f"Flavor with ID {flavor.id} already exists.")
    return flavor


async def delete(tx: Tx, id: str) -> None:
    flavor = await tx.get(FLAVORS, id)
    if flavor is None:
        raise _absent(id)
    await tx.run("DELETE FROM flavor_access WHERE flavor_id = ?", id)
    await tx.delete(FLAVORS, flavor)


async def specify(tx: Tx, flavor: Flavor, extra_specs: dict[str, str]) -> Flavor:
    return await tx.update(FLAVORS, flavor, extra_specs=extra_specs)


async def describe(tx: Tx, flavor: Flavor, description: str | None) -> Flavor:
    return await tx.update(FLAVORS, flavor, description=description)


async def projects_of(tx: Tx, flavor_id: str) -> list[str]:
    rows = await tx.rows("SELECT project_id FROM flavor_access WHERE flavor_id = ? ORDER BY project_id", flavor_id)
    return [str(row[0]) for row in rows]


async def give_access(tx: Tx, flavor: Flavor, project_id: str) -> None:
    if not await tx.run(
        "INSERT INTO flavor_access (flavor_id, project_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        flavor.id,
        project_id,
    ):
        raise Conflict(
            "flavor.access_exists", f"Flavor access already exists for flavor {flavor.id} and project {project_id}."
        )


async def take_access(tx: Tx, flavor: Flavor, project_id: str) -> None:
    if not await tx.run("DELETE FROM flavor_access WHERE flavor_id = ? AND project_id = ?", flavor.id, project_id):
        raise NotFound("flavor.access_absent", f"Flavor access not found for {flavor.id} / {project_id} combination.")


async def _may_see(tx: Tx, caller: Caller, flavor: Flavor) -> bool:
    if flavor.is_public or caller.is_operator:
        return True
    row = await tx.row(
        "SELECT 1 FROM flavor_access WHERE flavor_id = ? AND project_id = ?", flavor.id, caller.project_id or ""
    )
    return row is not None


def _absent(id: str) -> NotFound:
    return NotFound("flavor.absent", f"Flavor {id} could not be found.")
