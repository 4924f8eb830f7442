"""Address groups: named lists of blocks that security group rules may point at."""

from collections.abc import Iterable

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies
from trivet.domain.network.addresses import block_of
from trivet.domain.network.words import Text
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx

ADDRESSES_MAX = 1000


class AddressGroup(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    description: str = ""
    addresses: tuple[str, ...] = ()
    created_at: float
    updated_at: float


ADDRESS_GROUPS = Table("address_groups", AddressGroup)


class AddressGroupCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    addresses: tuple[Text, ...] = ()


class AddressGroupUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET


async def visible(tx: Tx, caller: Caller, id: str) -> AddressGroup:
    group = await tx.get(ADDRESS_GROUPS, id)
    if group is None or not await rbac_policies.sees(tx, caller, "address_group", group.project_id, id):
        raise NotFound("address_group.absent", f"Address group {id} could not be found.")
    return group


async def own(tx: Tx, caller: Caller, id: str) -> AddressGroup:
    """To others a shared group is not there to be changed."""
    group = await visible(tx, caller, id)
    if not (caller.owns(group.project_id) or caller.is_operator):
        raise NotFound("address_group.absent", f"Address group {id} could not be found.")
    return group


async def create(tx: Tx, caller: Caller, wanted: AddressGroupCreate) -> AddressGroup:
    project_id = rbac_policies.owner(caller, wanted.project_id)
    now = tx.clock.now()
    group = AddressGroup(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        addresses=_blocks(wanted.addresses),
        created_at=now,
        updated_at=now,
    )
    quotas.at_end(tx, project_id, {"address_group": 1})
    return await tx.insert(ADDRESS_GROUPS, group)


async def update(tx: Tx, group: AddressGroup, wanted: AddressGroupUpdate) -> AddressGroup:
    changes = {field: value for field in ("name", "description") if (value := getattr(wanted, field)) is not UNSET}
    return await tx.update(ADDRESS_GROUPS, group, updated_at=tx.clock.now(), **changes)


async def add(tx: Tx, group: AddressGroup, given: Iterable[str]) -> AddressGroup:
    new = _blocks(given)
    present = sorted(set(new) & set(group.addresses))
    if present:
        raise Invalid("address_group.present", f"Addresses {present} already exist in address group {group.id}.")
    return await _with(tx, group, (*group.addresses, *new))


async def take_out(tx: Tx, group: AddressGroup, given: Iterable[str]) -> AddressGroup:
    gone = set(_blocks(given))
    absent = sorted(gone - set(group.addresses))
    if absent:
        raise NotFound("addresses.absent", f"Addresses {absent} not found in address group {group.id}.")
    return await _with(tx, group, tuple(block for block in group.addresses if block not in gone))


async def delete(tx: Tx, group: AddressGroup) -> None:
    if await _users(tx, group.id):
        raise Conflict(
            "address_group.in_use", f"Address group {group.id} is in use on one or more security group rules."
        )
    await tx.delete(ADDRESS_GROUPS, group)
    await rbac_policies.forget(tx, "address_group", group.id)
    quotas.at_end(tx, group.project_id, {"address_group": -1})


async def _with(tx: Tx, group: AddressGroup, blocks: tuple[str, ...]) -> AddressGroup:
    return await tx.update(ADDRESS_GROUPS, group, addresses=_few(blocks), updated_at=tx.clock.now())


async def _users(tx: Tx, id: str) -> list[str]:
    sql = "SELECT DISTINCT security_group_id FROM security_group_rules WHERE remote_address_group_id = ?"
    return [str(row[0]) for row in await tx.rows(sql, id)]


def _blocks(given: Iterable[str]) -> tuple[str, ...]:
    return _few(dict.fromkeys(str(block_of(text)) for text in given))


def _few(blocks: Iterable[str]) -> tuple[str, ...]:
    """The engine holds each of them, and a project may have as many groups as its quota says."""
    found = tuple(blocks)
    if len(found) > ADDRESSES_MAX:
        raise Invalid("address_group.many", f"An address group holds at most {ADDRESSES_MAX} addresses.")
    return found
