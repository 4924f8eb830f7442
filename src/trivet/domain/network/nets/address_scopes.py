"""Address scopes: within one, an address means one thing; pools that share it must not overlap."""

from msgspec import UNSET, Struct, UnsetType

from trivet.domain.callers import Caller
from trivet.domain.limits import quotas
from trivet.domain.network import rbac_policies
from trivet.domain.network.words import Number, Text
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx


class AddressScope(Record, frozen=True, kw_only=True):
    project_id: str
    name: str
    ip_version: int


ADDRESS_SCOPES = Table("address_scopes", AddressScope)


class AddressScopeCreate(Struct, frozen=True, kw_only=True):
    project_id: Text | UnsetType = UNSET
    name: Text = ""
    ip_version: Number
    shared: bool = False


class AddressScopeUpdate(Struct, frozen=True, kw_only=True):
    name: Text | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


async def visible(tx: Tx, caller: Caller, id: str) -> AddressScope:
    scope = await tx.get(ADDRESS_SCOPES, id)
    if scope is None or not await rbac_policies.sees(tx, caller, "address_scope", scope.project_id, id):
        raise NotFound("address_scope.absent", f"Address scope {id} could not be found.")
    return scope


async def own(tx: Tx, caller: Caller, id: str, what: str) -> AddressScope:
    scope = await visible(tx, caller, id)
    rbac_policies.must_own(caller, scope.project_id, what)
    return scope


async def create(tx: Tx, caller: Caller, wanted: AddressScopeCreate) -> AddressScope:
    rbac_policies.operator_only(caller, "create_address_scope:shared", wanted.shared or UNSET)
    if wanted.ip_version not in (4, 6):
        raise Invalid("address_scope.invalid", "Invalid input for ip_version. Reason: it must be 4 or 6.")
    scope = AddressScope(
        id=tx.ids.uuid(),
        project_id=rbac_policies.owner(caller, wanted.project_id),
        name=wanted.name,
        ip_version=wanted.ip_version,
    )
    await tx.insert(ADDRESS_SCOPES, scope)
    quotas.at_end(tx, scope.project_id, {"address_scope": 1})
    if wanted.shared:
        await rbac_policies.grant(tx, scope.project_id, "address_scope", scope.id, "access_as_shared")
    return scope


async def update(tx: Tx, caller: Caller, scope: AddressScope, wanted: AddressScopeUpdate) -> AddressScope:
    rbac_policies.operator_only(caller, "update_address_scope:shared", wanted.shared)
    if wanted.shared is False and scope.id in await rbac_policies.shared_with(tx, caller, "address_scope", scope.id):
        raise Invalid(
            "address_scope.shared",
            f"Unable to update address scope {scope.id}: Shared address scope can't be unshared.",
        )
    written = await tx.update(ADDRESS_SCOPES, scope, **({} if wanted.name is UNSET else {"name": wanted.name}))
    if wanted.shared is True:
        await rbac_policies.hold_there(tx, "address_scope", scope.id)
        await rbac_policies.grant(tx, scope.project_id, "address_scope", scope.id, "access_as_shared")
    return written


async def delete(tx: Tx, scope: AddressScope) -> None:
    if await tx.row("SELECT 1 FROM subnet_pools WHERE address_scope_id = ? LIMIT 1", scope.id):
        raise Conflict(
            "address_scope.in_use",
            f"Unable to complete operation on address scope {scope.id}. There are one or more subnet pools in use.",
        )
    await tx.delete(ADDRESS_SCOPES, scope)
    await rbac_policies.forget(tx, "address_scope", scope.id)
    quotas.at_end(tx, scope.project_id, {"address_scope": -1})
