"""Token facts: what identity tells about a token to whoever asks, encoded once and remembered.

The catalog is by far the largest part and nearly always the same, so it is kept apart and put in last. Only for what is
not remembered the database is asked, so that most tokens need no connection to it.
"""

import msgspec

from trivet.clock import iso_micros
from trivet.domain.callers import Caller
from trivet.domain.identity.catalog import catalog
from trivet.domain.identity.delegation.application_credentials import told as app_credential_told
from trivet.domain.identity.delegation.trusts import told as trust_told
from trivet.domain.identity.memory import IdentityMemory
from trivet.domain.identity.people.federation import SERVICE_PROVIDERS
from trivet.domain.identity.people.projects import PROJECTS, Project
from trivet.domain.identity.people.roles import RoleMap, role_map
from trivet.domain.identity.people.users import USERS
from trivet.errors import NotFound
from trivet.store.store import Store
from trivet.store.tx import Tx
from trivet.store.where import Where

_encode = msgspec.json.Encoder().encode


async def encoded(
    store: Store, memory: IdentityMemory, cloud_url: str, caller: Caller, *, with_catalog: bool = True
) -> bytes:
    """The JSON of {"token": ...}."""
    facts: bytes | None = memory.get(("token", caller.audit_id))
    if facts is None:
        generation = memory.generation
        facts = _encode(await _facts(store, memory, caller))
        memory.keep(("token", caller.audit_id), facts, generation)
    if not with_catalog or not (caller.project_id or caller.domain_id or caller.system):
        return b'{"token":' + facts + b"}"
    listed = catalog.remembered(memory, caller.project_id, caller.user_id)
    if listed is None:
        async with store.read() as tx:
            listed = await catalog.encoded(tx, memory, cloud_url, caller.project_id, caller.user_id)
    return b'{"token":' + facts[:-1] + b',"catalog":' + bytes(listed) + b"}}"


async def _facts(store: Store, memory: IdentityMemory, caller: Caller) -> dict[str, object]:
    found: dict[str, object] = {
        "methods": list(caller.methods),
        "user": await _user(store, memory, caller.user_id),
        "audit_ids": [caller.audit_id, *([caller.parent_audit_id] if caller.parent_audit_id else [])],
        "expires_at": iso_micros(caller.ends_at, "Z"),
        "issued_at": iso_micros(caller.issued_at, "Z"),
    }
    if caller.project_id is not None:
        found |= await _project(store, memory, caller.project_id)
    elif caller.domain_id is not None:
        found["domain"] = await _domain(store, memory, caller.domain_id)
    elif caller.system:
        found["system"] = {"all": True}
    if caller.project_id or caller.domain_id or caller.system:
        ids = (await _roles(store, memory)).ids
        found["roles"] = [{"id": ids[name], "name": name} for name in sorted(caller.roles) if name in ids]
    if shared := await _service_providers(store, memory):
        found["service_providers"] = shared
    if caller.app_credential_id or caller.oauth_token_id or caller.trust_id:
        async with store.read() as tx:
            found |= await _delegated(tx, caller)
    return found


async def _delegated(tx: Tx, caller: Caller) -> dict[str, object]:
    found: dict[str, object] = {}
    if caller.app_credential_id is not None:
        found["application_credential"] = await app_credential_told(tx, caller.app_credential_id)
    if caller.oauth_token_id is not None:
        row = await tx.row("SELECT consumer_id FROM oauth_tokens WHERE id = ?", caller.oauth_token_id)
        consumer_id = row[0] if row is not None else None
        found["OS-OAUTH1"] = {"access_token_id": caller.oauth_token_id, "consumer_id": consumer_id}
    if caller.trust_id is not None:
        found["OS-TRUST:trust"] = await trust_told(tx, caller.trust_id)
    return found


async def _roles(store: Store, memory: IdentityMemory) -> RoleMap:
    known: RoleMap | None = memory.get("roles")
    if known is None:
        async with store.read() as tx:
            known = await role_map(tx, memory)
    return known


async def _service_providers(store: Store, memory: IdentityMemory) -> list[dict[str, str]]:
    known: list[dict[str, str]] | None = memory.get("service_providers")
    if known is None:
        generation = memory.generation
        async with store.read() as tx:
            enabled = await tx.select(SERVICE_PROVIDERS, Where().equal("enabled", 1), order="id")
        known = [{"id": one.id, "auth_url": one.auth_url, "sp_url": one.sp_url} for one in enabled]
        memory.keep("service_providers", known, generation)
    return known


async def _user(store: Store, memory: IdentityMemory, user_id: str) -> dict[str, object]:
    known: dict[str, object] | None = memory.get(("user told", user_id))
    if known is None:
        generation = memory.generation
        async with store.read() as tx:
            user = await tx.get(USERS, user_id)
        if user is None:
            raise NotFound("token.absent", "The token's user is gone.")
        known = {
            "domain": await _domain(store, memory, user.domain_id),
            "id": user.id,
            "name": user.name,
            "password_expires_at": iso_micros(user.password_ends_at, ""),
        }
        memory.keep(("user told", user_id), known, generation)
    return known


async def _project(store: Store, memory: IdentityMemory, project_id: str) -> dict[str, object]:
    known: dict[str, object] | None = memory.get(("project told", project_id))
    if known is None:
        generation = memory.generation
        async with store.read() as tx:
            project = await tx.need(PROJECTS, project_id, "project")
        domain = await _domain(store, memory, project.domain_id or project.id)
        known = {"project": {**_named(project), "domain": domain}, "is_domain": project.is_domain}
        memory.keep(("project told", project_id), known, generation)
    return known


async def _domain(store: Store, memory: IdentityMemory, domain_id: str) -> dict[str, str]:
    known: dict[str, str] | None = memory.get(("domain", domain_id))
    if known is None:
        generation = memory.generation
        async with store.read() as tx:
            known = _named(await tx.need(PROJECTS, domain_id, "domain"))
        memory.keep(("domain", domain_id), known, generation)
    return known


def _named(project: Project) -> dict[str, str]:
    return {"id": project.id, "name": project.name}
