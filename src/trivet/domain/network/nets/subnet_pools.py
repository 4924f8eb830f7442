"""Subnet pools: larger blocks from which subnets are cut, so that tenants need not agree on numbers.

What is cut is remembered by the subnets themselves. A cut writes the pool's row, so two of them at once
cannot take the same block.
"""

from collections.abc import Iterable, Sequence
from ipaddress import collapse_addresses
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies, tags
from trivet.domain.network.addresses import Network, block_of, network_of
from trivet.domain.network.nets import address_scopes
from trivet.domain.network.nets.address_scopes import AddressScope
from trivet.domain.network.words import Id, Number, Text
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where

_PREFIXES_MAX = 100


class SubnetPool(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    description: str = ""
    ip_version: int
    prefixes: tuple[str, ...]
    default_prefixlen: int
    min_prefixlen: int
    max_prefixlen: int
    default_quota: int | None = None
    is_default: bool = False
    address_scope_id: str | None = None
    tags: tuple[str, ...] = ()
    created_at: float
    updated_at: float


SUBNET_POOLS = Table("subnet_pools", SubnetPool)


class SubnetPoolCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    name: Text
    description: Text = ""
    prefixes: tuple[Text, ...]
    default_prefixlen: Number | UnsetType = UNSET
    min_prefixlen: Number | UnsetType = UNSET
    max_prefixlen: Number | UnsetType = UNSET
    default_quota: Number | None = None
    is_default: bool = False
    shared: bool = False
    address_scope_id: Id | None = None


class SubnetPoolUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    prefixes: tuple[Text, ...] | UnsetType = UNSET
    default_prefixlen: Number | UnsetType = UNSET
    min_prefixlen: Number | UnsetType = UNSET
    max_prefixlen: Number | UnsetType = UNSET
    default_quota: Number | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    address_scope_id: Id | UnsetType | None = UNSET


async def visible(tx: Tx, caller: Caller, id: str) -> SubnetPool:
    pool = await tx.get(SUBNET_POOLS, id)
    if pool is None or not await rbac_policies.sees(tx, caller, "subnetpool", pool.project_id, id):
        raise NotFound("subnetpool.absent", f"Subnet pool {id} could not be found.")
    return pool


async def own(tx: Tx, caller: Caller, id: str, what: str) -> SubnetPool:
    pool = await visible(tx, caller, id)
    rbac_policies.must_own(caller, pool.project_id, what)
    return pool


async def default(tx: Tx, caller: Caller, version: int) -> SubnetPool:
    pool = await tx.find(SUBNET_POOLS, "is_default = 1 AND ip_version = ?", version)
    if pool is None or not await rbac_policies.sees(tx, caller, "subnetpool", pool.project_id, pool.id):
        raise NotFound("subnetpool.no_default", f"No default subnetpool found for IPv{version}.")
    return pool


async def create(tx: Tx, caller: Caller, wanted: SubnetPoolCreate) -> SubnetPool:
    rbac_policies.operator_only(caller, "create_subnetpool:shared", wanted.shared or UNSET)
    rbac_policies.operator_only(caller, "create_subnetpool:is_default", wanted.is_default or UNSET)
    project_id = rbac_policies.owner(caller, wanted.project_id)
    prefixes, version = _prefixes(wanted.prefixes)
    low = 8 if version == 4 else 64
    lengths = _lengths(
        version,
        wanted.min_prefixlen if wanted.min_prefixlen is not UNSET else low,
        wanted.default_prefixlen,
        wanted.max_prefixlen if wanted.max_prefixlen is not UNSET else (32 if version == 4 else 128),
    )
    now = tx.clock.now()
    pool = SubnetPool(
        id=tx.ids.uuid(),
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        ip_version=version,
        prefixes=prefixes,
        min_prefixlen=lengths[0],
        default_prefixlen=lengths[1],
        max_prefixlen=lengths[2],
        default_quota=wanted.default_quota,
        is_default=wanted.is_default,
        address_scope_id=wanted.address_scope_id,
        created_at=now,
        updated_at=now,
    )
    if pool.address_scope_id:
        await _in_scope(tx, caller, pool, pool.address_scope_id, pool.prefixes)
    if pool.is_default:
        await _one_default(tx, pool)
    quotas.at_end(tx, project_id, {"subnetpool": 1})
    await tx.insert(SUBNET_POOLS, pool)
    if wanted.shared:
        await rbac_policies.grant(tx, project_id, "subnetpool", pool.id, "access_as_shared")
        if pool.address_scope_id:
            await _shared_as_far(tx, pool, pool.address_scope_id)
    return pool


async def update(tx: Tx, caller: Caller, pool: SubnetPool, wanted: SubnetPoolUpdate) -> SubnetPool:
    rbac_policies.operator_only(caller, "update_subnetpool:is_default", wanted.is_default)
    changes: dict[str, Any] = {
        field: value
        for field in ("name", "description", "default_quota", "is_default", "address_scope_id")
        if (value := getattr(wanted, field)) is not UNSET
    }
    if wanted.prefixes is not UNSET:
        changes["prefixes"] = _grown(pool, wanted.prefixes)
    lengths = _lengths(
        pool.ip_version,
        _or_old(wanted.min_prefixlen, pool.min_prefixlen),
        _or_old(wanted.default_prefixlen, pool.default_prefixlen),
        _or_old(wanted.max_prefixlen, pool.max_prefixlen),
    )
    changes |= dict(zip(("min_prefixlen", "default_prefixlen", "max_prefixlen"), lengths, strict=True))
    scope_id = changes.get("address_scope_id", pool.address_scope_id)
    if isinstance(scope_id, str) and ("prefixes" in changes or "address_scope_id" in changes):
        prefixes = changes.get("prefixes", pool.prefixes)
        assert isinstance(prefixes, tuple)
        scope = await _in_scope(tx, caller, pool, scope_id, prefixes)
        if "prefixes" in changes and not (caller.owns(scope.project_id) or caller.is_operator):
            raise Invalid(
                "subnetpool.address_scope",
                f"Illegal subnetpool update : the address scope {scope_id} belongs to another project.",
            )
    if wanted.is_default is True:
        await _one_default(tx, pool)
    return await tx.update(SUBNET_POOLS, pool, updated_at=tx.clock.now(), **changes)


async def shrink(tx: Tx, pool: SubnetPool, given: Sequence[str]) -> SubnetPool:
    """Take prefixes out of which nothing is cut."""
    gone = [network_of(text) for text in given]
    for (cidr,) in await tx.rows("SELECT cidr FROM subnets WHERE subnetpool_id = ?", pool.id):
        if any(_overlap(network_of(str(cidr)), block) for block in gone):
            raise Invalid(
                "subnetpool.prefixes", f"Illegal subnetpool update : {cidr} is allocated from a prefix to be removed."
            )
    left = [network_of(prefix) for prefix in pool.prefixes]
    for block in gone:
        left = [piece for prefix in left for piece in _without(prefix, block)]
    return await tx.update(SUBNET_POOLS, pool, prefixes=_prefixes(map(str, left))[0], updated_at=tx.clock.now())


def _without(prefix: Network, block: Network) -> list[Network]:
    if not _overlap(prefix, block):
        return [prefix]
    if _within(prefix, block):
        return []
    return list(prefix.address_exclude(block))  # type: ignore[arg-type] # of one version, since they overlap


async def delete(tx: Tx, pool: SubnetPool) -> None:
    busy = await tx.row("SELECT id FROM subnets WHERE subnetpool_id = ? LIMIT 1", pool.id)
    if busy is not None:
        raise Conflict("subnetpool.in_use", f"Unable to delete subnet pool {pool.id}: Subnets are allocated from it.")
    await tags.forget(tx, "subnet_pools", pool)
    await tx.delete(SUBNET_POOLS, pool)
    await rbac_policies.forget(tx, "subnetpool", pool.id)
    quotas.at_end(tx, pool.project_id, {"subnetpool": -1})


async def hold(tx: Tx, ids: Iterable[str]) -> None:
    """Before something is cut out of several."""
    for id in sorted(set(ids)):
        await tx.run("UPDATE subnet_pools SET revision = revision WHERE id = ?", id)


async def cut(tx: Tx, caller: Caller, project_id: str, pool_id: str, *, cidr: str | None, prefixlen: int | None) -> str:
    """A block for a subnet: this very one, or the first free one of a length."""
    pool = await visible(tx, caller, pool_id)
    length = network_of(cidr).prefixlen if cidr else prefixlen if prefixlen is not None else pool.default_prefixlen
    if length < pool.min_prefixlen:
        raise Invalid(
            "subnetpool.prefix_small",
            f"Unable to allocate subnet with prefix length {length}, minimum allowed prefix is {pool.min_prefixlen}.",
        )
    if length > pool.max_prefixlen:
        raise Invalid(
            "subnetpool.prefix_large",
            f"Unable to allocate subnet with prefix length {length}, maximum allowed prefix is {pool.max_prefixlen}.",
        )
    rows = await tx.rows("SELECT cidr, project_id FROM subnets WHERE subnetpool_id = ?", pool.id)
    used = [network_of(str(row[0])) for row in rows]
    if pool.default_quota is not None:
        _within_quota(pool, [network_of(str(row[0])) for row in rows if row[1] == project_id], length)
    # Written so that a cut at the same time starts again and sees this one.
    await tx.update(SUBNET_POOLS, pool, updated_at=tx.clock.now())
    free = _free_block(pool, used, length) if cidr is None else _this_block(pool, used, network_of(cidr))
    if free is None:
        raise Conflict(
            "subnet.allocation",
            "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /" + str(length),
        )
    return free


def _within_quota(pool: SubnetPool, mine: Sequence[Network], length: int) -> None:
    """Counted in addresses for IPv4 and in /64 for IPv6."""
    assert pool.default_quota is not None
    full = 32 if pool.ip_version == 4 else 64
    used = sum(2 ** max(0, full - block.prefixlen) for block in mine)
    if used + 2 ** max(0, full - length) > pool.default_quota:
        raise Conflict("subnetpool.quota", "Per-project subnet pool prefix quota exceeded.")


def _this_block(pool: SubnetPool, used: Sequence[Network], block: Network) -> str | None:
    inside = any(_within(block, network_of(prefix)) for prefix in pool.prefixes)
    if not inside or any(_overlap(block, other) for other in used):
        raise Conflict("subnet.allocation", f"Failed to allocate subnet: Cannot allocate requested subnet {block}.")
    return str(block)


def _free_block(pool: SubnetPool, used: Sequence[Network], length: int) -> str | None:
    """Walks the gaps between what is used, not all blocks that could be."""
    width = 32 if pool.ip_version == 4 else 128
    step = 1 << (width - length)
    spans = sorted((int(block.network_address), int(block.broadcast_address)) for block in used)
    for prefix in sorted((network_of(text) for text in pool.prefixes), key=lambda block: int(block.network_address)):
        at, end = int(prefix.network_address), int(prefix.broadcast_address)
        at = -(-at // step) * step
        for first, last in spans:
            if last < at:
                continue
            if first > at + step - 1:
                break
            at = -(-(last + 1) // step) * step
        if at + step - 1 <= end:
            return f"{type(prefix.network_address)(at)}/{length}"
    return None


def _within(block: Network, outer: Network) -> bool:
    first, last = int(block.network_address), int(block.broadcast_address)
    return (
        block.version == outer.version and int(outer.network_address) <= first and last <= int(outer.broadcast_address)
    )


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _prefixes(given: Iterable[str]) -> tuple[tuple[str, ...], int]:
    blocks = [block_of(text) for text in given]
    if not blocks:
        raise Invalid("subnetpool.prefixes", "Bad subnetpool request: the subnetpool prefix list cannot be empty.")
    versions = {block.version for block in blocks}
    if len(versions) > 1:
        raise Invalid("subnetpool.version", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
    merged: Iterable[Network] = collapse_addresses(blocks)  # type: ignore[type-var] # all of one version
    prefixes = tuple(str(block) for block in merged)
    if len(prefixes) > _PREFIXES_MAX:
        raise Invalid("subnetpool.prefixes", f"Bad subnetpool request: more than {_PREFIXES_MAX} prefixes.")
    return prefixes, versions.pop()


def _grown(pool: SubnetPool, given: tuple[str, ...]) -> tuple[str, ...]:
    prefixes, version = _prefixes(given)
    if version != pool.ip_version:
        raise Invalid("subnetpool.version", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
    blocks = [network_of(text) for text in prefixes]
    for old in pool.prefixes:
        if not any(_within(network_of(old), block) for block in blocks):
            raise Invalid(
                "subnetpool.prefixes",
                "Illegal subnetpool update : Existing prefixes must be a subset of the new prefixes.",
            )
    return prefixes


def _lengths(version: int, least: int, middle: int | UnsetType, most: int) -> tuple[int, int, int]:
    top = 32 if version == 4 else 128
    chosen = least if middle is UNSET else middle
    if least < 0 or most > top or not least <= most:
        raise Invalid(
            "subnetpool.prefix_bounds", f"Illegal prefix bounds: min_prefixlen={least}, max_prefixlen={most}."
        )
    if not least <= chosen <= most:
        raise Invalid(
            "subnetpool.prefix_bounds",
            f"Illegal prefix bounds: default_prefixlen={chosen} is not in {least} to {most}.",
        )
    return least, chosen, most


async def _in_scope(tx: Tx, caller: Caller, pool: SubnetPool, scope_id: str, prefixes: Sequence[str]) -> AddressScope:
    """A scope holds an address once: its pools must not overlap."""
    scope = await address_scopes.visible(tx, caller, scope_id)
    await _shared_as_far(tx, pool, scope_id)
    if scope.ip_version != pool.ip_version:
        raise Invalid(
            "subnetpool.address_scope",
            f"Illegal subnetpool association: subnetpool {pool.id} cannot associate with address scope {scope_id}"
            f" because subnetpool ip_version is not {scope.ip_version}.",
        )
    others = await tx.select(SUBNET_POOLS, Where().equal("address_scope_id", scope_id).add("id <> ?", pool.id))
    for other in others:
        for theirs in other.prefixes:
            if any(_overlap(network_of(ours), network_of(theirs)) for ours in prefixes):
                raise Conflict(
                    "address_scope.prefix_conflict",
                    f"Failed to associate address scope: subnetpools within address scopes must have unique prefixes."
                    f" {theirs} is in subnetpool {other.id}.",
                )
    return scope


async def _shared_as_far(tx: Tx, pool: SubnetPool, scope_id: str) -> None:
    """Checks that everybody with whom the pool is shared reaches its address scope."""
    sql = "SELECT target_tenant FROM rbac_policies WHERE object_type = 'subnetpool' AND object_id = ?"
    for (target,) in await tx.rows(sql, pool.id):
        if not await rbac_policies.reaches(tx, "address_scope", scope_id, str(target)):
            raise Invalid(
                "subnetpool.address_scope",
                f"Illegal subnetpool association: subnetpool {pool.id} is shared with {target}, which does not have"
                f" access to address scope {scope_id}.",
            )


async def _one_default(tx: Tx, pool: SubnetPool) -> None:
    other = await tx.row(
        "SELECT id FROM subnet_pools WHERE is_default = 1 AND ip_version = ? AND id <> ?", pool.ip_version, pool.id
    )
    if other is not None:
        raise Invalid(
            "subnetpool.default_exists", f"A default subnetpool for this IP family has already been set: {other[0]}."
        )


def _or_old(value: int | UnsetType, old: int) -> int:
    return old if isinstance(value, UnsetType) else value
