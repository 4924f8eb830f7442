"""Federation: identity providers elsewhere, how what they say maps to users here, and clouds that know our users.

These are the objects. Logging in through them needs a web front that speaks SAML or OpenID Connect, which is
not part of this cloud.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from trivet.domain.callers import Caller
from trivet.domain.identity import memory, personas
from trivet.domain.identity.people import projects
from trivet.domain.identity.people.projects import Project
from trivet.errors import Conflict, Invalid, NotFound
from trivet.store.tables import Record, Table
from trivet.store.tx import Tx
from trivet.store.where import Where


class IdentityProvider(Record, frozen=True, kw_only=True):
    domain_id: str
    enabled: bool = False
    description: str | None = None
    remote_ids: tuple[str, ...] = ()
    authorization_ttl: int | None = None


class Mapping(Record, frozen=True, kw_only=True):
    rules: list[Any]
    schema_version: str = "1.0"


class ServiceProvider(Record, frozen=True, kw_only=True):
    auth_url: str
    sp_url: str
    enabled: bool = False
    description: str | None = None
    relay_state_prefix: str = "ss:mem:"


class FederationProtocol(msgspec.Struct, frozen=True):
    idp_id: str
    id: str
    mapping_id: str
    remote_id_attribute: str | None = None


IDENTITY_PROVIDERS = Table("identity_providers", IdentityProvider)
MAPPINGS = Table("federation_mappings", Mapping)
SERVICE_PROVIDERS = Table("service_providers", ServiceProvider)


# -- identity providers


async def need_provider(tx: Tx, id: str) -> IdentityProvider:
    found = await tx.get(IDENTITY_PROVIDERS, id)
    if found is None:
        raise NotFound("identity_provider.absent", f"Could not find Identity Provider: {id[:64]}.")
    return found


async def create_provider(tx: Tx, caller: Caller, id: str, given: dict[str, Any]) -> IdentityProvider:
    """Makes an identity provider, with a domain of its own if none is named."""
    personas.need_operator(caller, "identity:create_identity_provider")
    await _free_remote_ids(tx, id, given.get("remote_ids", ()))
    domain_id = given.get("domain_id")
    if await tx.get(IDENTITY_PROVIDERS, id) is not None:
        raise Conflict("identity_provider.exists", f"Duplicate entry found with ID {id[:64]}.")
    if domain_id is None:
        name = tx.ids.hex()
        told = f"Made for the identity provider {id}"
        own = Project(id=name, name=name, domain_id=None, parent_id=None, is_domain=True, description=told)
        domain_id = (await projects.create_domain(tx, caller, own)).id
    else:
        await projects.need(tx, domain_id, noun="domain")
    return await tx.insert(IDENTITY_PROVIDERS, IdentityProvider(**{**given, "id": id, "domain_id": domain_id}))


async def _free_remote_ids(tx: Tx, id: str, remote_ids: tuple[str, ...]) -> None:
    if len(set(remote_ids)) != len(remote_ids):
        raise Invalid("identity_provider.remote_ids", "Each remote id may be there once.")
    for other in await tx.select(IDENTITY_PROVIDERS):
        for remote_id in remote_ids:
            if other.id != id and remote_id in other.remote_ids:
                raise Conflict("identity_provider.remote_id", f"Duplicate remote ID: {remote_id[:64]}.")


async def update_provider(tx: Tx, id: str, changes: dict[str, Any]) -> IdentityProvider:
    found = await need_provider(tx, id)
    await _free_remote_ids(tx, id, changes.get("remote_ids", ()))
    return await tx.update(IDENTITY_PROVIDERS, found, **changes)


# -- mappings

_Strings = list[str]


class Remote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    regex: bool | msgspec.UnsetType = msgspec.UNSET
    any_one_of: _Strings | msgspec.UnsetType = msgspec.UNSET
    not_any_of: _Strings | msgspec.UnsetType = msgspec.UNSET
    whitelist: _Strings | msgspec.UnsetType = msgspec.UNSET
    blacklist: _Strings | msgspec.UnsetType = msgspec.UNSET

    def conditions(self) -> int:
        said = (self.any_one_of, self.not_any_of, self.whitelist, self.blacklist)
        return sum(condition is not msgspec.UNSET for condition in said)


class LocalUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    email: str | msgspec.UnsetType = msgspec.UNSET
    domain: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    type: Literal["ephemeral", "local"] | msgspec.UnsetType = msgspec.UNSET


class Local(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: LocalUser | msgspec.UnsetType = msgspec.UNSET
    group: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    groups: str | msgspec.UnsetType = msgspec.UNSET
    group_ids: str | msgspec.UnsetType = msgspec.UNSET
    projects: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    domain: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    local: list[Local]
    remote: list[Remote]


def check_rules(rules: Any) -> list[Any]:
    try:
        checked = msgspec.convert(rules, list[Rule])
    except msgspec.ValidationError as error:
        raise Invalid("mapping.rules", f"Invalid input: rules: {error}.") from error
    if not checked or any(not rule.remote for rule in checked):
        raise Invalid("mapping.rules", "A mapping has at least one rule, and each rule a remote part.")
    if any(remote.conditions() > 1 for rule in checked for remote in rule.remote):
        raise Invalid("mapping.rules", "A remote part has at most one condition.")
    found: list[Any] = rules
    return found


async def need_mapping(tx: Tx, id: str) -> Mapping:
    found = await tx.get(MAPPINGS, id)
    if found is None:
        raise NotFound("mapping.absent", f"Could not find mapping: {id[:64]}.")
    return found


async def create_mapping(tx: Tx, new: Mapping) -> Mapping:
    if not await tx.insert_new(MAPPINGS, new):
        raise Conflict("mapping.exists", f"Duplicate entry found with ID {new.id[:64]}.")
    return new


# -- protocols of identity providers

_PROTOCOL = "idp_id, id, mapping_id, remote_id_attribute"


async def protocols(tx: Tx, idp_id: str, id: str | None = None) -> list[FederationProtocol]:
    """All of one provider, or the one that is asked for."""
    await need_provider(tx, idp_id)
    where = Where().equal("idp_id", idp_id)
    if id is not None:
        where.equal("id", id)
    rows = await tx.rows(f"SELECT {_PROTOCOL} FROM federation_protocols{where.sql} ORDER BY id", *where.values)
    return [FederationProtocol(*row) for row in rows]


async def need_protocol(tx: Tx, idp_id: str, id: str) -> FederationProtocol:
    row = await tx.row(f"SELECT {_PROTOCOL} FROM federation_protocols WHERE idp_id = ? AND id = ?", idp_id, id)
    if row is None:
        raise NotFound(
            "protocol.absent",
            f"Could not find federated protocol {id[:64]} for Identity Provider: {idp_id[:64]}.",
        )
    return FederationProtocol(*row)


async def create_protocol(tx: Tx, new: FederationProtocol) -> None:
    await need_provider(tx, new.idp_id)
    await _check_mapping(tx, new.mapping_id)
    sql = f"INSERT INTO federation_protocols ({_PROTOCOL}) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    if not await tx.run(sql, new.idp_id, new.id, new.mapping_id, new.remote_id_attribute):
        raise Conflict("protocol.exists", f"Duplicate entry found with ID {new.id[:64]}.")
    memory.note(tx, "federation_protocols", new.id)


async def update_protocol(tx: Tx, changed: FederationProtocol) -> None:
    await _check_mapping(tx, changed.mapping_id)
    await tx.run(
        "UPDATE federation_protocols SET mapping_id = ?, remote_id_attribute = ? WHERE idp_id = ? AND id = ?",
        changed.mapping_id,
        changed.remote_id_attribute,
        changed.idp_id,
        changed.id,
    )
    memory.note(tx, "federation_protocols", changed.id)


async def _check_mapping(tx: Tx, id: str) -> None:
    if await tx.get(MAPPINGS, id) is None:
        raise Invalid("protocol.mapping", f"Could not find mapping: {id[:64]}.")


async def delete_protocol(tx: Tx, idp_id: str, id: str) -> None:
    await need_protocol(tx, idp_id, id)
    await tx.run("DELETE FROM federation_protocols WHERE idp_id = ? AND id = ?", idp_id, id)
    memory.note(tx, "federation_protocols", id)


# -- service providers


async def need_service_provider(tx: Tx, id: str) -> ServiceProvider:
    found = await tx.get(SERVICE_PROVIDERS, id)
    if found is None:
        raise NotFound("service_provider.absent", f"Could not find Service Provider: {id[:64]}.")
    return found


async def create_service_provider(tx: Tx, new: ServiceProvider) -> ServiceProvider:
    if not await tx.insert_new(SERVICE_PROVIDERS, new):
        raise Conflict("service_provider.exists", f"Duplicate entry found with ID {new.id[:64]}.")
    return new


async def change_mapping(tx: Tx, mapping: Mapping, *, rules: Any, schema_version: str | None) -> Mapping:
    return await tx.update(MAPPINGS, mapping, rules=rules, schema_version=schema_version)


async def delete_mapping(tx: Tx, mapping: Mapping) -> None:
    await tx.delete(MAPPINGS, mapping)


async def delete_provider(tx: Tx, provider: IdentityProvider) -> None:
    await tx.delete(IDENTITY_PROVIDERS, provider)


async def change_service_provider(tx: Tx, provider: ServiceProvider, changes: dict[str, Any]) -> ServiceProvider:
    return await tx.update(SERVICE_PROVIDERS, provider, **changes)


async def delete_service_provider(tx: Tx, provider: ServiceProvider) -> None:
    await tx.delete(SERVICE_PROVIDERS, provider)


async def check_known(tx: Tx, federated: Sequence[dict[str, Any]]) -> None:
    """That there are the providers, with the protocols, by which somebody is said to be known."""
    for one in federated:
        if await tx.get(IDENTITY_PROVIDERS, one["idp_id"]) is None:
            raise Invalid("user.idp", f"Could not find Identity Provider: {one['idp_id'][:64]}")
        known = {protocol.id for protocol in await protocols(tx, one["idp_id"])}
        for protocol in one["protocols"]:
            if protocol["protocol_id"] not in known:
                raise Invalid("user.protocol", f"Could not find federated protocol: {protocol['protocol_id'][:64]}")
